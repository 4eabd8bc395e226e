//! The audit log as it is read. It is written by whoever changes something, see [`Author`].

use time::OffsetDateTime;
use tokio_postgres::{Row, types::Type};
use usher_domain::{
    Action, AuditFilter, AuditLog, Entity, Event, EventId, Limit, Page, Position, UserId,
};

use crate::{Author, Connection, Error, Result, connection::Plan, row, select::Conditions};

mod own;

pub use own::{OWN_ORDER, list_own};

/// Names the order of the list in its positions: the newest first.
pub const ORDER: &str = "audit_logs -createdAt";

/// What [`entry`] reads.
const COLUMNS: &str = "
          id,
          actor_id,
          action,
          entity,
          entity_id,
          payload,
          ip,
          user_agent,
          request_id,
          session_id,
          created_at";

/// Writes down that the audit log was read.
pub async fn record_reading(connection: &Connection, author: Author<'_>) -> Result<()> {
    let event = Event::new(Action::Read, Entity::AuditLog);
    let change = "change as (select null::bigint as entity_id)";
    connection
        .change("record reading", author, &event, change, &[])
        .await?;
    Ok(())
}

/// Returns a page of entries, the newest first.
pub async fn list(
    connection: &Connection,
    filter: &AuditFilter,
    limit: Limit,
    after: Option<&Position>,
) -> Result<Page<AuditLog>> {
    let actor = filter.actor_id.map(UserId::get);
    let after = after.map(time_and_id).transpose()?;
    let mut conditions = Conditions::new("true");
    conditions.and("actor_id = ?", actor.as_ref(), Type::INT8);
    conditions.and("entity = ?", filter.entity.as_ref(), Type::TEXT);
    conditions.and("entity_id = ?", filter.entity_id.as_ref(), Type::INT8);
    conditions.and("action = ?", filter.action.as_ref(), Type::TEXT);
    conditions.and("created_at >= ?", filter.from.as_ref(), Type::TIMESTAMPTZ);
    conditions.and("created_at < ?", filter.to.as_ref(), Type::TIMESTAMPTZ);
    if let Some((time, id)) = &after {
        let (time, id) = (
            conditions.parameter(time, Type::TIMESTAMPTZ),
            conditions.parameter(id, Type::INT8),
        );
        // The first comparison alone lets the planner leave out the partitions of later months.
        conditions.and_text(&format!(
            "created_at <= {time} and (created_at, id) < ({time}, {id})"
        ));
    }
    // A plan that is kept has to know how much is wanted of it.
    let statement = format!(
        "select {COLUMNS}
        from audit_logs
        where {conditions}
        order by created_at desc, id desc
        limit {count}",
        conditions = conditions.text(),
        count = limit.and_one(),
    );
    let parameters = conditions.parameters();
    let rows = connection
        .rows_by(plan(filter), "list audit logs", &statement, parameters)
        .await?;
    let entries = rows.iter().map(entry).collect::<Result<Vec<_>>>()?;
    Ok(Page::of(entries, limit, position))
}

/// Returns how a list is planned: by whom or about which thing an entry is, an index knows, whatever the values are. Of
/// actions and kinds of things some are so frequent that walking the newest is best, and others so rare that it is worst.
fn plan(filter: &AuditFilter) -> Plan {
    let is_in_index = filter.entity.is_some() == filter.entity_id.is_some();
    let is_open = filter.action.is_none() && filter.from.is_none() && filter.to.is_none();
    if is_in_index && is_open {
        Plan::Kept
    } else {
        Plan::Anew
    }
}

fn entry(row: &Row) -> Result<AuditLog> {
    let actor: Option<i64> = row::get(row, "actor_id")?;
    Ok(AuditLog {
        id: EventId::new(row::get(row, "id")?),
        actor_id: actor.map(UserId::new),
        action: row::get(row, "action")?,
        entity: row::get(row, "entity")?,
        entity_id: row::get(row, "entity_id")?,
        payload: row::get(row, "payload")?,
        ip: row::get(row, "ip")?,
        user_agent: row::get(row, "user_agent")?,
        request_id: row::get(row, "request_id")?,
        session_id: row::get(row, "session_id")?,
        created_at: row::get(row, "created_at")?,
    })
}

fn position(last: &AuditLog) -> Position {
    Position {
        order: ORDER.to_owned(),
        key: row::time_key(last.created_at),
        id: last.id.get(),
        is_early: false,
    }
}

fn time_and_id(position: &Position) -> Result<(OffsetDateTime, i64)> {
    let time = row::time_of(&position.key);
    let time = time.ok_or_else(|| Error::corrupt("cursor", "does not fit the order"))?;
    Ok((time, position.id))
}
