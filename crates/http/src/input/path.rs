//! Parameters of the path.

use axum::{
    RequestPartsExt,
    extract::{FromRequestParts, RawPathParams},
};
use http::request::Parts;
use serde_json::json;
use usher_domain::{ApiKeyId, Invalid, InvitationId, PasskeyId, SessionId, UserId};

use crate::{
    App, Code, Problem,
    describe::{Docs, Part},
};

/// Returns the user that the path names. What is no id names nobody.
pub(crate) async fn user_id(parts: &mut Parts) -> Result<UserId, Problem> {
    named(parts, "user_id", UserId::parse)
        .await
        .ok_or_else(|| Code::UserNotFound.into())
}

/// The session that the path names. What is no id names none.
#[derive(Debug)]
pub(crate) struct SessionPath(pub(crate) SessionId);

impl FromRequestParts<App> for SessionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let session = named(parts, "session_id", SessionId::parse).await;
        Ok(Self(session.ok_or(Code::SessionNotFound)?))
    }
}

impl Part for SessionPath {
    fn describe(docs: &mut Docs) {
        docs.parameters.push(json!({
            "name": "session_id",
            "in": "path",
            "description": "The id of the session.",
            "required": true,
            "schema": { "type": "string", "format": "uuid" },
        }));
        docs.codes.insert(Code::SessionNotFound);
    }
}

/// The invitation that the path names. What is no id names none, which is for the handler to tell, after the check.
#[derive(Debug)]
pub(crate) struct InvitationPath(pub(crate) InvitationId);

impl FromRequestParts<App> for InvitationPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let invitation = named(parts, "invitation_id", InvitationId::parse).await;
        // No invitation has this id.
        Ok(Self(invitation.unwrap_or(InvitationId::new(0))))
    }
}

impl Part for InvitationPath {
    fn describe(docs: &mut Docs) {
        docs.parameters.push(json!({
            "name": "invitation_id",
            "in": "path",
            "description": "The id of the invitation.",
            "required": true,
            "schema": { "type": "integer", "format": "int64", "minimum": 1 },
        }));
        docs.codes.insert(Code::InvitationNotFound);
    }
}

/// The passkey that the path names. What is no id names none.
#[derive(Debug)]
pub(crate) struct PasskeyPath(pub(crate) PasskeyId);

impl FromRequestParts<App> for PasskeyPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let passkey = named(parts, "passkey_id", PasskeyId::parse).await;
        Ok(Self(passkey.ok_or(Code::PasskeyNotFound)?))
    }
}

impl Part for PasskeyPath {
    fn describe(docs: &mut Docs) {
        docs.parameters.push(json!({
            "name": "passkey_id",
            "in": "path",
            "description": "The id of the passkey.",
            "required": true,
            "schema": { "type": "string", "format": "uuid" },
        }));
        docs.codes.insert(Code::PasskeyNotFound);
    }
}

/// The API key that the path names. What is no id names none, which is for the handler to tell.
#[derive(Debug)]
pub(crate) struct ApiKeyPath(pub(crate) ApiKeyId);

impl FromRequestParts<App> for ApiKeyPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let key = named(parts, "key_id", ApiKeyId::parse).await;
        // No key has this id.
        Ok(Self(key.unwrap_or(ApiKeyId::new(0))))
    }
}

impl Part for ApiKeyPath {
    fn describe(docs: &mut Docs) {
        docs.parameters.push(json!({
            "name": "key_id",
            "in": "path",
            "description": "The id of the API key.",
            "required": true,
            "schema": { "type": "integer", "format": "int64", "minimum": 1 },
        }));
        docs.codes.insert(Code::ApiKeyNotFound);
    }
}

async fn named<T>(
    parts: &mut Parts,
    name: &str,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Option<T> {
    let parameters = parts.extract::<RawPathParams>().await.ok()?;
    let (_, text) = parameters.iter().find(|(known, _)| *known == name)?;
    parse(text).ok()
}
