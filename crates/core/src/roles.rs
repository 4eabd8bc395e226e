//! The registry of roles.

use usher_domain::{Role, RoleName};

use crate::{Connection, Result, row};

/// The permissions of `users.roles` together, for the list of columns of a statement over `users`.
pub(crate) const PERMISSIONS_OF_USER: &str = "
  array(
    select distinct permission
    from roles
    cross join unnest(roles.permissions) as permission
    where roles.name = any(users.roles)
  ) as permissions";

/// Returns all roles in the order of their names.
pub async fn list(connection: &Connection) -> Result<Vec<Role>> {
    let statement = "
      select
        name,
        description,
        permissions,
        is_built_in
      from roles
      order by name";
    let rows = connection.rows("list roles", statement, &[]).await?;
    rows.iter().map(role).collect()
}

fn role(row: &tokio_postgres::Row) -> Result<Role> {
    Ok(Role {
        name: row::parse(row, "name", RoleName::parse)?,
        description: row::get(row, "description")?,
        permissions: row::permissions(row)?,
        is_built_in: row::get(row, "is_built_in")?,
    })
}
