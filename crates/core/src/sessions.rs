//! Sessions: from sign-in to sign-out, with the rotation of refresh tokens between.
//!
//! Whatever a token says, every request asks here whether the session is alive and what its user may do now.

use time::{Duration, OffsetDateTime};
use tokio_postgres::{Row, types::Type};
use usher_domain::{Action, Entity, Event, Methods, Origin, Proof, SessionId, User, UserId};
use uuid::Builder;

use crate::{
    Attempt, Author, Connection, Result,
    actor::{By, Live},
    audited::Changed,
    bytes::random,
    connection::Parameter,
    passwords::PasswordHash,
    refresh::RefreshToken,
    roles::PERMISSIONS_OF_USER,
    row::{self, PROOF_COLUMNS, USER_COLUMNS},
    secret::Secret,
    tokens::{Presented, Principal},
    users::MUST_VERIFY,
};

mod ending;
mod live;
mod proving;
mod rotation;

pub use crate::actor::Actor;
pub use ending::{end, end_by_token};
pub use live::{LiveSession, MOST_LISTED, end_all, end_one, list};
pub use proving::{Proved, Proving, prove_again};
pub use rotation::{Rotation, rotate};

/// How long a session lasts from sign-in, in days (ASVS 5.0.0, 7.3.2).
pub const LIFETIME_DAYS: i32 = 30;
/// How long a session lasts without a refresh, in days (ASVS 5.0.0, 7.3.1).
pub const IDLE_DAYS: i32 = 14;

/// A session with the token that prolongs it.
pub struct Session {
    /// The session.
    pub id: SessionId,
    /// The user.
    pub user: User,
    /// The refresh token in force.
    pub refresh: RefreshToken,
    /// By what and when the user proved who they are.
    pub proof: Proof,
    /// When the tokens were given: now, or when an earlier attempt at the same request got them.
    pub issued_at: OffsetDateTime,
    /// How long ago that was.
    pub age: Duration,
}

impl Session {
    fn read(row: &Row, refresh: RefreshToken, age: Duration) -> Result<Self> {
        Ok(Self {
            id: refresh.session(),
            user: row::user(row)?,
            refresh,
            proof: row::proof(row)?,
            issued_at: row::get(row, "issued_at")?,
            age,
        })
    }

    /// Reads the session of a change, whether it was made now or by an earlier attempt.
    fn of(changed: &Changed, refresh: RefreshToken) -> Result<Self> {
        let age = if changed.is_repeated {
            row::age(&changed.row)?
        } else {
            Duration::ZERO
        };
        Self::read(&changed.row, refresh, age)
    }

    /// Returns whom an access token of this session is for.
    pub fn principal(&self) -> Principal {
        Principal {
            user: self.user.id,
            session: self.id,
        }
    }
}

/// Returns who the caller is now, or `None` when the token, the session or the account is no longer alive.
pub async fn authorise(connection: &Connection, token: Presented) -> Result<Option<Actor>> {
    let principal = token.principal;
    let statement = format!(
        "select
          {USER_COLUMNS},
          {PERMISSIONS_OF_USER},
          {PROOF_COLUMNS},
          users.second_factors,
          extract(epoch from now() - coalesce(sessions.authenticated_at, sessions.created_at))::double precision as age
        from sessions
        join users on users.id = sessions.user_id
        where sessions.id = $1
          and sessions.user_id = $2
          and sessions.ended_at is null
          and sessions.expires_at > now()
          and users.is_active
          and users.deleted_at is null
          and now() >= $3
          and now() < $4"
    );
    let parameters: &[Parameter<'_>] = &[
        (&principal.session.get(), Type::UUID),
        (&principal.user.get(), Type::INT8),
        (&token.from, Type::TIMESTAMPTZ),
        (&token.until, Type::TIMESTAMPTZ),
    ];
    let row = connection.row("authorise", &statement, parameters).await?;
    row.map(|row| {
        Ok(Actor {
            user: row::user(&row)?,
            permissions: row::permissions(&row)?,
            factors: row::factors(&row)?,
            by: By::Session(Live {
                id: principal.session,
                proof: row::proof(&row)?,
                proof_age: row::age(&row)?,
            }),
        })
    })
    .transpose()
}

/// A sign-in that was proved.
pub struct SignIn<'a> {
    /// The user.
    pub user: UserId,
    /// The hash that the password was checked against.
    pub checked: &'a PasswordHash,
    /// A new hash of it, when the old one costs too little.
    pub rehashed: Option<&'a PasswordHash>,
    /// The request, when it may be sent again.
    pub attempt: Option<&'a Attempt>,
    /// By what it was proved.
    pub methods: &'a Methods,
}

/// Begins a session, or returns `None` when the account was changed meanwhile.
///
/// The row of the user is locked against a deactivation or a new password that runs at the same time.
pub async fn start(
    connection: &Connection,
    origin: &Origin,
    secret: &Secret,
    sign_in: SignIn<'_>,
) -> Result<Option<Session>> {
    let SignIn {
        user,
        checked,
        rehashed,
        attempt,
        methods,
    } = sign_in;
    let id = SessionId::new(Builder::from_random_bytes(random()?).into_uuid());
    let refresh = match attempt.and_then(Attempt::seed) {
        Some(seed) => RefreshToken::first_of(id, seed),
        None => RefreshToken::first(id, secret)?,
    };
    let refresh_hash = refresh.hash();
    let event = Event::new(Action::Login, Entity::User).with_session(id);
    let user_agent = origin
        .user_agent
        .as_ref()
        .map(usher_domain::UserAgent::as_str);
    let parameters: &[Parameter<'_>] = &[
        (&id.get(), Type::UUID),
        (&user.get(), Type::INT8),
        (&refresh_hash.as_slice(), Type::BYTEA),
        (&checked.as_str(), Type::TEXT),
        (&LIFETIME_DAYS, Type::INT4),
        (&origin.ip, Type::INET),
        (&user_agent, Type::TEXT),
        (&rehashed.map(PasswordHash::as_str), Type::TEXT),
        (&methods.names(), Type::TEXT_ARRAY),
    ];
    let author = Author::user(user, id, origin).once(attempt);
    let changed = connection
        .change_once(
            "start session",
            author,
            &event,
            &start_statement(),
            parameters,
        )
        .await?;
    let Some(changed) = changed else {
        return Ok(None);
    };
    let refresh = match attempt {
        Some(attempt) if changed.is_repeated => {
            let id = SessionId::new(row::get(&changed.row, "session_id")?);
            RefreshToken::first_of(id, attempt.seed_of(&changed.row)?)
        }
        _ => refresh,
    };
    Session::of(&changed, refresh).map(Some)
}

/// The parameters are those of [`start`], in the order it sends them.
fn start_statement() -> String {
    format!(
        "account as (
          select {USER_COLUMNS}
          from users
          where id = $2
            and password = $4
            and is_active
            and deleted_at is null
            and not {MUST_VERIFY}
          for no key update
        ),
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
          select $1, account.id, $3, now() + make_interval(days => $5), $6, $7, $9
          from account
          returning id as session_id, created_at, methods
        ),
        rehashed as (
          update users
          set password = $8
          from account
          where users.id = account.id
            and $8 is not null
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

/// Why a sign-in failed, as the audit log keeps it. The caller is told less.
#[derive(Clone, Copy, Debug)]
pub enum LoginFailure {
    /// Nobody has the address.
    UnknownAccount,
    /// The password is another.
    WrongPassword,
    /// The account may not sign in.
    InactiveAccount,
    /// The address was never verified.
    UnverifiedEmail,
    /// The account is about to be deleted.
    DeletionPending,
}

/// Writes down a sign-in that failed. What was typed is not kept: it may be a password in the wrong field.
pub async fn record_failure(
    connection: &Connection,
    origin: &Origin,
    user: Option<UserId>,
    failure: LoginFailure,
) -> Result<()> {
    let reason = match failure {
        LoginFailure::UnknownAccount => "unknown-account",
        LoginFailure::WrongPassword => "wrong-password",
        LoginFailure::InactiveAccount => "inactive-account",
        LoginFailure::UnverifiedEmail => "unverified-email",
        LoginFailure::DeletionPending => "deletion-pending",
    };
    let event = Event::new(Action::LoginFailed, Entity::User)
        .with_payload(serde_json::json!({ "reason": reason }));
    let user = user.map(UserId::get);
    let change = "change as (select $1::bigint as entity_id)";
    connection
        .change(
            "record failure",
            Author::nobody(origin),
            &event,
            change,
            &[(&user, Type::INT8)],
        )
        .await?;
    Ok(())
}
