//! The trail of one user: what the user did, and what others did to the account.

use tokio_postgres::types::Type;
use usher_domain::{AuditLog, Entity, Limit, Page, Position, UserId};

use super::{COLUMNS, entry, position, time_and_id};
use crate::{Connection, Result, connection::Parameter};

/// Names the order of the list in its positions: the newest first.
pub const OWN_ORDER: &str = "own audit_logs -createdAt";

/// Returns a page of the trail of a user, the newest first. Either side is read from its index, as far as the page goes; what
/// the user did to the own account is found on both.
pub async fn list_own(
    connection: &Connection,
    user: UserId,
    limit: Limit,
    after: Option<&Position>,
) -> Result<Page<AuditLog>> {
    let after = after.map(time_and_id).transpose()?;
    let side = |whose: &str| {
        let after = match after {
            Some(_) => "and created_at <= $3 and (created_at, id) < ($3, $4)",
            None => "",
        };
        let count = limit.and_one();
        format!(
            "(
          select {COLUMNS}
          from audit_logs
          where {whose}
            {after}
          order by created_at desc, id desc
          limit {count}
        )"
        )
    };
    let statement = format!(
        "select distinct on (created_at, id) {COLUMNS}
        from (
          {by}
          union all
          {about}
        ) as trail
        order by created_at desc, id desc
        limit {count}",
        by = side("actor_id = $1"),
        about = side("entity = $2 and entity_id = $1"),
        count = limit.and_one(),
    );
    let (id, entity) = (user.get(), Entity::User.as_str());
    let mut parameters: Vec<Parameter<'_>> = vec![(&id, Type::INT8), (&entity, Type::TEXT)];
    if let Some((time, id)) = &after {
        parameters.extend([
            (
                time as &(dyn tokio_postgres::types::ToSql + Sync),
                Type::TIMESTAMPTZ,
            ),
            (id, Type::INT8),
        ]);
    }
    let rows = connection
        .rows("list own audit logs", &statement, &parameters)
        .await?;
    let entries = rows.iter().map(entry).collect::<Result<Vec<_>>>()?;
    let of_trail = |last: &AuditLog| Position {
        order: OWN_ORDER.to_owned(),
        ..position(last)
    };
    Ok(Page::of(entries, limit, of_trail))
}
