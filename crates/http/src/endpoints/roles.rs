//! `/api/roles`: the roles there are.

use axum::extract::State;
use http::Uri;
use usher_core::roles;
use usher_domain::{Page, Permission, Role, grants::RolesRead};

use crate::{
    App, Operations, Problem,
    access::Reads,
    answer::{Listed, view},
    input::{Nothing, Query},
};

pub(crate) fn collection() -> Operations {
    Operations::default().get("Lists all roles with what they allow.", list)
}

view! {
    /// A role.
    RoleView {
        /// The name.
        name: String,
        /// What it is for.
        description: String,
        /// What it allows.
        permissions: Vec<&'static str>,
        /// Whether it came with the product.
        is_built_in: bool,
    }
}

/// GET /api/roles, roles:read.
async fn list(
    State(app): State<App>,
    reads: Reads<RolesRead>,
    uri: Uri,
    _: Query<Nothing>,
) -> Result<Listed<RoleView>, Problem> {
    let (_, rows) = reads
        .read(|connection| async move { roles::list(&connection).await })
        .await?;
    Ok(Listed::new(
        Page { rows, next: None },
        view_of,
        &app.secret,
        &uri,
    ))
}

fn view_of(role: Role) -> RoleView {
    RoleView {
        name: role.name.to_string(),
        permissions: role.permissions.iter().map(Permission::as_str).collect(),
        description: role.description,
        is_built_in: role.is_built_in,
    }
}
