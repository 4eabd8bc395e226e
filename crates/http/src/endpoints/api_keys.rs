//! `/api/me/api-keys`: what machines sign their requests with. The secret of a key is shown once.

use std::sync::Arc;

use axum::extract::State;
use http::Uri;
use usher_core::{
    Connection,
    api_keys::{self, Refusal, Replacement, Token},
    mails::Mail,
};
use usher_domain::{
    Action, ApiKey, KeyDays, KeyName, Language, Message, NewApiKey, Overlap, Page, Permission,
    Permissions, Template, User,
};

use crate::{
    App, Code, Operations, Problem,
    access::{Own, Recent, SignedIn},
    answer::{Created, Done, Listed, Shown, Timestamp, view},
    input::{ApiKeyPath, Key, Nothing, Query, Repeatable, form},
    origin::Spoken,
};

pub(crate) fn collection() -> Operations {
    Operations::default()
        .get(
            "Lists the own API keys that are good, the newest first, at most 50.",
            list,
        )
        .post("Makes an API key, and shows its token this once.", create)
        .audits(Action::ApiKeyCreate)
        .fails_with(&[Code::RoleEscalation, Code::TooManyApiKeys])
}

pub(crate) fn single() -> Operations {
    Operations::default()
        .delete("Revokes an own API key.", revoke)
        .audits(Action::ApiKeyRevoke)
}

pub(crate) fn rotation() -> Operations {
    Operations::default()
        .post(
            "Gives an own API key another secret, and shows its token this once; the one before stays good for a while.",
            rotate,
        )
        .audits(Action::ApiKeyRotate)
        .fails_with(&[Code::ApiKeyRotated])
}

view! {
    /// An API key.
    ApiKeyView {
        /// The id.
        id: i64,
        /// What its owner calls it.
        name: String,
        /// What it may do at the most; what its owner may do no more it may not either.
        scopes: Vec<&'static str>,
        /// When it was made.
        created_at: Timestamp,
        /// When it is good no more.
        expires_at: Timestamp,
        /// When it was last used, to the hour.
        last_used_at: Option<Timestamp>,
        /// When it got its present secret, if that is not the first one.
        rotated_at: Option<Timestamp>,
        /// Until when the secret before that is good.
        previous_until: Option<Timestamp>,
    }
}

view! {
    /// An API key with its token.
    ApiKeyTokenView {
        /// The token, for `Authorization: Bearer`. It is not shown again.
        token: String,
        /// The key.
        api_key: ApiKeyView,
    }
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id.get(),
            name: key.name.as_str().to_owned(),
            scopes: key.scopes.iter().map(Permission::as_str).collect(),
            created_at: Timestamp(key.created_at),
            expires_at: Timestamp(key.expires_at),
            last_used_at: key.last_used_at.map(Timestamp),
            rotated_at: key.rotated_at.map(Timestamp),
            previous_until: key.previous_until.map(Timestamp),
        }
    }
}

impl ApiKeyTokenView {
    fn new(key: ApiKey, token: &Token) -> Self {
        Self {
            token: token.expose().to_owned(),
            api_key: key.into(),
        }
    }
}

form! {
    /// An API key to be.
    NewApiKeyForm {
        /// What it is called.
        name: KeyName = "name",
        /// What it may do: permissions that its owner holds.
        scopes: Permissions = "scopes",
        /// For how many days it is good: 90 unless it is said.
        expires_in_days: Option<KeyDays> = "expiresInDays",
    }
}

form! {
    /// Another secret.
    RotationForm {
        /// For how many hours the secret before stays good: 24 unless it is said.
        overlap_hours: Option<Overlap> = "overlapHours",
        /// For how many days the key is good from now on; it is as long as before unless it is said.
        expires_in_days: Option<KeyDays> = "expiresInDays",
    }
}

/// GET /api/me/api-keys, signed in.
async fn list(
    State(app): State<App>,
    own: Own,
    uri: Uri,
    _: Query<Nothing>,
) -> Result<Listed<ApiKeyView>, Problem> {
    let list =
        |connection: Arc<Connection>, user| async move { api_keys::list(&connection, user).await };
    let (_, rows) = own.read(list).await?;
    let page = Page { rows, next: None };
    Ok(Listed::new(page, ApiKeyView::from, &app.secret, &uri))
}

/// POST /api/me/api-keys, signed in with a proof of the last minutes, `API_KEY_CREATE`.
async fn create(
    State(app): State<App>,
    recent: Recent,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<NewApiKeyForm>,
) -> Result<Created<ApiKeyTokenView>, Problem> {
    let caller = &recent.caller;
    let attempt = sent.attempt(&app, &caller.sender());
    let form = sent.form;
    if !caller.actor.permissions.cover(&form.scopes) {
        return Err(Problem::from(Code::RoleEscalation).by(&caller.actor));
    }
    let new = NewApiKey {
        name: form.name,
        scopes: form.scopes,
        days: form.expires_in_days.unwrap_or_default(),
    };
    let user = &caller.actor.user;
    let mail = mail(&app, language, user, &new)?;
    let connection = app.database.connection().await?;
    let whose = (user.id, attempt.as_ref());
    let made = api_keys::insert(&connection, caller.author(), whose, &new, &mail).await?;
    let (key, token) = made.ok_or(Code::TooManyApiKeys)?;
    Ok(Created {
        location: format!("/api/me/api-keys/{}", key.id),
        version: None,
        view: ApiKeyTokenView::new(key, &token),
    })
}

/// POST /`api/me/api-keys/{key_id}/rotate`, signed in with a proof of the last minutes, `API_KEY_ROTATE`.
async fn rotate(
    State(app): State<App>,
    recent: Recent,
    ApiKeyPath(key): ApiKeyPath,
    _: Query<Nothing>,
    sent: Repeatable<RotationForm>,
) -> Result<Shown<ApiKeyTokenView>, Problem> {
    let caller = &recent.caller;
    let attempt = sent.attempt(&app, &caller.sender());
    let new = Replacement {
        owner: caller.actor.user.id,
        key,
        overlap: sent.form.overlap_hours.unwrap_or_default(),
        days: sent.form.expires_in_days,
    };
    let connection = app.database.connection().await?;
    let rotated = api_keys::rotate(&connection, caller.author(), attempt.as_ref(), new).await?;
    let (key, token) = rotated.map_err(|refusal| match refusal {
        Refusal::Unknown => Code::ApiKeyNotFound,
        Refusal::Rotated => Code::ApiKeyRotated,
    })?;
    Ok(Shown::new(ApiKeyTokenView::new(key, &token)))
}

/// DELETE /`api/me/api-keys/{key_id}`, signed in, `API_KEY_REVOKE`.
async fn revoke(
    State(app): State<App>,
    caller: SignedIn,
    ApiKeyPath(key): ApiKeyPath,
    _: Query<Nothing>,
    sent: Key,
) -> Result<Done, Problem> {
    let attempt = sent.attempt(&app, &caller.sender());
    let connection = app.database.connection().await?;
    let author = caller.author().once(attempt.as_ref());
    if api_keys::revoke(&connection, author, caller.actor.user.id, key).await? {
        Ok(Done)
    } else {
        Err(Code::ApiKeyNotFound.into())
    }
}

/// Tells the owner that a key was made. The name is from whoever made it, and the texts escape it.
fn mail(app: &App, language: Language, owner: &User, new: &NewApiKey) -> Result<Mail, Problem> {
    let scopes: Vec<_> = new.scopes.iter().map(Permission::as_str).collect();
    let message = Message {
        recipient: owner.email.clone(),
        template: Template::ApiKeyCreated,
        language,
        values: vec![
            ("name", new.name.as_str().to_owned()),
            (
                "scopes",
                if scopes.is_empty() {
                    "-".to_owned()
                } else {
                    scopes.join(", ")
                },
            ),
            ("days", new.days.get().to_string()),
        ],
    };
    Ok(Mail::new(&app.secret, &message)?)
}
