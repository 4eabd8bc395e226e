//! Signing in by mail, with a link or a code that is good on the device that asked for it.
//!
//! Who reads the mail owns the address, so that it counts as verified. Whoever registered it before proved nothing: the password
//! of an account that was never verified may be a stranger's, who waits for its owner to move in, and goes.

use serde_json::json;
use tokio_postgres::types::Type;
use usher_domain::{Email, Factors, Method, Methods, Origin, Purpose, UserId};

use super::{Wish, asked, kept_session_of};
use crate::{
    Attempt, Author, Connection, Result,
    connection::Parameter,
    factors::{self, Challenge, Half},
    limits::Charge,
    mails::Mail,
    one_time::{OneTime, Shown, Token, is_good},
    row,
    secret::Secret,
    sessions::{self, Begin, Session},
    users::MUST_VERIFY,
};

const REQUEST: &[u8] = b"usher sign-in request v1";

/// A mail to sign in with that somebody asks for.
pub struct SignInRequest {
    /// What the device keeps.
    request: Token,
    /// What is mailed.
    pub one_time: OneTime,
}

impl SignInRequest {
    /// Makes the secrets of a request.
    pub fn new(secret: &Secret, email: &Email, attempt: Option<&Attempt>) -> Result<Self> {
        let request = match attempt.and_then(Attempt::seed) {
            Some(seed) => Token::of_attempt(seed, REQUEST),
            None => Token::generate()?,
        };
        let one_time = OneTime::bound(secret, Purpose::SignIn, email, &request)?;
        Ok(Self { request, one_time })
    }
}

/// Sends a mail to sign in with to the owner of an address, if somebody has an account with it, and returns what the device that
/// asks keeps: that of an earlier attempt at the same request, if there was one.
pub async fn request_sign_in(
    connection: &Connection,
    author: Author<'_>,
    email: &Email,
    (new, mail): (&SignInRequest, &Mail),
    attempt: Option<&Attempt>,
) -> Result<Token> {
    let author = author.once(attempt);
    let sent = (&new.one_time, mail);
    let changed = asked(connection, author, Wish::SignIn, email, sent).await?;
    match (changed, attempt) {
        (Some(changed), Some(attempt)) if changed.is_repeated => {
            let seed = attempt.seed_of(&changed.row)?;
            Ok(Token::of_attempt(seed, REQUEST))
        }
        _ => Ok(new.request.clone()),
    }
}

/// Somebody whom a link or a code lets in.
pub struct Entrant {
    /// The user.
    pub user: UserId,
    /// The second factors of the account, which are asked for as after a password.
    pub factors: Factors,
    /// Whether the account was registered by somebody who never verified the address.
    must_verify: bool,
}

/// Returns whom a secret lets in, without using it.
pub async fn find_entrant(connection: &Connection, shown: &Shown) -> Result<Option<Entrant>> {
    let statement = format!(
        "select
          users.id as user_id,
          users.second_factors,
          {MUST_VERIFY} as must_verify
        from one_time_secrets
        join users on users.id = one_time_secrets.user_id
        where {is_good}
          and users.email = one_time_secrets.address
          and users.is_active
          and users.deleted_at is null",
        is_good = is_good(1),
    );
    let (purpose, hashes, subjects) = shown.values();
    let parameters: &[Parameter<'_>] = &[
        (&purpose, Type::TEXT),
        (&hashes, Type::BYTEA_ARRAY),
        (&subjects, Type::TEXT_ARRAY),
    ];
    let row = connection
        .row("find entrant", &statement, parameters)
        .await?;
    row.map(|row| {
        Ok(Entrant {
            user: UserId::new(row::get(&row, "user_id")?),
            factors: row::factors(&row)?,
            must_verify: row::get(&row, "must_verify")?,
        })
    })
    .transpose()
}

/// A link or a code that is to be used.
pub struct Redemption<'a> {
    /// What was shown.
    pub shown: &'a Shown,
    /// Whom it lets in.
    pub entrant: &'a Entrant,
    /// The request, when it may be sent again.
    pub attempt: Option<&'a Attempt>,
}

/// Uses the secret and begins a session, or returns `None` when it is not good any more, or the account was changed meanwhile: both
/// or neither. The address is verified then, and a password that somebody chose before it was is gone.
pub async fn sign_in(
    connection: &Connection,
    origin: &Origin,
    secret: &Secret,
    redemption: &Redemption<'_>,
) -> Result<Option<Session>> {
    let Redemption {
        shown,
        entrant,
        attempt,
    } = redemption;
    let condition = format!(
        "and cardinality(users.second_factors) = 0
            and {MUST_VERIFY} = $11"
    );
    let (purpose, hashes, subjects) = shown.values();
    let details = json!({ "by": by(shown), "isPasswordRemoved": entrant.must_verify });
    let begin = Begin {
        context: "sign in by mail",
        user: entrant.user,
        attempt: *attempt,
        methods: &Methods::one(Method::Mail),
        payload: Some(("mail", details)),
        is_open_to_unverified: true,
        condition: &condition,
        proof: &format!("{}{}", used(8), verified()),
        join: " cross join secret",
        parameters: vec![
            (&purpose, Type::TEXT),
            (&hashes, Type::BYTEA_ARRAY),
            (&subjects, Type::TEXT_ARRAY),
            (&entrant.must_verify, Type::BOOL),
        ],
    };
    sessions::begin(connection, origin, secret, begin).await
}

/// Uses the secret and asks for the second factor, or returns `None` when it is not good any more, or the account was changed
/// meanwhile: both or neither. The address is verified then. What `charge` counted is taken back by the right code.
pub async fn begin_sign_in(
    connection: &Connection,
    origin: &Origin,
    redemption: &Redemption<'_>,
    charge: &Charge,
) -> Result<Option<Challenge>> {
    let Redemption {
        shown,
        entrant,
        attempt,
    } = redemption;
    let (purpose, hashes, subjects) = shown.values();
    let half = Half {
        context: "ask for factor after mail",
        user: entrant.user,
        attempt: *attempt,
        method: Method::Mail,
        charge,
        payload: Some(("mail", json!({ "by": by(shown) }))),
        condition: "",
        proof: &format!("{}{NOTED}", used(7)),
        join: " cross join secret",
        password: "account.password",
        parameters: vec![
            (&purpose, Type::TEXT),
            (&hashes, Type::BYTEA_ARRAY),
            (&subjects, Type::TEXT_ARRAY),
        ],
    };
    factors::begin_half(connection, origin, half).await
}

fn by(shown: &Shown) -> &'static str {
    if shown.is_code() { "code" } else { "link" }
}

/// Marks the secret as used; its parameters begin at `first`. The row of the user is locked before that of the secret, as
/// whatever ends the secrets of an account does.
fn used(first: usize) -> String {
    format!(
        "secret as (
          update one_time_secrets
          set used_at = now()
          from account
          where one_time_secrets.user_id = account.id
            and one_time_secrets.address = account.email
            and {is_good}
          returning one_time_secrets.user_id
        ),",
        is_good = is_good(first),
    )
}

/// Notes that the owner of the address reads what is sent there, and takes away a password that was chosen before.
fn verified() -> String {
    format!(
        "
        verified as (
          update users
          set
            email_verified_at = now(),
            password = case when $11 then null else users.password end,
            password_changed_at = case when $11 then now() else users.password_changed_at end
          from secret
          where users.id = secret.user_id
            and users.email_verified_at is null
          returning {kept_session}
        ),",
        kept_session = kept_session_of("$1::text"),
    )
}

/// Notes the same of an account that somebody has been in before, or it had no second factor: its password stays.
const NOTED: &str = "
        verified as (
          update users
          set email_verified_at = now()
          from secret
          where users.id = secret.user_id
            and users.email_verified_at is null
        ),";
