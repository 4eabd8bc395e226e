//! Changing a user who may be changed by others at the same time.
//!
//! The change starts from the version that was read and is refused by the database when that is no longer the one. A
//! caller who named the version is told (412); for others it is tried again on the newer version.

use usher_core::{
    Connection,
    users::{self, Subject},
};
use usher_domain::{Action, User};

use crate::{App, Code, Problem, access::SignedIn, input::IfMatch};

const TRIES: usize = 4;

/// Who makes a change, what it is called, and what it may start from.
pub(super) struct Edit<'a> {
    pub(super) caller: &'a SignedIn,
    pub(super) action: Action,
    pub(super) if_match: &'a IfMatch,
}

/// Applies a change to a user and returns the user as it is then. What changes nothing is not written.
pub(super) async fn run(
    app: &App,
    edit: &Edit<'_>,
    mut before: User,
    change: impl Fn(&User) -> User,
) -> Result<User, Problem> {
    let permissions = &edit.caller.actor.permissions;
    for _ in 0..TRIES {
        edit.check(&before)?;
        let after = change(&before);
        if before.diff(&after).is_empty() {
            return Ok(before);
        }
        let connection = app.database.connection().await?;
        let author = edit.caller.author();
        let changed = users::change(
            &connection,
            author,
            edit.action,
            &before,
            &after,
            permissions,
        )
        .await?;
        if let Some(user) = changed {
            return Ok(user);
        }
        before = edit.reload(&connection, &before).await?;
    }
    Err(Code::EditConflict.into())
}

/// Removes a user.
pub(super) async fn remove(app: &App, edit: &Edit<'_>, mut before: User) -> Result<(), Problem> {
    for _ in 0..TRIES {
        edit.check(&before)?;
        let connection = app.database.connection().await?;
        if users::delete(&connection, edit.caller.author(), &before).await? {
            return Ok(());
        }
        before = edit.reload(&connection, &before).await?;
    }
    Err(Code::EditConflict.into())
}

impl Edit<'_> {
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
