//! `/api/me/sessions` and `/api/users/{user_id}/sessions`: where somebody is signed in, and ending that.

use std::sync::Arc;

use axum::extract::State;
use http::Uri;
use usher_core::{
    Connection,
    sessions::{self, LiveSession},
    users,
};
use usher_domain::{
    Action, Page, SessionId,
    grants::{UsersRead, UsersUpdate},
};

use crate::{
    App, Code, Operations, Problem,
    access::{Named, Own, SignedIn, Target},
    answer::{Done, Listed, Timestamp, view},
    input::{Key, Nothing, Query, SessionPath},
};

pub(crate) fn own() -> Operations {
    Operations::default()
        .get(
            "Lists where one is signed in, the session used last first, at most 100.",
            list_own,
        )
        .delete("Ends all own sessions but that of the request.", end_others)
        .audits(Action::Logout)
}

pub(crate) fn own_one() -> Operations {
    Operations::default()
        .delete("Ends one of the own sessions.", end_one)
        .audits(Action::Logout)
        .fails_with(&[Code::SessionNotFound])
}

pub(crate) fn of_user() -> Operations {
    Operations::default()
        .get(
            "Lists where a user is signed in, the session used last first, at most 100.",
            list_of_user,
        )
        .delete("Ends all sessions of a user.", end_all)
        .audits(Action::Logout)
}

view! {
    /// A session.
    LiveSessionView {
        /// The id.
        id: String,
        /// Whether it is that of the request.
        is_current: bool,
        /// When its user signed in.
        created_at: Timestamp,
        /// When it was last prolonged; whoever is at work does that every few minutes.
        last_seen_at: Timestamp,
        /// When it ends by itself unless it is prolonged before.
        expires_at: Timestamp,
        /// The address that the sign-in came from.
        ip: Option<String>,
        /// The program that signed in, as it names itself.
        user_agent: Option<String>,
    }
}

/// GET /api/me/sessions, signed in.
async fn list_own(
    State(app): State<App>,
    own: Own,
    uri: Uri,
    _: Query<Nothing>,
) -> Result<Listed<LiveSessionView>, Problem> {
    let list =
        |connection: Arc<Connection>, user| async move { sessions::list(&connection, user).await };
    let (_, rows) = own.read(list).await?;
    Ok(listed(&app, &uri, rows, Some(own.principal().session)))
}

/// DELETE /api/me/sessions, signed in, LOGOUT.
async fn end_others(
    State(app): State<App>,
    caller: SignedIn,
    _: Query<Nothing>,
    key: Key,
) -> Result<Done, Problem> {
    let attempt = key.attempt(&app, &caller.sender());
    let connection = app.database.connection().await?;
    let author = caller.author().once(attempt.as_ref());
    let (user, current) = (caller.actor.user.id, caller.session.id);
    sessions::end_all(&connection, author, user, Some(current)).await?;
    Ok(Done)
}

/// DELETE /`api/me/sessions/{session_id}`, signed in, LOGOUT.
async fn end_one(
    State(app): State<App>,
    caller: SignedIn,
    SessionPath(session): SessionPath,
    _: Query<Nothing>,
    key: Key,
) -> Result<Done, Problem> {
    let attempt = key.attempt(&app, &caller.sender());
    let connection = app.database.connection().await?;
    let author = caller.author().once(attempt.as_ref());
    if sessions::end_one(&connection, author, caller.actor.user.id, session).await? {
        Ok(Done)
    } else {
        Err(Code::SessionNotFound.into())
    }
}

/// GET /`api/users/{user_id}/sessions`, users:read.
async fn list_of_user(
    State(app): State<App>,
    named: Named<UsersRead>,
    uri: Uri,
    _: Query<Nothing>,
) -> Result<Listed<LiveSessionView>, Problem> {
    let list = |connection: Arc<Connection>, user| async move {
        let (user, rows) = tokio::try_join!(
            users::find(&connection, user),
            sessions::list(&connection, user)
        )?;
        Ok(user.map(|_| rows))
    };
    let (actor, rows) = named.read(list).await?;
    let rows = rows.ok_or(Code::UserNotFound)?;
    // The own sessions are for the owner alone, by whatever path.
    if actor.key().is_some() && named.is(actor.user.id) {
        return Err(Problem::from(Code::SessionRequired).by(&actor));
    }
    Ok(listed(&app, &uri, rows, actor.session()))
}

/// DELETE /`api/users/{user_id}/sessions`, users:update, LOGOUT.
async fn end_all(
    State(app): State<App>,
    target: Target<UsersUpdate>,
    _: Query<Nothing>,
    key: Key,
) -> Result<Done, Problem> {
    let user = target.user.as_ref().ok_or(Code::UserNotFound)?;
    let attempt = key.attempt(&app, &target.caller.sender());
    let connection = app.database.connection().await?;
    let author = target.caller.author().once(attempt.as_ref());
    sessions::end_all(&connection, author, user.id, None).await?;
    Ok(Done)
}

fn listed(
    app: &App,
    uri: &Uri,
    rows: Vec<LiveSession>,
    current: Option<SessionId>,
) -> Listed<LiveSessionView> {
    let view = |session: LiveSession| LiveSessionView {
        id: session.id.to_string(),
        is_current: Some(session.id) == current,
        created_at: Timestamp(session.created_at),
        last_seen_at: Timestamp(session.last_seen_at),
        expires_at: Timestamp(session.expires_at),
        ip: session.ip.map(|ip| ip.to_string()),
        user_agent: session.user_agent,
    };
    Listed::new(Page { rows, next: None }, view, &app.secret, uri)
}
