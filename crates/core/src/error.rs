//! What can go wrong between a function and its database.

use deadpool::managed::{PoolError, TimeoutType};
use tokio_postgres::error::{DbError, SqlState};

/// A rule of the schema that refused a change; the constraint's name says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// Another user has the e-mail address.
    EmailTaken,
    /// A role is not registered.
    UnknownRole,
    /// The last active admin must stay one.
    LastAdmin,
    /// A user has as many passkeys as there may be.
    TooManyPasskeys,
    /// The passkey was added before.
    PasskeyTaken,
    /// The last passkey of a user without a password stays.
    LastPasskey,
    /// A user has as many API keys as there may be.
    TooManyApiKeys,
    /// The session or the key of the author is over by now.
    AuthorSignedOut,
    /// The author has other roles by now.
    AuthorChanged,
    /// A request with the same key was done already: this very one, or another.
    KeyUsed,
    /// A request with the same key was done already, and it was another one.
    KeyReused,
}

impl Constraint {
    fn named(name: &str) -> Option<Self> {
        match name {
            "users_email_key" => Some(Self::EmailTaken),
            "users_roles_fkey" => Some(Self::UnknownRole),
            "users_last_admin_check" => Some(Self::LastAdmin),
            "passkeys_at_most_check" => Some(Self::TooManyPasskeys),
            "passkeys_credential_id_key" => Some(Self::PasskeyTaken),
            "passkeys_keep_one_check" => Some(Self::LastPasskey),
            "api_keys_count_check" => Some(Self::TooManyApiKeys),
            "author_session_check" => Some(Self::AuthorSignedOut),
            "author_roles_check" => Some(Self::AuthorChanged),
            "idempotency_keys_pkey" => Some(Self::KeyUsed),
            _ => None,
        }
    }
}

/// An error of the core.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The schema refused the change, and nothing was written.
    #[error("refused by a constraint: {0:?}")]
    Conflict(Constraint),
    /// A stored value breaks the rules of its type.
    #[error("column {column} holds a value that breaks its rules: {reason}")]
    Corrupt {
        /// The column.
        column: &'static str,
        /// The rule.
        reason: String,
    },
    /// The database cannot answer now; the same request may succeed later.
    #[error("the database is unavailable: {reason}")]
    Unavailable {
        /// What was seen; it names no secret.
        reason: String,
        /// Whether the connection was found closed before anything was answered.
        is_closed: bool,
    },
    /// The database did not answer a statement in time; its load or the statement is too much, or the network is gone.
    #[error("{0} was not answered within 3 s")]
    Slow(&'static str),
    /// The database lacks tables, columns, functions or privileges that this build needs.
    #[error("the schema is too old, deploy the migrations: {reason}")]
    SchemaOutdated {
        /// What the database said.
        reason: String,
    },
    /// This instance has more to do than it can; the same request may succeed later.
    #[error("too much is waiting for {0}")]
    Busy(&'static str),
    /// The database refused a statement.
    #[error("{context} failed")]
    Driver {
        /// The statement, by name.
        context: &'static str,
        /// What the driver said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A statement that may write was run without an audit entry: a mistake in this crate.
    #[error("{0} was not run: a statement that writes needs an audit event")]
    Unaudited(&'static str),
    /// The operating system gave no random numbers, or a library failed.
    #[error("{0} failed")]
    Crypto(&'static str),
}

impl Error {
    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable {
            reason: reason.into(),
            is_closed: false,
        }
    }

    /// Tells whether the connection was found closed before anything was answered: on another one the same may succeed.
    pub fn is_closed(&self) -> bool {
        matches!(
            self,
            Self::Unavailable {
                is_closed: true,
                ..
            }
        )
    }

    pub(crate) fn corrupt(column: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Corrupt {
            column,
            reason: reason.to_string(),
        }
    }

    /// Sorts an error of the driver by what the caller can do about it.
    pub(crate) fn from_statement(context: &'static str, source: tokio_postgres::Error) -> Self {
        let Some(database_error) = source.as_db_error() else {
            if source.is_closed() || is_transport(&source) {
                return Self::Unavailable {
                    reason: describe(&source),
                    is_closed: true,
                };
            }
            return Self::Driver { context, source };
        };
        if let Some(constraint) = database_error.constraint().and_then(Constraint::named) {
            return Self::Conflict(constraint);
        }
        if is_missing(database_error) {
            return Self::SchemaOutdated {
                reason: describe(&source),
            };
        }
        if is_passing(database_error.code()) {
            return Self::Unavailable {
                reason: describe(&source),
                is_closed: *database_error.code() == SqlState::ADMIN_SHUTDOWN,
            };
        }
        Self::Driver { context, source }
    }
}

impl From<PoolError<tokio_postgres::Error>> for Error {
    fn from(error: PoolError<tokio_postgres::Error>) -> Self {
        Self::unavailable(match error {
            PoolError::Backend(source) if source.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => {
                let reason = describe(&source);
                format!("{reason}; put a pooler before it, or lower connection_limit")
            }
            PoolError::Backend(source) => describe(&source),
            PoolError::Timeout(TimeoutType::Wait) => {
                "every connection of this instance is in use; raise connection_limit if the database has room".to_owned()
            }
            PoolError::Timeout(TimeoutType::Create) => {
                "connecting took longer than connect_timeout; raise it, up to 5, for a server that has to wake up".to_owned()
            }
            other => other.to_string(),
        })
    }
}

fn is_transport(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error)
        .is_some_and(<dyn std::error::Error + 'static>::is::<std::io::Error>)
}

/// Tells whether a deploy of the migrations would help.
fn is_missing(error: &DbError) -> bool {
    let missing = [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_COLUMN,
        SqlState::UNDEFINED_FUNCTION,
    ];
    // A policy or a trigger that refuses has the same code, and is no matter of a deploy.
    let lacks_privilege = error.routine() == Some("aclcheck_error");
    lacks_privilege || missing.contains(error.code())
}

/// Tells whether the same statement may succeed a moment later.
fn is_passing(state: &SqlState) -> bool {
    let class = state.code().get(..2).unwrap_or_default();
    // Connection, transaction rollback, resources, operator intervention, system.
    matches!(class, "08" | "40" | "53" | "57" | "58")
        || *state == SqlState::LOCK_NOT_AVAILABLE
        || *state == SqlState::READ_ONLY_SQL_TRANSACTION
}

/// Returns what the driver said with its causes, on one line.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    let mut text = match error.as_db_error() {
        Some(database_error) => format!(
            "{} ({})",
            database_error.message(),
            database_error.code().code()
        ),
        None => error.to_string(),
    };
    let mut source = std::error::Error::source(error).filter(|_| error.as_db_error().is_none());
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
