//! `/api/users/{user_id}/roles`: which roles a user holds, and giving others.

use axum::extract::State;
use usher_domain::{
    Action, Permission, RoleSet, User,
    grants::{RolesGrant, RolesRead},
};

use super::{
    edit::{self, Edit},
    users::{UserView, shown},
};
use crate::{
    App, Code, Operations, Problem,
    access::{Named, Target},
    answer::{Shown, view},
    input::{IfMatch, Nothing, Query, Repeatable, form},
};

pub(crate) fn roles() -> Operations {
    Operations::default()
        .get("Returns the roles of a user.", show_roles)
        .put("Replaces the roles of a user.", grant)
        .audits(Action::RolesChange)
        .fails_with(&[Code::LastAdmin])
}

view! {
    /// The roles of a user.
    UserRolesView {
        /// The names in order.
        roles: Vec<String>,
        /// What they allow together.
        permissions: Vec<&'static str>,
        /// The version of the user.
        version: i64,
    }
}

form! {
    /// The roles a user shall hold.
    RolesForm {
        /// All of them.
        roles: RoleSet = "roles",
    }
}

/// GET /`api/users/{user_id}/roles`, roles:read.
async fn show_roles(
    named: Named<RolesRead>,
    _: Query<Nothing>,
) -> Result<Shown<UserRolesView>, Problem> {
    let (_, subject) = named.find().await?;
    let version = subject.user.version;
    let permissions = subject.permissions.iter().map(Permission::as_str).collect();
    Ok(Shown::new(UserRolesView {
        roles: names(&subject.user),
        permissions,
        version,
    })
    .with_version(version))
}

/// PUT /`api/users/{user_id}/roles`, roles:grant, `ROLES_CHANGE`.
async fn grant(
    State(app): State<App>,
    target: Target<RolesGrant>,
    _: Query<Nothing>,
    if_match: IfMatch,
    sent: Repeatable<RolesForm>,
) -> Result<Shown<UserView>, Problem> {
    let attempt = sent.attempt(&app, &target.caller.sender());
    let form = sent.form;
    let replace = |before: &User| User {
        roles: form.roles.clone(),
        ..before.clone()
    };
    let edit = Edit {
        caller: &target.caller,
        action: Action::RolesChange,
        if_match: &if_match,
        attempt: attempt.as_ref(),
    };
    let user = edit::run(&app, &edit, target.user, replace).await?;
    Ok(shown(&user))
}

fn names(user: &User) -> Vec<String> {
    user.roles.names().into_iter().map(str::to_owned).collect()
}
