//! How a session begins, whatever the sign-in was proved by.

use serde_json::{Value, json};
use tokio_postgres::types::Type;
use usher_domain::{Action, Entity, Event, Methods, Origin, SessionId, UserId};
use uuid::Builder;

use super::{LIFETIME_DAYS, Session};
use crate::{
    Attempt, Author, Connection, Result, audited::Changed, bytes::random, connection::Parameter,
    idempotency, refresh::RefreshToken, row::USER_COLUMNS, secret::Secret, users::MUST_VERIFY,
};

/// A sign-in that was proved, with the part of the statement that holds the proof against the database once more.
pub(crate) struct Begin<'a> {
    /// Names the statement.
    pub(crate) context: &'static str,
    /// The user.
    pub(crate) user: UserId,
    /// The request, when it may be sent again.
    pub(crate) attempt: Option<&'a Attempt>,
    /// By what it was proved.
    pub(crate) methods: &'a Methods,
    /// What the entry tells beside the session.
    pub(crate) payload: Option<(&'static str, Value)>,
    /// Whether it may begin where nobody verified the address yet: since the proof itself does.
    pub(crate) is_open_to_unverified: bool,
    /// What has to hold of the account, beginning with `and`.
    pub(crate) condition: &'a str,
    /// Common table expressions that may lean on `account`, each with a comma behind it.
    pub(crate) proof: &'a str,
    /// Joins those of them that must have a row.
    pub(crate) join: &'a str,
    /// The parameters of the three, from `$8` on.
    pub(crate) parameters: Vec<Parameter<'a>>,
}

/// Begins a session, or returns `None` when the account may not sign in or the proof does not hold any more.
///
/// The row of the user is locked against a deactivation or a new password that runs at the same time.
pub(crate) async fn begin(
    connection: &Connection,
    origin: &Origin,
    secret: &Secret,
    sign_in: Begin<'_>,
) -> Result<Option<Session>> {
    let (user, attempt) = (sign_in.user, sign_in.attempt);
    let id = SessionId::new(Builder::from_random_bytes(random()?).into_uuid());
    let refresh = match attempt.and_then(Attempt::seed) {
        Some(seed) => RefreshToken::first_of(id, seed),
        None => RefreshToken::first(id, secret)?,
    };
    let refresh_hash = refresh.hash();
    let mut payload = json!({ "sessionId": id });
    if let Some((name, value)) = &sign_in.payload {
        payload[*name] = value.clone();
    }
    let event = Event::new(Action::Login, Entity::User).with_payload(payload);
    let user_agent = origin
        .user_agent
        .as_ref()
        .map(usher_domain::UserAgent::as_str);
    let methods = sign_in.methods.names();
    let (session, account, hash) = (id.get(), user.get(), refresh_hash.as_slice());
    let mut parameters: Vec<Parameter<'_>> = vec![
        (&session, Type::UUID),
        (&account, Type::INT8),
        (&hash, Type::BYTEA),
        (&LIFETIME_DAYS, Type::INT4),
        (&origin.ip, Type::INET),
        (&user_agent, Type::TEXT),
        (&methods, Type::TEXT_ARRAY),
    ];
    let statement = statement(&sign_in);
    parameters.extend(sign_in.parameters);
    let author = Author::user(user, id, origin).once(attempt);
    let changed = connection
        .change_once(sign_in.context, author, &event, &statement, &parameters)
        .await?;
    changed
        .map(|changed| Session::begun(&changed, refresh, attempt))
        .transpose()
}

/// Returns the session that an earlier attempt at the same request began, or `None` when there was none.
pub async fn repeated(connection: &Connection, attempt: &Attempt) -> Result<Option<Session>> {
    let row = idempotency::find(connection, attempt).await?;
    let changed = row.map(|row| Changed {
        row,
        is_repeated: true,
    });
    changed
        .map(|changed| Session::again(&changed, attempt))
        .transpose()
}

/// The parameters are those of [`begin`], in the order it sends them.
fn statement(sign_in: &Begin<'_>) -> String {
    let Begin {
        condition,
        proof,
        join,
        ..
    } = sign_in;
    let verified = if sign_in.is_open_to_unverified {
        String::new()
    } else {
        format!("and not {MUST_VERIFY}")
    };
    format!(
        "account as (
          select {USER_COLUMNS}
          from users
          where id = $2
            and is_active
            and deleted_at is null
            {verified}
            {condition}
          for no key update
        ),
        {proof}
        session as (
          insert into sessions (
            id,
            user_id,
            refresh_hash,
            expires_at,
            ip,
            user_agent,
            methods
          )
          select $1, account.id, $3, now() + make_interval(days => $4), $5, $6, $7
          from account{join}
          returning id as session_id, created_at, methods
        ),
        change as (
          select
            account.*,
            account.id as entity_id,
            session.session_id,
            session.methods,
            session.created_at as authenticated_at,
            session.created_at as issued_at
          from account
          cross join session
        )"
    )
}
