//! `/api/me`: the own account.

use axum::extract::State;
use usher_domain::{Action, ApiKeyId, AvatarUrl, Name, Permission, User};

use super::{
    deletion,
    edit::{self, Edit},
    users::{UserView, shown},
};
use crate::{
    App, Code, Operations, Problem,
    access::{Caller, SignedIn},
    answer::{Shown, Timestamp, view},
    input::{Fields, IfMatch, Nothing, Nullable, Query, Repeatable, form},
};

pub(crate) fn profile() -> Operations {
    Operations::default()
        .get("Returns the own account and what it may do.", show)
        .patch("Changes the own name or picture.", change)
        .audits(Action::Update)
        .delete(
            "Deletes the own account after a while, in which it is deactivated and can be restored.",
            deletion::leave,
        )
        .audits(Action::DeletionRequest)
        .fails_with(&[
            Code::PasswordMissing,
            Code::LastAdmin,
            Code::EditConflict,
        ])
}

view! {
    /// The own account.
    MeView {
        /// The id.
        id: i64,
        /// What the person is called.
        name: String,
        /// The address.
        email: String,
        /// The names of the roles held, in order.
        roles: Vec<String>,
        /// What the roles allow together.
        permissions: Vec<&'static str>,
        /// Where a picture is found.
        avatar_url: Option<String>,
        /// The session of the request; null for an API key.
        session_id: Option<String>,
        /// The API key of the request; null in a session.
        api_key_id: Option<i64>,
        /// Grows by one with every change.
        version: i64,
        /// When the account was created.
        created_at: Timestamp,
        /// When the account was last changed.
        updated_at: Timestamp,
    }
}

form! {
    /// Which members to show.
    ShowQuery {
        /// The members to show.
        fields: Option<Fields<MeView>> = "fields",
    }
}

form! {
    /// What becomes of the own account (RFC 7396).
    ProfileChange {
        /// What the person is called.
        name: Option<Name> = "name",
        /// Where a picture is found; null for none.
        avatar_url: Nullable<AvatarUrl> = "avatarUrl",
    }
}

/// GET /api/me, signed in or with an API key.
async fn show(caller: Caller, Query(query): Query<ShowQuery>) -> Result<Shown<MeView>, Problem> {
    let version = caller.actor.user.version;
    Ok(Shown::new(view_of(&caller))
        .with_version(version)
        .only(query.fields))
}

/// PATCH /api/me, signed in, UPDATE.
async fn change(
    State(app): State<App>,
    caller: SignedIn,
    _: Query<Nothing>,
    if_match: IfMatch,
    sent: Repeatable<ProfileChange>,
) -> Result<Shown<UserView>, Problem> {
    let attempt = sent.attempt(&app, &caller.sender());
    let form = sent.form;
    let patch = |before: &User| User {
        name: form.name.clone().unwrap_or_else(|| before.name.clone()),
        avatar_url: form.avatar_url.clone().or(before.avatar_url.clone()),
        ..before.clone()
    };
    let edit = Edit {
        caller: &caller,
        action: Action::Update,
        if_match: &if_match,
        attempt: attempt.as_ref(),
    };
    let user = edit::run(&app, &edit, Some(caller.actor.user.clone()), patch).await?;
    Ok(shown(&user))
}

fn view_of(caller: &Caller) -> MeView {
    let UserView {
        id,
        name,
        email,
        roles,
        is_active: _,
        avatar_url,
        version,
        created_at,
        updated_at,
    } = UserView::from(&caller.actor.user);
    let permissions = caller
        .actor
        .permissions
        .iter()
        .map(Permission::as_str)
        .collect();
    let session_id = caller.actor.session().map(|session| session.to_string());
    let api_key_id = caller.actor.key().map(ApiKeyId::get);
    MeView {
        id,
        name,
        email,
        roles,
        permissions,
        avatar_url,
        session_id,
        api_key_id,
        version,
        created_at,
        updated_at,
    }
}
