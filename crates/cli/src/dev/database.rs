//! The database of a developer's instance: one of its own, or the one of `DATABASE_URL`.
//!
//! A database that somebody named is touched only when it is on this machine: there the schema is brought up to date
//! and an administrator made. One elsewhere may be anybody's, so it is only looked at.

use std::time::Instant;

use anyhow::{Context, Result};
use usher_http::App;

use crate::{
    data_folder::DataFolder,
    database::{Opened, Target},
    environment::variable,
    migrate,
    output::{say, step, tell},
    seed::{self, Admin, Outcome},
};

/// A database that is ready to be used.
pub(super) struct Prepared {
    opened: Opened,
    /// Whether this command may write into it.
    is_ours: bool,
    /// The administrator to sign in as.
    pub(super) sign_in: Option<SignIn>,
}

/// How somebody signs in.
pub(super) struct SignIn {
    /// The address.
    pub(super) email: String,
    /// Whether the password is the one that everybody knows; any other one is not shown.
    pub(super) is_default: bool,
    /// Whether the account was made just now, so that the password is the one it was made with.
    pub(super) is_new: bool,
}

impl Prepared {
    /// Opens the database and brings its schema up to date, or says that somebody has to.
    pub(super) async fn open(folder: DataFolder) -> Result<Self> {
        let opened = open(folder).await?;
        let target = &opened.target;
        let is_ours = opened.own.is_some() || (target.url.is_local() && target.pooler.is_none());
        let started = Instant::now();
        if is_ours {
            let deployed = migrate::deploy(target, &progress).await?;
            step("schema", migrate::summary(&deployed)?, started.elapsed());
        } else {
            look(target).await?;
        }
        Ok(Self {
            opened,
            is_ours,
            sign_in: None,
        })
    }

    /// Makes the administrator, when this command may.
    pub(super) async fn seed(&mut self, app: &App) -> Result<()> {
        if !self.is_ours {
            return Ok(());
        }
        let started = Instant::now();
        let admin = Admin::read(variable, true)?;
        let mut sign_in = SignIn {
            email: admin.email().to_string(),
            is_default: admin.is_default(),
            is_new: false,
        };
        let is_own = self.opened.own.is_some();
        let outcome = seed::seed(&app.database, &app.passwords, admin, is_own).await?;
        sign_in.is_new = matches!(outcome, Outcome::Created);
        let email = &sign_in.email;
        let what = match outcome {
            Outcome::Created => format!("created the admin {email}"),
            Outcome::Existed => format!("the admin {email} is there already"),
            Outcome::Withheld => {
                let what = "no admin made, since there are users already; \
                            set SEED_ADMIN_EMAIL and SEED_ADMIN_PASSWORD for one";
                step("seed", what, started.elapsed());
                return Ok(());
            }
        };
        step("seed", what, started.elapsed());
        self.sign_in = Some(sign_in);
        Ok(())
    }

    /// Returns the connection strings of a database of our own: that of the functions and that of the owner.
    pub(super) fn own_urls(&self) -> Option<(String, &str)> {
        let own = self.opened.own.as_ref()?;
        Some((own.app_url(), own.url()))
    }

    /// Stops the server, if it is ours, and says what is left.
    pub(super) fn stop(self) -> &'static str {
        match &self.opened.own {
            Some(own) if own.is_started_here() => "stopped, and the database with it",
            Some(_) => "stopped; the database belongs to another command, which goes on",
            None => "stopped",
        }
    }
}

/// Tells about what takes a while.
pub(super) fn progress(line: &str) {
    tell(&format!("  … {line}"));
}

async fn open(folder: DataFolder) -> Result<Opened> {
    let started = Instant::now();
    if variable("DATABASE_URL").is_some() {
        let target = Target::read("DATABASE_URL", variable)?;
        say(format_args!(
            "  database  {}, from DATABASE_URL; no server is started",
            target.place()
        ));
        let connected = target.connect().await;
        connected.context(
            "DATABASE_URL cannot be used; correct it, or set it to nothing for a database of its own",
        )?;
        return Ok(Opened { target, own: None });
    }
    let opened = Opened::own(folder, &progress).await?;
    if let Some(own) = &opened.own {
        let how = if own.is_started_here() {
            "started"
        } else {
            "already running for another command, and ends with it"
        };
        step(
            "database",
            format_args!("{}, {how}", own.server()),
            started.elapsed(),
        );
    }
    Ok(opened)
}

/// Only looks at a database that is not ours.
async fn look(target: &Target) -> Result<()> {
    let started = Instant::now();
    let status = migrate::status(target).await?;
    let what = if status.is_clean() {
        "up to date"
    } else {
        "not the one of this build; it is not touched, since the database is not a direct one on this machine: \
         see `cargo migrate status`, then run `cargo migrate deploy`"
    };
    step("schema", what, started.elapsed());
    Ok(())
}
