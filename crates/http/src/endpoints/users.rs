//! `/api/users`: finding, creating, changing and removing users.

use std::sync::Arc;

use axum::extract::State;
use http::Uri;
use time::OffsetDateTime;
use usher_core::{
    Connection, accounts,
    passwords::Owner,
    users::{self, Count, ListUsers},
};
use usher_domain::Permission;
use usher_domain::{
    Action, AvatarUrl, Email, Limit, Name, NewUser, Password, RoleName, RoleSet, SearchTerm, User,
    UserFilter, UserSort,
    grants::{UsersCreate, UsersDelete, UsersRead, UsersUpdate},
};

use super::{
    accounts::check_owner,
    edit::{self, Edit},
};
use crate::{
    App, Code, Operations, Problem,
    access::{May, Named, Reads, Target},
    answer::{Created, Done, Listed, Shown, Timestamp, view},
    input::{Fields, IfMatch, Key, Nothing, Nullable, Query, Repeatable, Seen, form, open_cursor},
};

pub(crate) fn collection() -> Operations {
    Operations::default()
        .get("Lists users, page by page.", list)
        .post("Creates a user.", create)
        .audits(Action::Create)
        .fails_with(&[Code::EmailTaken, Code::RoleEscalation, Code::Busy])
}

pub(crate) fn single() -> Operations {
    Operations::default()
        .get("Returns a user.", show)
        .patch("Changes a user.", change)
        .audits(Action::Update)
        .fails_with(&[Code::EmailTaken, Code::LastAdmin])
        .delete(
            "Removes a user, signs the user out everywhere and frees the address.",
            remove,
        )
        .audits(Action::Delete)
        .fails_with(&[Code::LastAdmin])
}

view! {
    /// A user.
    UserView {
        /// The id.
        id: i64,
        /// What the person is called.
        name: String,
        /// The address.
        email: String,
        /// The names of the roles held, in order.
        roles: Vec<String>,
        /// Whether the user may sign in and act.
        is_active: bool,
        /// Where a picture is found.
        avatar_url: Option<String>,
        /// Grows by one with every change.
        version: i64,
        /// When the user was created.
        created_at: Timestamp,
        /// When the user was last changed.
        updated_at: Timestamp,
    }
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        let avatar_url = user.avatar_url.as_ref();
        Self {
            id: user.id.get(),
            name: user.name.as_str().to_owned(),
            email: user.email.as_str().to_owned(),
            roles: user.roles.names().into_iter().map(str::to_owned).collect(),
            is_active: user.is_active,
            avatar_url: avatar_url.map(|url| url.as_str().to_owned()),
            version: user.version,
            created_at: Timestamp(user.created_at),
            updated_at: Timestamp(user.updated_at),
        }
    }
}

form! {
    /// Which users to list.
    ListQuery {
        /// The most users of the page.
        limit: Option<Limit> = "limit",
        /// Where the page begins: `nextCursor` of the page before, with the same `sort`.
        cursor: Option<String> = "cursor",
        /// The order; `-` turns it round.
        sort: Option<UserSort> = "sort",
        /// Only active users, or only inactive ones.
        is_active: Option<bool> = "isActive",
        /// Only users who hold this role.
        role: Option<RoleName> = "role",
        /// Only the user with exactly this address.
        email: Option<Email> = "email",
        /// Only users created at this time or later.
        created_from: Option<OffsetDateTime> = "createdFrom",
        /// Only users created before this time.
        created_to: Option<OffsetDateTime> = "createdTo",
        /// Only users whose name or address contains this, in any case; pages can then be short, see `hasMore`.
        search: Option<SearchTerm> = "q",
        /// Adds `page.total`: counted, or as the database estimates it.
        count: Option<Count> = "count",
        /// The members to show.
        fields: Option<Fields<UserView>> = "fields",
    }
}

form! {
    /// Which members to show.
    ShowQuery {
        /// The members to show.
        fields: Option<Fields<UserView>> = "fields",
    }
}

form! {
    /// A user to be.
    NewUserForm {
        /// What the person is called.
        name: Name = "name",
        /// The address; it is kept in lower case.
        email: Email = "email",
        /// The password; without one the user cannot sign in by password.
        password: Option<Password> = "password",
        /// The roles; others than `user` need the permission roles:grant.
        roles: Option<RoleSet> = "roles",
        /// Whether the user may sign in; true unless told.
        is_active: Option<bool> = "isActive",
        /// Where a picture is found.
        avatar_url: Nullable<AvatarUrl> = "avatarUrl",
    }
}

form! {
    /// What becomes of a user (RFC 7396).
    UserChange {
        /// What the person is called.
        name: Option<Name> = "name",
        /// The address; it is kept in lower case.
        email: Option<Email> = "email",
        /// Whether the user may sign in; false signs the user out everywhere.
        is_active: Option<bool> = "isActive",
        /// Where a picture is found; null for none.
        avatar_url: Nullable<AvatarUrl> = "avatarUrl",
    }
}

/// GET /api/users, users:read.
async fn list(
    State(app): State<App>,
    reads: Reads<UsersRead>,
    seen: Seen,
    uri: Uri,
    Query(query): Query<ListQuery>,
) -> Result<Listed<UserView>, Problem> {
    let sort = query.sort.unwrap_or_default();
    let request = ListUsers {
        filter: UserFilter {
            is_active: query.is_active,
            role: query.role,
            email: query.email,
            created_from: query.created_from,
            created_to: query.created_to,
            search: query.search,
        },
        sort,
        limit: query.limit.unwrap_or_default(),
        after: open_cursor(
            &app.secret,
            query.cursor.as_deref(),
            &ListUsers::order(sort),
        )?,
    };
    let (request, count) = (&request, query.count);
    let read = |connection: Arc<Connection>| async move {
        let total = async {
            match count {
                Some(count) => users::count(&connection, &request.filter, count)
                    .await
                    .map(Some),
                None => Ok(None),
            }
        };
        tokio::try_join!(users::list(&connection, request), total)
    };
    let (_, (page, total)) = reads.read_bulk(&seen, read).await?;
    let listed = Listed::new(page, |user| UserView::from(&user), &app.secret, &uri);
    Ok(listed.with_total(total).only(query.fields))
}

/// POST /api/users, users:create, CREATE.
async fn create(
    State(app): State<App>,
    may: May<UsersCreate>,
    _: Query<Nothing>,
    sent: Repeatable<NewUserForm>,
) -> Result<Created<UserView>, Problem> {
    let caller = may.caller();
    let attempt = sent.attempt(&app, &caller.sender());
    let form = sent.form;
    let roles = form.roles.unwrap_or_default();
    if roles != RoleSet::default() && !caller.actor.permissions.allow(Permission::RolesGrant) {
        return Err(Problem::lacks(Permission::RolesGrant));
    }
    let password = match form.password {
        Some(password) => {
            check_owner(&password, "password", &form.name, &form.email)?;
            app.leaks.check(&password, "password").await?;
            let owner = Owner::Address(&form.email);
            Some(app.passwords.hash(password, owner).await?)
        }
        None => None,
    };
    let new = NewUser {
        name: form.name,
        email: form.email,
        roles,
        is_active: form.is_active.unwrap_or(true),
        avatar_url: form.avatar_url.or(None),
    };
    let connection = app.database.connection().await?;
    let permissions = &caller.actor.permissions;
    let created = users::insert(
        &connection,
        caller.author().once(attempt.as_ref()),
        &new,
        password.as_ref(),
        permissions,
    )
    .await?;
    let user = created.ok_or(Code::RoleEscalation)?;
    Ok(Created {
        view: UserView::from(&user),
        version: Some(user.version),
        location: format!("/api/users/{}", user.id),
    })
}

/// GET /`api/users/{user_id`}, users:read.
async fn show(
    named: Named<UsersRead>,
    Query(query): Query<ShowQuery>,
) -> Result<Shown<UserView>, Problem> {
    let user = named.user().await?;
    Ok(shown(&user).only(query.fields))
}

/// PATCH /`api/users/{user_id`}, users:update, UPDATE.
async fn change(
    State(app): State<App>,
    target: Target<UsersUpdate>,
    _: Query<Nothing>,
    if_match: IfMatch,
    sent: Repeatable<UserChange>,
) -> Result<Shown<UserView>, Problem> {
    let attempt = sent.attempt(&app, &target.caller.sender());
    let form = sent.form;
    let before = match target.user {
        // The own deletion of the owner has done that before, and the link of its mail is to bring nobody back: it is void first, and
        // then there is another look at the user.
        Some(user) if form.is_active == Some(false) && !user.is_active => {
            let connection = app.database.connection().await?;
            accounts::bar_restoration(&connection, target.caller.author(), user.id).await?;
            users::find(&connection, user.id).await?
        }
        user => user,
    };
    let patch = |before: &User| User {
        name: form.name.clone().unwrap_or_else(|| before.name.clone()),
        email: form.email.clone().unwrap_or_else(|| before.email.clone()),
        is_active: form.is_active.unwrap_or(before.is_active),
        avatar_url: form.avatar_url.clone().or(before.avatar_url.clone()),
        ..before.clone()
    };
    let edit = Edit {
        caller: &target.caller,
        action: Action::Update,
        if_match: &if_match,
        attempt: attempt.as_ref(),
    };
    let user = edit::run(&app, &edit, before, patch).await?;
    Ok(shown(&user))
}

/// DELETE /`api/users/{user_id`}, users:delete, DELETE.
async fn remove(
    State(app): State<App>,
    target: Target<UsersDelete>,
    _: Query<Nothing>,
    if_match: IfMatch,
    key: Key,
) -> Result<Done, Problem> {
    let attempt = key.attempt(&app, &target.caller.sender());
    let edit = Edit {
        caller: &target.caller,
        action: Action::Delete,
        if_match: &if_match,
        attempt: attempt.as_ref(),
    };
    edit::remove(&app, &edit, target.user).await?;
    Ok(Done)
}

pub(crate) fn shown(user: &User) -> Shown<UserView> {
    Shown::new(UserView::from(user)).with_version(user.version)
}
