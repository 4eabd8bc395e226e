//! `/api/auth/reauthenticate`: proving again who one is, for what asks for a proof that is not old.
//!
//! Everything is proved again that the account has: the password, and a code where there is a second factor. A passkey stands for
//! both. Who has neither a password nor a passkey signs in again.

use axum::extract::State;
use serde_json::Value;
use usher_core::{
    Attempt, Connection, Result as CoreResult,
    factors::{self, Proved, Proving, State as Factor, Used},
    mails::Mail,
    one_time::Token,
    passkeys::{self, ProvingPasskey},
    tokens::{self, Principal},
};
use usher_domain::{Action, Invalid, Language, Method, Methods, PasswordAttempt};

use super::{challenge::notice, passkeys::OptionsView};
use crate::{
    App, Code, Operations, Problem,
    access::{Challenged, Own, SignedIn},
    answer::{Shown, view},
    input::{Nothing, Object, Query, Repeatable, form},
    origin::Spoken,
    problem::Place,
};

pub(crate) fn reauthenticate() -> Operations {
    Operations::default()
        .post(
            "Proves again who one is, and returns an access token that says so.",
            prove,
        )
        .audits(Action::Reauthenticate)
        .fails_with(&[
            Code::EditConflict,
            Code::InvalidCode,
            Code::TooManyCodes,
            Code::PasswordMissing,
            Code::PasskeyRefused,
            Code::Misconfigured,
        ])
}

pub(crate) fn options() -> Operations {
    Operations::default()
        .post(
            "Returns what the browser asks for an own passkey with, to prove again who one is.",
            ask,
        )
        .fails_with(&[Code::PasskeyNotFound, Code::Misconfigured])
}

form! {
    /// A proof of who one is: the password and the code, or a passkey.
    ProofForm {
        /// The password, where the account has one.
        password: Option<PasswordAttempt> = "password",
        /// Six digits of the authenticator app, or a recovery code, where the account has a second factor.
        code: Option<String> = "code",
        /// The token of /api/auth/reauthenticate/options.
        ceremony_token: Option<String> = "ceremonyToken",
        /// What `PublicKeyCredential.toJSON` returns.
        credential: Option<Object> = "credential",
    }
}

view! {
    /// Another access token of the same session; its refresh token stays.
    ProofView {
        /// Goes into the header `Authorization: Bearer …` (RFC 6750).
        access_token: String,
        /// `Bearer`.
        token_type: &'static str,
        /// How long the access token is valid, in seconds.
        expires_in: i64,
    }
}

/// POST /api/auth/reauthenticate/options, signed in.
async fn ask(
    State(app): State<App>,
    own: Own,
    _: Query<Nothing>,
) -> Result<Shown<OptionsView>, Problem> {
    let party = app.relying_party()?;
    let (actor, known) = own.read(passkeys::find_known).await?;
    if known.is_empty() {
        return Err(Problem::from(Code::PasskeyNotFound).by(&actor));
    }
    let connection = app.database.connection().await?;
    let who = own.principal();
    let begun = passkeys::begin_step_up(&connection, &party, who, &known).await?;
    Ok(Shown::new(begun.into()))
}

/// POST /api/auth/reauthenticate, signed in, REAUTHENTICATE, or `PASSWORD_REFUSED`, `CODE_REFUSED` or `PASSKEY_REFUSED`.
async fn prove(
    State(app): State<App>,
    challenged: Challenged,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<ProofForm>,
) -> Result<Shown<ProofView>, Problem> {
    let caller = &challenged.caller;
    // What one session proved is not shown to another one.
    let attempt = sent.attempt(&app, &format!("session {}", caller.session.id));
    let ProofForm {
        password,
        code,
        ceremony_token,
        credential,
    } = sent.form;
    if ceremony_token.is_some() || credential.is_some() {
        check_member("password", false, password.is_some())?;
        check_member("code", false, code.is_some())?;
        let token = required("ceremonyToken", ceremony_token)?;
        let answer = required("credential", credential)?;
        return prove_by_passkey(&app, caller, (&token, &answer.0), attempt.as_ref()).await;
    }
    // A code alone proves one factor of two, and nothing at all proves none.
    challenged.must_have_password()?;
    let needs_code = !caller.actor.factors.are_none();
    check_member("password", true, password.is_some())?;
    check_member("code", needs_code, code.is_some())?;
    // Where an earlier attempt was successful, the change below says so.
    let checked = match password {
        Some(password) => challenged.check(&app, password, attempt.as_ref()).await?,
        None => None,
    };
    let connection = app.database.connection().await?;
    let (good, refusal) = match code {
        Some(code) => {
            let looked = (code.as_str(), language);
            look(&app, &connection, (caller, attempt.as_ref()), looked).await?
        }
        None => (None, Code::EditConflict),
    };
    let (shown, mail) = good.unwrap_or_default();
    let mut methods = Methods::one(Method::Password);
    if needs_code {
        methods = methods.and(Method::OneTimeCode);
    }
    let proving = Proving {
        principal: caller.principal(),
        checked,
        used: needs_code.then_some(&shown),
        methods: &methods,
        mail: mail.as_ref(),
    };
    let change = note(&connection, caller, &proving, attempt.as_ref());
    let proved = if checked.is_some() {
        challenged.make(&connection, change).await?
    } else {
        change.await?
    };
    if let Some(proved) = proved {
        return show(&app, proving.principal, &proved);
    }
    if needs_code {
        let (author, user) = (caller.author(), caller.actor.user.id);
        factors::record_refused_code(&connection, author, user).await?;
    }
    Err(Problem::from(refusal).by(&caller.actor))
}

/// Proves by a passkey, which stands for every factor.
async fn prove_by_passkey(
    app: &App,
    caller: &SignedIn,
    (token, answer): (&str, &Value),
    attempt: Option<&Attempt>,
) -> Result<Shown<ProofView>, Problem> {
    let party = app.relying_party()?;
    let token = Token::parse(token);
    let proving = ProvingPasskey {
        principal: caller.principal(),
        token: token.as_ref(),
        answer,
        attempt,
    };
    let connection = app.database.connection().await?;
    let proved = passkeys::prove(&connection, &party, caller.author(), &proving).await?;
    match proved {
        Some(proved) => show(app, proving.principal, &proved),
        None => Err(Problem::from(Code::PasskeyRefused).by(&caller.actor)),
    }
}

/// Notes a proof that is good, or finds an earlier attempt at it.
async fn note(
    connection: &Connection,
    caller: &SignedIn,
    proving: &Proving<'_>,
    attempt: Option<&Attempt>,
) -> CoreResult<Option<Proved>> {
    let author = caller.author().once(attempt);
    factors::prove_again(connection, author, proving).await
}

/// Looks at a code, once its try was counted, and says what is wrong if it turns out to be no good. With the code comes what its owner
/// is told of it.
async fn look(
    app: &App,
    connection: &Connection,
    (caller, attempt): (&SignedIn, Option<&Attempt>),
    (code, language): (&str, Language),
) -> Result<(Option<(Used, Option<Mail>)>, Code), Problem> {
    let user = caller.actor.user.id;
    match factors::count_try(connection, user, Factor::InForce, attempt).await? {
        Some(tried) => {
            let Some(good) = tried.check(&app.secret, code)? else {
                return Ok((None, Code::InvalidCode));
            };
            let mail = notice(app, &tried, &good, language)?;
            Ok((Some((good, mail)), Code::InvalidCode))
        }
        None => Ok((None, Code::TooManyCodes)),
    }
}

/// Returns a member, or refuses a request without it.
fn required<T>(name: &str, member: Option<T>) -> Result<T, Problem> {
    check_member(name, true, member.is_some())?;
    member.ok_or(Code::ValidationFailed.into())
}

/// Refuses a member that is missing, or that there is nothing to check against.
fn check_member(name: &str, is_needed: bool, is_there: bool) -> Result<(), Problem> {
    let invalid = match (is_needed, is_there) {
        (true, false) => Invalid::new("required", "is required"),
        (false, true) => Invalid::new("unexpected", "is not asked for here; remove it"),
        _ => return Ok(()),
    };
    Err(Problem::invalid_at(
        Place::Pointer(format!("/{name}")),
        invalid,
    ))
}

fn show(app: &App, principal: Principal, proved: &Proved) -> Result<Shown<ProofView>, Problem> {
    let access_token = app
        .tokens
        .issue(principal, &proved.proof, proved.proof.at)?;
    let expires_in = (tokens::LIFETIME - proved.age).whole_seconds();
    Ok(Shown::new(ProofView {
        access_token,
        token_type: "Bearer",
        expires_in: expires_in.clamp(0, tokens::LIFETIME.whole_seconds()),
    }))
}
