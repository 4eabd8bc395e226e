//! Sessions: from sign-in to sign-out, with the rotation of refresh tokens between.
//!
//! Whatever a token says, every request asks here whether the session is alive and what its user may do now.

use time::{Duration, OffsetDateTime};
use tokio_postgres::{Row, types::Type};
use usher_domain::{Action, Entity, Event, Methods, Origin, Proof, SessionId, User, UserId};
use uuid::Uuid;

use crate::{
    Attempt, Author, Connection, Constraint, Error, Result,
    actor::{By, Live},
    audited::Changed,
    connection::Parameter,
    passwords::PasswordHash,
    refresh::RefreshToken,
    roles::PERMISSIONS_OF_USER,
    row::{self, PROOF_COLUMNS, USER_COLUMNS},
    secret::Secret,
    tokens::{Presented, Principal},
};

mod begun;
mod ending;
mod live;
mod rotation;

pub use crate::actor::Actor;
pub use begun::repeated;
pub(crate) use begun::{Begin, begin};
pub use ending::{end, end_by_token};
pub use live::{LiveSession, MOST_LISTED, end_all, end_one, list};
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

    /// Reads the session that a sign-in began with this token, or that an earlier attempt at it began with its own.
    pub(crate) fn begun(
        changed: &Changed,
        refresh: RefreshToken,
        attempt: Option<&Attempt>,
    ) -> Result<Self> {
        match attempt {
            Some(attempt) if changed.is_repeated => Self::again(changed, attempt),
            _ => Self::of(changed, refresh),
        }
    }

    /// Reads the session that an earlier attempt at a sign-in began with its own token.
    fn again(changed: &Changed, attempt: &Attempt) -> Result<Self> {
        // It may have begun none: the account had a second factor then.
        let id: Option<Uuid> = row::get(&changed.row, "session_id")?;
        let id = id.ok_or(Error::Conflict(Constraint::KeyReused))?;
        let refresh = RefreshToken::first_of(SessionId::new(id), attempt.seed_of(&changed.row)?);
        Self::of(changed, refresh)
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
    let checked = checked.as_str();
    let rehashed = rehashed.map(PasswordHash::as_str);
    let begin_by = Begin {
        context: "start session",
        user,
        attempt,
        methods,
        payload: None,
        is_open_to_unverified: false,
        condition: "and users.password = $8 and cardinality(users.second_factors) = 0",
        proof: "rehashed as (
          update users
          set password = $9
          from account
          where users.id = account.id
            and $9 is not null
        ),",
        join: "",
        parameters: vec![(&checked, Type::TEXT), (&rehashed, Type::TEXT)],
    };
    begin(connection, origin, secret, begin_by).await
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
    /// The password was right, the code of the second factor was not.
    WrongCode,
    /// A second step without a first one, or too late after it.
    InvalidChallenge,
    /// No account has the passkey, or not the one that it names.
    UnknownPasskey,
    /// The answer of the passkey is not right, or not to the question that was put.
    WrongPasskey,
    /// The passkey was used less often than it was before: there may be a copy of it.
    ClonedPasskey,
}

impl LoginFailure {
    /// Returns it as the audit log spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::UnknownAccount => "unknown-account",
            Self::WrongPassword => "wrong-password",
            Self::InactiveAccount => "inactive-account",
            Self::UnverifiedEmail => "unverified-email",
            Self::DeletionPending => "deletion-pending",
            Self::WrongCode => "wrong-code",
            Self::InvalidChallenge => "invalid-challenge",
            Self::UnknownPasskey => "unknown-passkey",
            Self::WrongPasskey => "wrong-passkey",
            Self::ClonedPasskey => "cloned-passkey",
        }
    }
}

/// Writes down a sign-in that failed. What was typed is not kept: it may be a password in the wrong field.
pub async fn record_failure(
    connection: &Connection,
    origin: &Origin,
    user: Option<UserId>,
    failure: LoginFailure,
) -> Result<()> {
    let event = Event::new(Action::LoginFailed, Entity::User)
        .with_payload(serde_json::json!({ "reason": failure.as_str() }));
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
