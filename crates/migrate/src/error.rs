//! What can keep a deploy from running, and the next thing to do.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{Failure, Status};

/// Says why the migrations could not be read, compared or applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A migration has a name that says no version.
    #[error(
        "{name:?} is no name of a migration: it has to look like V20261123100000__users_and_roles"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// Two migrations have the same version.
    #[error("{first} and {second} have the same version: give the later one a newer timestamp")]
    Repeated {
        /// The name of the one.
        first: String,
        /// The name of the other.
        second: String,
    },
    /// Another deploy runs for too long.
    #[error(
        "another deploy is still running after {seconds} s: {holder}; wait for it to end, then run \
         `usher migrate deploy` again"
    )]
    Busy {
        /// Who has the lock.
        holder: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The database and the program do not agree on the past.
    #[error("nothing was applied, since the history of the database is another one:{}", explain(.0))]
    Broken(Status),
    /// A migration failed.
    #[error("{0}\ncorrect it, then run `usher migrate deploy` again")]
    Failed(Failure),
    /// The history could not be prepared or read by refinery.
    #[error(
        "the history of the migrations cannot be kept; run `usher migrate deploy` with a role that owns the schema"
    )]
    History(#[source] Box<refinery::Error>),
    /// The schema is there, and what belongs to each deploy beside it failed.
    #[error(
        "the migrations are applied, but it was not possible to {action}; run `usher migrate deploy` again"
    )]
    After {
        /// What was tried.
        action: &'static str,
        /// The reason.
        source: tokio_postgres::Error,
    },
    /// There is no migration of that version, or it is not applied.
    #[error("there is no such migration as {version}; `usher migrate status` shows all of them")]
    UnknownVersion {
        /// The version.
        version: i64,
    },
    /// A rollback failed.
    #[error("the rollback of {0}\ncorrect it, then run `usher migrate rollback` again")]
    RollbackFailed(Failure),
    /// A migration says that it cannot be undone.
    #[error(
        "{name} cannot be undone: {reason}; restore a backup, or write a new migration that leads on"
    )]
    Irreversible {
        /// The whole name.
        name: String,
        /// The reason that its rollback gives.
        reason: String,
    },
    /// The rollback of a migration has no statement and gives no reason.
    #[error("{name} has no rollback: write its rollback.sql, or `-- irreversible: why` into it")]
    NoRollback {
        /// The whole name.
        name: String,
    },
    /// The role may use none of the schemas that its names are looked up in.
    #[error(
        "this role can use no schema here: let the owner of the tables run `grant usage on schema public to` this role"
    )]
    NoSchema,
    /// The role may not read the history of the migrations.
    #[error(
        "this role may not read the history of the migrations: let its owner run \
         `grant select on refinery_schema_history to` this role"
    )]
    Hidden,
    /// The tables are those of Prisma.
    #[error(
        "nothing was applied, since Prisma made the tables here: `usher migrate adopt` takes them over with their rows"
    )]
    MadeByPrisma,
    /// A database cannot be adopted as it is.
    #[error("nothing was changed, since this is in the way:\n  {}", .0.join("\n  "))]
    Unadoptable(Vec<String>),
    /// A statement of an adoption failed.
    #[error(
        "the adoption failed at {step}, and nothing was changed; correct it, then run `usher migrate adopt` again"
    )]
    AdoptionFailed {
        /// What it was doing, such as "copying the users".
        step: String,
        /// The reason.
        source: tokio_postgres::Error,
    },
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A statement failed.
    #[error("could not {action}")]
    Database {
        /// What was tried, such as "read the history".
        action: &'static str,
        /// The reason.
        source: tokio_postgres::Error,
    },
}

impl Error {
    pub(crate) fn database(action: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Database { action, source }
    }

    pub(crate) fn adoption(step: &str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::AdoptionFailed {
            step: step.to_owned(),
            source,
        }
    }

    pub(crate) fn after(action: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::After { action, source }
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// Lists what is wrong, each with the way out of it.
fn explain(status: &Status) -> String {
    use crate::State::{Applied, Divergent, Missing, OutOfOrder, Pending};

    let wrong = status
        .entries
        .iter()
        .filter(|entry| entry.state.is_broken());
    let lines = wrong.map(|entry| {
        let advice = match entry.state {
            Applied | Pending => "is fine",
            Divergent => {
                "was changed after it was applied: restore its file and write a new migration"
            }
            Missing => {
                "is applied and unknown here: deploy from a newer checkout, or restore its file"
            }
            OutOfOrder => "is older than the newest applied one: give it a newer timestamp",
        };
        format!("\n  {} ({}) {advice}", entry.name, entry.state)
    });
    lines
        .chain(["\n`usher migrate status` shows all of them".to_owned()])
        .collect()
}
