//! Accounts that people make and recover by themselves, with what is mailed to them.
//!
//! Whether somebody has an account is for the owner of the address to learn. So a request for an address without one runs
//! the same statement and leaves the same rows: a secret that is good for nobody, and a mail that nobody gets.

use tokio_postgres::types::Type;
use usher_domain::{Action, Email, Entity, Event, Name, Purpose};

use crate::{
    Attempt, Author, Connection, Result,
    audited::Changed,
    connection::Parameter,
    idempotency,
    limits::{Charge, forgiven},
    mails::Mail,
    one_time::{OneTime, REDEEMED, Shown, issued},
    passwords::PasswordHash,
};

mod deletion;
mod email_change;
mod export;
mod password;
mod sign_in;

pub use deletion::{
    NewDeletion, bar_restoration, find_deletion, find_restorable, record_refused_restore,
    remove_due, request_deletion, restore,
};
pub use email_change::{
    ConfirmError, EmailChange, NewEmailChange, Side, cancel_email_change, confirm_email_change,
    find_email_change, record_refused_email_change, request_email_change,
};
pub use export::{
    Export, KeptApiKey, KeptApp, KeptDeletion, KeptInvitation, KeptPasskey, KeptRecoveryCode,
    KeptSession, WaitingEmailChange, find_export, record_export,
};
pub use password::{
    Means, PasswordChange, change_password, find_means, find_password, record_refused_password,
};
pub use sign_in::{
    Entrant, Redemption, SignInRequest, begin_sign_in, find_entrant, request_sign_in, sign_in,
};

/// An account to be.
pub struct NewAccount<'a> {
    /// What the person is called.
    pub name: &'a Name,
    /// The address.
    pub email: &'a Email,
    /// The hashed password.
    pub password: &'a PasswordHash,
}

/// Makes an account whose address is not verified yet, with a mail to verify it.
///
/// Of an account that nobody has verified, the newest name and password count. One that is in use stays as it is, and its
/// owner gets the other mail. `register_user` of the database does the same work for each of them.
pub async fn register(
    connection: &Connection,
    author: Author<'_>,
    new: &NewAccount<'_>,
    one_time: &OneTime,
    mail: &Mail,
) -> Result<()> {
    let change = format!(
        "holder as (
          select
            user_id,
            address,
            owner_id
          from register_user($1, $2, $3)
        ),
        {issued},
        change as (
          select
            holder.owner_id as entity_id,
            holder.user_id is not null as is_usual
          from holder
        )",
        issued = issued(4, "holder"),
    );
    let (name, email, password) = (new.name.as_str(), new.email.as_str(), new.password.as_str());
    let values = one_time.row.values();
    let mut parameters: Vec<Parameter<'_>> = vec![
        (&name, Type::TEXT),
        (&email, Type::TEXT),
        (&password, Type::TEXT),
    ];
    parameters.extend(values.parameters());
    let event = Event::new(Action::Register, Entity::User);
    let author = author.mailing(mail);
    connection
        .change("register", author, &event, &change, &parameters)
        .await?;
    Ok(())
}

/// What somebody asks to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Another mail to verify the address.
    Verification,
    /// A mail to choose another password.
    Reset,
    /// A mail to sign in with.
    SignIn,
}

/// Sends a mail with a secret to the owner of an address, if somebody owns it who is to get one.
pub async fn ask(
    connection: &Connection,
    author: Author<'_>,
    wish: Wish,
    email: &Email,
    sent: (&OneTime, &Mail),
) -> Result<()> {
    asked(connection, author, wish, email, sent).await?;
    Ok(())
}

/// Does what [`ask`] does, and returns what tells whether an earlier attempt did it.
async fn asked(
    connection: &Connection,
    author: Author<'_>,
    wish: Wish,
    email: &Email,
    (one_time, mail): (&OneTime, &Mail),
) -> Result<Option<Changed>> {
    let change = format!(
        "account as (
          select
            id as user_id,
            email as address
          from users
          where email = $1
            and is_active
            and deleted_at is null
            and (email_verified_at is null or $2)
        ),
        holder as ({holder}),
        {issued},
        change as (
          select
            holder.user_id as entity_id,
            holder.user_id is not null as is_usual
          from holder
        )",
        holder = or_nobody("account"),
        issued = issued(3, "holder"),
    );
    let is_for_verified = wish != Wish::Verification;
    let email = email.as_str();
    let values = one_time.row.values();
    let mut parameters: Vec<Parameter<'_>> =
        vec![(&email, Type::TEXT), (&is_for_verified, Type::BOOL)];
    parameters.extend(values.parameters());
    let action = match wish {
        Wish::Verification => Action::VerificationRequest,
        Wish::Reset => Action::ResetRequest,
        Wish::SignIn => Action::LoginRequest,
    };
    let event = Event::new(action, Entity::User);
    let author = author.mailing(mail);
    connection
        .change_once("ask for a mail", author, &event, &change, &parameters)
        .await
}

/// Notes that the owner of an address can read what is sent there, or returns `false` when the secret is not good. The
/// tries that `tried` names are taken back.
pub async fn verify(
    connection: &Connection,
    author: Author<'_>,
    shown: &Shown,
    tried: &Charge,
) -> Result<bool> {
    let change = format!(
        "{REDEEMED},
        change as (
          update users
          set email_verified_at = coalesce(users.email_verified_at, now())
          from secret
          where users.id = secret.user_id
            and users.email = secret.address
            and users.is_active
            and users.deleted_at is null
          returning users.id as entity_id
        ),
        {forgiven}",
        forgiven = forgiven(4),
    );
    let (purpose, hashes, subjects) = shown.values();
    let tried = tried.tried();
    let parameters: &[Parameter<'_>] = &[
        (&purpose, Type::TEXT),
        (&hashes, Type::BYTEA_ARRAY),
        (&subjects, Type::TEXT_ARRAY),
        (&tried, Type::BYTEA_ARRAY),
    ];
    let event = Event::new(Action::EmailVerify, Entity::User);
    let row = connection
        .change("verify address", author, &event, &change, parameters)
        .await?;
    Ok(row.is_some())
}

/// A password in place of one that was lost.
#[derive(Clone, Copy)]
pub struct NewPassword<'a> {
    /// Its hash.
    pub password: &'a PasswordHash,
    /// Whether it is enough beside a second factor alone.
    pub is_short: bool,
}

/// Sets another password and ends all sessions, or returns `false` when the secret is not good. Who could read the mail has
/// verified the address, too, and gets the tries at the password back that `tried` names. Second factors stay.
pub async fn reset(
    connection: &Connection,
    author: Author<'_>,
    shown: &Shown,
    new: NewPassword<'_>,
    (mail, tried): (&Mail, &Charge),
) -> Result<bool> {
    let change = format!(
        "{REDEEMED},
        change as (
          update users
          set
            password = $4,
            has_short_password = $5,
            password_changed_at = now(),
            email_verified_at = coalesce(users.email_verified_at, now())
          from secret
          where users.id = secret.user_id
            and users.email = secret.address
            and users.is_active
            and users.deleted_at is null
            and (not $5 or cardinality(users.second_factors) > 0)
          returning users.id as entity_id
        ),
        {forgiven}",
        forgiven = forgiven(6),
    );
    let (purpose, hashes, subjects) = shown.values();
    let (password, tried) = (new.password.as_str(), tried.tried());
    let parameters: &[Parameter<'_>] = &[
        (&purpose, Type::TEXT),
        (&hashes, Type::BYTEA_ARRAY),
        (&subjects, Type::TEXT_ARRAY),
        (&password, Type::TEXT),
        (&new.is_short, Type::BOOL),
        (&tried, Type::BYTEA_ARRAY),
    ];
    let event = Event::new(Action::PasswordReset, Entity::User);
    let author = author.mailing(mail);
    let row = connection
        .change("reset password", author, &event, &change, parameters)
        .await?;
    Ok(row.is_some())
}

/// Writes down that a secret was shown which is not good.
pub async fn record_refusal(
    connection: &Connection,
    author: Author<'_>,
    purpose: Purpose,
) -> Result<()> {
    let event = Event::new(Action::SecretRefused, Entity::User)
        .with_payload(serde_json::json!({ "purpose": purpose.as_str() }));
    let change = "change as (select null::bigint as entity_id)";
    connection
        .change("record refusal", author, &event, change, &[])
        .await?;
    Ok(())
}

/// Writes what keeps the session of a parameter when the rows of its statement end all others of their users: the triggers
/// run when the statement is done, and read the setting then.
fn kept_session(parameter: usize) -> String {
    kept_session_of(&format!("${parameter}"))
}

/// Writes the same for the session that an expression is the id of, as a text.
fn kept_session_of(expression: &str) -> String {
    format!("set_config('usher.kept_session', {expression}, true) as kept_session")
}

/// Writes what has the one row of an account, or one of nobody.
fn or_nobody(account: &str) -> String {
    format!(
        "
          select user_id, address from {account}
          union all
          select null, null where not exists (select from {account})
        "
    )
}

/// Tells whether an earlier attempt at the same request was successful.
pub async fn was_done(connection: &Connection, attempt: &Attempt) -> Result<bool> {
    let row = idempotency::find(connection, attempt).await?;
    Ok(row.is_some())
}
