//! `/api/audit-logs`: who did what, and when. Reading it leaves an entry too. `/api/me/audit-logs`: one's own trail.

use std::sync::Arc;

use axum::extract::State;
use http::Uri;
use serde_json::Value;
use time::OffsetDateTime;
use usher_core::{Connection, audit_logs};
use usher_domain::{Action, AuditFilter, AuditLog, Entity, Limit, UserId, Word, grants::AuditRead};

use crate::{
    App, Operations, Problem,
    access::{Own, Reads},
    answer::{Listed, Timestamp, view},
    input::{Fields, Query, Seen, form, open_cursor},
};

pub(crate) fn collection() -> Operations {
    Operations::default()
        .get(
            "Lists the entries of the audit log, the newest first.",
            list,
        )
        .audits(Action::Read)
}

pub(crate) fn own() -> Operations {
    Operations::default().get(
        "Lists what one did, and what others did to one's account, the newest first.",
        list_own,
    )
}

view! {
    /// An entry of the audit log.
    AuditLogView {
        /// The id.
        id: i64,
        /// The user who did it; null when nobody was signed in.
        actor_id: Option<i64>,
        /// What was done, such as `UPDATE`.
        action: String,
        /// To what kind of thing, such as `User`.
        entity: String,
        /// To which one.
        entity_id: Option<i64>,
        /// The details; for a change the fields `before` and `after` it.
        payload: Option<Value>,
        /// The address of the caller.
        ip: Option<String>,
        /// The program of the caller.
        user_agent: Option<String>,
        /// The id of the request.
        request_id: Option<String>,
        /// The session.
        session_id: Option<String>,
        /// When.
        created_at: Timestamp,
    }
}

view! {
    /// An entry of one's own trail. Of others it shows what they did to the account, and nothing about them.
    OwnAuditLogView {
        /// The id.
        id: i64,
        /// Who did it: `self`, `other`, or `nobody` when nobody was signed in.
        actor: &'static str,
        /// What was done, such as `UPDATE`.
        action: String,
        /// To what kind of thing, such as `User`.
        entity: String,
        /// To which one.
        entity_id: Option<i64>,
        /// The details; for a change the fields `before` and `after` it. Not shown where they are those of another user.
        payload: Option<Value>,
        /// The address that it came from, when it was oneself.
        ip: Option<String>,
        /// The program that it came from, when it was oneself.
        user_agent: Option<String>,
        /// The id of the request.
        request_id: Option<String>,
        /// The session, when it was oneself.
        session_id: Option<String>,
        /// When.
        created_at: Timestamp,
    }
}

form! {
    /// Which entries of the own trail to list.
    OwnListQuery {
        /// The most entries of the page.
        limit: Option<Limit> = "limit",
        /// Where the page begins: `nextCursor` of the page before.
        cursor: Option<String> = "cursor",
        /// The members to show.
        fields: Option<Fields<OwnAuditLogView>> = "fields",
    }
}

form! {
    /// Which entries to list.
    ListQuery {
        /// The most entries of the page.
        limit: Option<Limit> = "limit",
        /// Where the page begins: `nextCursor` of the page before.
        cursor: Option<String> = "cursor",
        /// Only what this user did.
        actor_id: Option<UserId> = "actorId",
        /// Only what was done to this kind of thing.
        entity: Option<Word> = "entity",
        /// Only what was done to the one with this id; with `entity`.
        entity_id: Option<UserId> = "entityId",
        /// Only this action.
        action: Option<Word> = "action",
        /// Only entries of this time or later.
        from: Option<OffsetDateTime> = "from",
        /// Only entries before this time.
        to: Option<OffsetDateTime> = "to",
        /// The members to show.
        fields: Option<Fields<AuditLogView>> = "fields",
    }
}

/// GET /api/audit-logs, audit:read, READ.
async fn list(
    State(app): State<App>,
    reads: Reads<AuditRead>,
    seen: Seen,
    uri: Uri,
    Query(query): Query<ListQuery>,
) -> Result<Listed<AuditLogView>, Problem> {
    let after = open_cursor(&app.secret, query.cursor.as_deref(), audit_logs::ORDER)?;
    let filter = AuditFilter {
        actor_id: query.actor_id,
        entity: query.entity.map(Word::into_string),
        entity_id: query.entity_id.map(UserId::get),
        action: query.action.map(Word::into_string),
        from: query.from,
        to: query.to,
    };
    let limit = query.limit.unwrap_or_default();
    let (filter, after) = (&filter, after.as_ref());
    let list = |connection: Arc<Connection>| async move {
        audit_logs::list(&connection, filter, limit, after).await
    };
    let (actor, page) = reads.read_bulk(&seen, list).await?;
    // Nothing is shown before it is written down.
    let connection = app.database.connection().await?;
    audit_logs::record_reading(&connection, actor.author(&reads.origin)).await?;
    Ok(Listed::new(page, view_of, &app.secret, &uri).only(query.fields))
}

/// GET /api/me/audit-logs, signed in.
async fn list_own(
    State(app): State<App>,
    own: Own,
    uri: Uri,
    Query(query): Query<OwnListQuery>,
) -> Result<Listed<OwnAuditLogView>, Problem> {
    let after = open_cursor(&app.secret, query.cursor.as_deref(), audit_logs::OWN_ORDER)?;
    let (limit, after) = (query.limit.unwrap_or_default(), after.as_ref());
    let list = |connection: Arc<Connection>, user| async move {
        audit_logs::list_own(&connection, user, limit, after).await
    };
    let (actor, page) = own.read(list).await?;
    let owner = actor.user.id;
    let view = |entry| own_view_of(entry, owner);
    Ok(Listed::new(page, view, &app.secret, &uri).only(query.fields))
}

/// Shows an entry to the user whose trail it stands in.
pub(super) fn own_view_of(entry: AuditLog, owner: UserId) -> OwnAuditLogView {
    let is_own = entry.actor_id == Some(owner);
    let is_about_another =
        entry.entity == Entity::User.as_str() && entry.entity_id != Some(owner.get());
    let AuditLogView {
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
        created_at,
    } = view_of(entry);
    let actor = match actor_id {
        Some(_) if is_own => "self",
        Some(_) => "other",
        None => "nobody",
    };
    OwnAuditLogView {
        id,
        actor,
        action,
        entity,
        entity_id,
        payload: payload.filter(|_| !is_about_another),
        ip: ip.filter(|_| is_own),
        user_agent: user_agent.filter(|_| is_own),
        request_id,
        session_id: session_id.filter(|_| is_own),
        created_at,
    }
}

fn view_of(entry: AuditLog) -> AuditLogView {
    AuditLogView {
        id: entry.id.get(),
        actor_id: entry.actor_id.map(UserId::get),
        action: entry.action,
        entity: entry.entity,
        entity_id: entry.entity_id,
        payload: entry.payload,
        ip: entry.ip.map(|ip| ip.to_string()),
        user_agent: entry.user_agent,
        request_id: entry.request_id,
        session_id: entry.session_id.map(|session| session.to_string()),
        created_at: Timestamp(entry.created_at),
    }
}
