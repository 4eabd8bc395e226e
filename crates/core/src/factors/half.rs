//! Half a sign-in: a first factor that was right, of an account that asks for a second one.
//!
//! By whatever the first step was proved, the same row waits for the second one, and says by what.

use serde_json::{Value, json};
use time::Duration;
use tokio_postgres::{Row, types::Type};
use usher_domain::{Action, Entity, Event, Factors, Method, Origin, UserId};

use crate::{
    Attempt, Author, Connection, Result, connection::Parameter, idempotency, idempotency::Material,
    limits::Charge, one_time::Token, passwords::PasswordHash, row, users::MUST_VERIFY,
};

/// For how many minutes a challenge is good.
const MINUTES: i32 = 10;

/// A password that was right, of an account that has a second factor.
pub struct Ask<'a> {
    /// The user.
    pub user: UserId,
    /// The hash that the password was checked against.
    pub checked: &'a PasswordHash,
    /// A new hash of it, when the old one costs too little.
    pub rehashed: Option<&'a PasswordHash>,
    /// The request, when it may be sent again.
    pub attempt: Option<&'a Attempt>,
    /// What the try at the password counts against: it is taken back when the code was right, too. So whoever knows the password
    /// alone does not begin as many challenges as they like.
    pub charge: &'a Charge,
}

/// A sign-in that waits for its second factor.
pub struct Challenge {
    /// What goes with the code.
    pub token: Token,
    /// How long it is good.
    pub expires_in: Duration,
    /// The second factors of the account.
    pub factors: Factors,
}

/// A first factor that was right, with the part of the statement that holds it against the database once more.
pub(crate) struct Half<'a> {
    /// Names the statement.
    pub(crate) context: &'static str,
    /// The user.
    pub(crate) user: UserId,
    /// The request, when it may be sent again.
    pub(crate) attempt: Option<&'a Attempt>,
    /// By what it was proved.
    pub(crate) method: Method,
    /// What was counted for it, and is taken back by the right code.
    pub(crate) charge: &'a Charge,
    /// What the entry tells.
    pub(crate) payload: Option<(&'static str, Value)>,
    /// What has to hold of the account, beginning with `and`.
    pub(crate) condition: &'a str,
    /// Common table expressions that may lean on `account`, each with a comma behind it.
    pub(crate) proof: &'a str,
    /// Joins those of them that must have a row.
    pub(crate) join: &'a str,
    /// The stored password as the statement leaves it.
    pub(crate) password: &'a str,
    /// The parameters of the four, from `$7` on.
    pub(crate) parameters: Vec<Parameter<'a>>,
}

/// Asks for the second factor after a right password, or returns `None` when the account was changed meanwhile.
pub async fn ask(
    connection: &Connection,
    origin: &Origin,
    ask: &Ask<'_>,
) -> Result<Option<Challenge>> {
    let checked = ask.checked.as_str();
    let rehashed = ask.rehashed.map(PasswordHash::as_str);
    let half = Half {
        context: "ask for factor",
        user: ask.user,
        attempt: ask.attempt,
        method: Method::Password,
        charge: ask.charge,
        payload: None,
        condition: "and users.password = $7",
        proof: "rehashed as (
          update users
          set password = $8
          from account
          where users.id = account.id
            and $8 is not null
        ),",
        join: "",
        password: "coalesce($8, account.password)",
        parameters: vec![(&checked, Type::TEXT), (&rehashed, Type::TEXT)],
    };
    begin(connection, origin, half).await
}

/// Asks for the second factor, or returns `None` when the account has none, may not sign in, or the first one does not hold any
/// more.
///
/// The row of the user is locked against whoever takes a factor or gives one up at the same time.
pub(crate) async fn begin(
    connection: &Connection,
    origin: &Origin,
    half: Half<'_>,
) -> Result<Option<Challenge>> {
    let attempt = half.attempt;
    let material = Material::new(attempt)?;
    let token = token(&material)?;
    let hash = token.hash();
    let (user, hash, tried) = (half.user.get(), hash.as_slice(), half.charge.tried());
    let methods = [half.method.as_str()];
    let methods = methods.as_slice();
    let statement = statement(&half);
    let mut parameters: Vec<Parameter<'_>> = vec![
        (&user, Type::INT8),
        (&hash, Type::BYTEA),
        (&MINUTES, Type::INT4),
        (&material.nonce, Type::UUID),
        (&tried, Type::BYTEA_ARRAY),
        (&methods, Type::TEXT_ARRAY),
    ];
    parameters.extend(half.parameters);
    let mut event = Event::new(Action::LoginChallenge, Entity::User);
    if let Some((name, value)) = half.payload {
        event = event.with_payload(json!({ name: value }));
    }
    let author = Author::nobody(origin).once(attempt);
    let changed = connection
        .change_once(half.context, author, &event, &statement, &parameters)
        .await?;
    changed
        .map(|changed| match attempt {
            Some(attempt) if changed.is_repeated => again(attempt, &changed.row),
            _ => Ok(Challenge {
                token,
                expires_in: life(),
                factors: row::factors(&changed.row)?,
            }),
        })
        .transpose()
}

/// Returns the challenge that an earlier attempt at the same request began, or `None` when it began none.
pub async fn repeated(connection: &Connection, attempt: &Attempt) -> Result<Option<Challenge>> {
    let Some(row) = idempotency::find(connection, attempt).await? else {
        return Ok(None);
    };
    let nonce: Option<uuid::Uuid> = row::get(&row, "nonce")?;
    nonce.map(|_| again(attempt, &row)).transpose()
}

fn again(attempt: &Attempt, found: &Row) -> Result<Challenge> {
    let material = Material::of(attempt, found)?;
    // An older build did not store them; whoever answers by their names sees none then.
    let factors: Option<Vec<String>> = row::get(found, "second_factors")?;
    Ok(Challenge {
        token: token(&material)?,
        expires_in: (life() - row::age(found)?).max(Duration::ZERO),
        factors: Factors::new(factors.unwrap_or_default()),
    })
}

fn life() -> Duration {
    Duration::minutes(MINUTES.into())
}

/// Writes what a challenge keeps of the account: with another password or address by now it is void. A build that knows of no
/// other first factor than the password finds none of the others good.
pub(super) fn proved(password: &str, email: &str, methods: &str) -> String {
    format!(
        "sha256(convert_to(
            coalesce({password}, '') || '|' || {email}
              || case when {methods} = '{{pwd}}' then '' else '|' || array_to_string({methods}, ',') end,
            'UTF8'
          ))"
    )
}

/// The parameters are those of [`begin`], in the order it sends them.
fn statement(half: &Half<'_>) -> String {
    let Half {
        condition,
        proof,
        join,
        password,
        ..
    } = half;
    format!(
        "account as (
          select
            id,
            email,
            password,
            second_factors
          from users
          where id = $1
            and cardinality(second_factors) > 0
            and is_active
            and deleted_at is null
            and not {MUST_VERIFY}
            {condition}
          for no key update
        ),
        {proof}
        change as (
          insert into challenges (
            secret_hash,
            user_id,
            proved,
            expires_at,
            tried,
            methods
          )
          select
            $2,
            account.id,
            {proved},
            now() + make_interval(mins => $3),
            $5,
            $6
          from account{join}
          returning
            challenges.user_id as entity_id,
            challenges.created_at as issued_at,
            $4::uuid as nonce,
            (select account.second_factors from account) as second_factors
        )",
        proved = proved(password, "account.email", "$6"),
    )
}

fn token(material: &Material<'_>) -> Result<Token> {
    material.bytes("challenge").map(Token::new)
}
