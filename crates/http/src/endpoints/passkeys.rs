//! `/api/me/passkeys`: the own passkeys.

use std::sync::Arc;

use axum::extract::State;
use http::Uri;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::Value;
use usher_core::{
    Connection,
    mails::Mail,
    one_time::Token,
    passkeys::{self, Begun, NewPasskey, Passkey, Registered},
};
use usher_domain::{Action, Ceremony, Language, Message, Page, PasskeyName, Template, User};

use crate::{
    App, Code, Operations, Problem,
    access::{Own, SignedIn, check_recent},
    answer::{Created, Done, Listed, Shown, Timestamp, view},
    input::{Key, Nothing, Object, PasskeyPath, Query, Repeatable, form},
    origin::Spoken,
};

pub(crate) fn options() -> Operations {
    Operations::default()
        .post(
            "Returns what the browser makes a passkey with, for who proved within 10 minutes who they are.",
            ask,
        )
        .fails_with(&[Code::ReauthenticationRequired, Code::TooManyPasskeys, Code::Misconfigured])
}

pub(crate) fn own() -> Operations {
    Operations::default()
        .get("Lists the own passkeys, the newest first.", list)
        .post("Adds a passkey that the browser made.", add)
        .audits(Action::PasskeyAdd)
        .fails_with(&[
            Code::PasskeyRefused,
            Code::PasskeyTaken,
            Code::TooManyPasskeys,
            Code::Misconfigured,
        ])
}

pub(crate) fn own_one() -> Operations {
    Operations::default()
        .patch("Calls an own passkey otherwise.", rename)
        .audits(Action::PasskeyRename)
        .delete(
            "Removes an own passkey and signs out everywhere else, for who proved within 10 minutes who they are.",
            remove,
        )
        .audits(Action::PasskeyRemove)
        .fails_with(&[Code::ReauthenticationRequired, Code::LastPasskey])
}

view! {
    /// What the browser asks an authenticator with.
    OptionsView {
        /// Goes back with the answer, once.
        ceremony_token: String,
        /// How long that is possible, in seconds.
        expires_in: i64,
        /// For `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`.
        public_key: Options,
    }
}

impl From<Begun> for OptionsView {
    fn from(begun: Begun) -> Self {
        Self {
            ceremony_token: begun.token.expose(),
            expires_in: i64::from(Ceremony::MINUTES) * 60,
            public_key: Options(begun.options),
        }
    }
}

/// Options as Web Authentication defines them.
#[derive(Debug, Serialize)]
pub(crate) struct Options(Value);

impl JsonSchema for Options {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Options".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

view! {
    /// A passkey.
    PasskeyView {
        /// The id.
        id: String,
        /// What its owner calls it.
        name: String,
        /// Whether it has been copied to other devices of its owner.
        is_synced: bool,
        /// When it was added.
        created_at: Timestamp,
        /// When somebody signed in with it last.
        last_used_at: Option<Timestamp>,
    }
}

impl From<Passkey> for PasskeyView {
    fn from(passkey: Passkey) -> Self {
        Self {
            id: passkey.id.to_string(),
            name: passkey.name.to_string(),
            is_synced: passkey.is_synced,
            created_at: Timestamp(passkey.created_at),
            last_used_at: passkey.last_used_at.map(Timestamp),
        }
    }
}

form! {
    /// A passkey that the browser made.
    Made {
        /// The token of the options.
        ceremony_token: String = "ceremonyToken",
        /// What `PublicKeyCredential.toJSON` returns.
        credential: Object = "credential",
        /// What its owner calls it.
        name: PasskeyName = "name",
    }
}

form! {
    /// What a passkey is called from now on.
    Renamed {
        /// What its owner calls it.
        name: PasskeyName = "name",
    }
}

/// POST /api/me/passkeys/options, signed in with a recent proof.
async fn ask(
    State(app): State<App>,
    own: Own,
    _: Query<Nothing>,
) -> Result<Shown<OptionsView>, Problem> {
    let party = app.relying_party()?;
    let (actor, known) = own.read(passkeys::find_known).await?;
    check_recent(&app, &actor).await?;
    if known.is_full() {
        return Err(Code::TooManyPasskeys.into());
    }
    let connection = app.database.connection().await?;
    let begun = passkeys::begin_registration(&connection, &party, &actor.user, known).await?;
    Ok(Shown::new(begun.into()))
}

/// GET /api/me/passkeys, signed in.
async fn list(
    State(app): State<App>,
    own: Own,
    uri: Uri,
    _: Query<Nothing>,
) -> Result<Listed<PasskeyView>, Problem> {
    let list =
        |connection: Arc<Connection>, user| async move { passkeys::list(&connection, user).await };
    let (_, rows) = own.read(list).await?;
    let page = Page { rows, next: None };
    Ok(Listed::new(page, PasskeyView::from, &app.secret, &uri))
}

/// POST /api/me/passkeys, signed in with the token of a ceremony, `PASSKEY_ADD` or `PASSKEY_REFUSED`.
async fn add(
    State(app): State<App>,
    caller: SignedIn,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<Made>,
) -> Result<Created<PasskeyView>, Problem> {
    let attempt = sent.attempt(&app, &caller.sender());
    let party = app.relying_party()?;
    let user = &caller.actor.user;
    let token = Token::parse(&sent.form.ceremony_token);
    let mail = told(&app, user, Template::PasskeyAdded, language)?;
    let new = NewPasskey {
        user: user.id,
        token: token.as_ref(),
        answer: &sent.form.credential.0,
        name: &sent.form.name,
    };
    let connection = app.database.connection().await?;
    let author = caller.author().once(attempt.as_ref());
    match passkeys::register(&connection, &party, author, new, &mail).await? {
        Registered::Added(passkey) => Ok(Created {
            location: format!("/api/me/passkeys/{}", passkey.id),
            version: None,
            view: passkey.into(),
        }),
        Registered::Refused => Err(Code::PasskeyRefused.into()),
    }
}

/// PATCH /`api/me/passkeys/{passkey_id}`, signed in, `PASSKEY_RENAME`.
async fn rename(
    State(app): State<App>,
    caller: SignedIn,
    PasskeyPath(passkey): PasskeyPath,
    _: Query<Nothing>,
    sent: Repeatable<Renamed>,
) -> Result<Shown<PasskeyView>, Problem> {
    let attempt = sent.attempt(&app, &caller.sender());
    let connection = app.database.connection().await?;
    let author = caller.author().once(attempt.as_ref());
    let (user, name) = (caller.actor.user.id, &sent.form.name);
    let renamed = passkeys::rename(&connection, author, user, passkey, name).await?;
    let renamed = renamed.ok_or(Code::PasskeyNotFound)?;
    Ok(Shown::new(renamed.into()))
}

/// DELETE /`api/me/passkeys/{passkey_id}`, signed in with a recent proof, `PASSKEY_REMOVE`.
async fn remove(
    State(app): State<App>,
    caller: SignedIn,
    PasskeyPath(passkey): PasskeyPath,
    _: Query<Nothing>,
    Spoken(language): Spoken,
    key: Key,
) -> Result<Done, Problem> {
    check_recent(&app, &caller.actor).await?;
    let attempt = key.attempt(&app, &caller.sender());
    let mail = told(&app, &caller.actor.user, Template::PasskeyRemoved, language)?;
    let connection = app.database.connection().await?;
    let author = caller.author().once(attempt.as_ref());
    let owner = (caller.actor.user.id, caller.session.id);
    if passkeys::remove(&connection, author, owner, passkey, &mail).await? {
        Ok(Done)
    } else {
        Err(Code::PasskeyNotFound.into())
    }
}

/// Writes to the owner of an account what happened to it.
fn told(app: &App, user: &User, template: Template, language: Language) -> Result<Mail, Problem> {
    let message = Message {
        recipient: user.email.clone(),
        template,
        language,
        values: Vec::new(),
    };
    Ok(Mail::new(&app.secret, &message)?)
}
