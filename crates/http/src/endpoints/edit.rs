//! Changing a user who may be changed by others at the same time.
//!
//! The change starts from the version that was read and is refused by the database when that is no longer the one. A
//! caller who named the version is told (412); for others it is tried again on the newer version.
//!
//! Whatever keeps a change from being made, it may be that an earlier attempt at the same request made it.

use std::sync::Arc;

use usher_core::{
    Attempt, Author, Connection, accounts,
    users::{self, Rebound, Subject},
};
use usher_domain::{Action, User};

use crate::{App, Code, Problem, access::Caller, input::IfMatch};

const TRIES: usize = 4;

/// Who makes a change, what it is called, and what it may start from.
pub(super) struct Edit<'a> {
    pub(super) caller: &'a Caller,
    pub(super) action: Action,
    pub(super) if_match: &'a IfMatch,
    pub(super) attempt: Option<&'a Attempt>,
}

/// How a change to a user ended.
enum Edited {
    /// The user is now as wanted.
    Written(User),
    /// The user was as wanted before.
    Unchanged(User),
}

/// Applies a change to a user and returns the user as it is then. What changes nothing is not written.
pub(super) async fn run(
    app: &App,
    edit: &Edit<'_>,
    before: Option<User>,
    change: impl Fn(&User) -> User,
) -> Result<User, Problem> {
    match apply(app, edit, before, change).await {
        Ok(Edited::Written(user)) => Ok(user),
        Ok(Edited::Unchanged(user)) => Ok(edit.earlier(app).await?.unwrap_or(user)),
        Err(problem) => edit.unless_earlier(app, problem).await,
    }
}

async fn apply(
    app: &App,
    edit: &Edit<'_>,
    before: Option<User>,
    change: impl Fn(&User) -> User,
) -> Result<Edited, Problem> {
    let permissions = &edit.caller.actor.permissions;
    let mut before = before.ok_or(Code::UserNotFound)?;
    for _ in 0..TRIES {
        edit.check(&before)?;
        let after = change(&before);
        if before.diff(&after).is_empty() {
            return Ok(Edited::Unchanged(before));
        }
        let connection = app.database.connection().await?;
        let rebound = rebind(app, &connection, &before, &after).await?;
        let changed = users::change(
            &connection,
            edit.author(),
            edit.action,
            &before,
            &after,
            permissions,
            rebound.as_ref(),
        )
        .await?;
        if let Some(user) = changed {
            return Ok(Edited::Written(user));
        }
        before = edit.reload(&connection, &before).await?;
    }
    Err(Code::EditConflict.into())
}

/// Returns the hash of somebody who never signed in, bound to the id in place of the address that is to change.
async fn rebind(
    app: &App,
    connection: &Connection,
    before: &User,
    after: &User,
) -> Result<Option<Rebound>, Problem> {
    if before.email == after.email || !app.passwords.is_peppered() {
        return Ok(None);
    }
    let Some(from) = accounts::find_password(connection, before.id).await? else {
        return Ok(None);
    };
    let to = app.passwords.rebind(&from, before)?;
    Ok(to.map(|to| Rebound { from, to }))
}

/// Removes a user.
pub(super) async fn remove(
    app: &App,
    edit: &Edit<'_>,
    before: Option<User>,
) -> Result<(), Problem> {
    match take_away(app, edit, before).await {
        Ok(()) => Ok(()),
        Err(problem) => edit.unless_earlier(app, problem).await.map(drop),
    }
}

async fn take_away(app: &App, edit: &Edit<'_>, before: Option<User>) -> Result<(), Problem> {
    let mut before = before.ok_or(Code::UserNotFound)?;
    for _ in 0..TRIES {
        edit.check(&before)?;
        let connection = app.database.connection().await?;
        if users::delete(&connection, edit.author(), &before).await? {
            return Ok(());
        }
        before = edit.reload(&connection, &before).await?;
    }
    Err(Code::EditConflict.into())
}

impl Edit<'_> {
    fn author(&self) -> Author<'_> {
        self.caller.author().once(self.attempt)
    }

    /// Returns the user as an earlier attempt at the same request left it, if there was one.
    async fn earlier(&self, app: &App) -> Result<Option<User>, Problem> {
        let Some(attempt) = self.attempt else {
            return Ok(None);
        };
        let find = |connection: Arc<Connection>| async move {
            users::find_attempted(&connection, attempt).await
        };
        Ok(app.database.read(find).await?)
    }

    /// Returns what an earlier attempt made instead of what kept this one from making it.
    async fn unless_earlier(&self, app: &App, problem: Problem) -> Result<User, Problem> {
        if !problem.code().status().is_client_error() {
            return Err(problem);
        }
        self.earlier(app).await?.ok_or(problem)
    }

    fn check(&self, before: &User) -> Result<(), Problem> {
        if self.if_match.allows(before) {
            Ok(())
        } else {
            Err(Code::VersionMismatch.into())
        }
    }

    /// Returns the user that a refused change meets now.
    async fn reload(&self, connection: &Connection, before: &User) -> Result<User, Problem> {
        let now = users::find_subject(connection, before.id).await?;
        let Subject { user, permissions } = now.ok_or(Code::UserNotFound)?;
        // At the same version it was not another change that was in the way, but the guard of the roles.
        let is_guarded = user.version == before.version;
        let is_own = user.id == self.caller.actor.user.id;
        if is_guarded || !(is_own || self.caller.actor.permissions.cover(&permissions)) {
            return Err(Code::RoleEscalation.into());
        }
        Ok(user)
    }
}
