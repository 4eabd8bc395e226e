//! What an export shows of second factors, passkeys, invitations and a deletion.

use schemars::JsonSchema;
use serde::Serialize;
use usher_core::accounts::{
    KeptApiKey, KeptApp, KeptDeletion, KeptInvitation, KeptPasskey, KeptRecoveryCode,
};
use usher_domain::Factor;

use crate::answer::Timestamp;

/// A second factor, in force or begun.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FactorExport {
    /// `totp`.
    kind: &'static str,
    created_at: Timestamp,
    /// Since when it is in force; null for one that was begun alone.
    confirmed_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

impl From<KeptApp> for FactorExport {
    fn from(app: KeptApp) -> Self {
        Self {
            kind: Factor::Totp.as_str(),
            created_at: Timestamp(app.created_at),
            confirmed_at: app.confirmed_at.map(Timestamp),
            last_used_at: app.last_used_at.map(Timestamp),
        }
    }
}

/// A recovery code, without the code.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecoveryCodeExport {
    created_at: Timestamp,
    /// Null while it is good.
    used_at: Option<Timestamp>,
}

impl From<KeptRecoveryCode> for RecoveryCodeExport {
    fn from(code: KeptRecoveryCode) -> Self {
        Self {
            created_at: Timestamp(code.created_at),
            used_at: code.used_at.map(Timestamp),
        }
    }
}

/// A passkey.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PasskeyExport {
    id: String,
    name: String,
    /// What the authenticator calls it, in base64url.
    credential_id: String,
    /// Whom the authenticator knows it for: a random UUID, the same for all passkeys of one account.
    user_handle: Option<String>,
    sign_count: i64,
    is_syncable: bool,
    is_synced: bool,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

impl From<KeptPasskey> for PasskeyExport {
    fn from(passkey: KeptPasskey) -> Self {
        Self {
            id: passkey.id.to_string(),
            name: passkey.name.to_string(),
            credential_id: passkey.credential_id,
            user_handle: passkey.handle.map(|handle| handle.to_string()),
            sign_count: passkey.sign_count,
            is_syncable: passkey.is_syncable,
            is_synced: passkey.is_synced,
            created_at: Timestamp(passkey.created_at),
            last_used_at: passkey.last_used_at.map(Timestamp),
        }
    }
}

/// An API key, good or not any more.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeyExport {
    id: i64,
    name: String,
    scopes: Vec<String>,
    created_at: Timestamp,
    expires_at: Timestamp,
    /// To the hour.
    last_used_at: Option<Timestamp>,
    rotated_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl From<KeptApiKey> for ApiKeyExport {
    fn from(key: KeptApiKey) -> Self {
        Self {
            id: key.id.get(),
            name: key.name,
            scopes: key.scopes,
            created_at: Timestamp(key.created_at),
            expires_at: Timestamp(key.expires_at),
            last_used_at: key.last_used_at.map(Timestamp),
            rotated_at: key.rotated_at.map(Timestamp),
            revoked_at: key.revoked_at.map(Timestamp),
        }
    }
}

/// An invitation that one made, or got.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvitationExport {
    email: String,
    name: Option<String>,
    roles: Vec<String>,
    /// Whether one made it; otherwise one was invited.
    is_own: bool,
    created_at: Timestamp,
    expires_at: Timestamp,
    accepted_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl From<KeptInvitation> for InvitationExport {
    fn from(invitation: KeptInvitation) -> Self {
        Self {
            email: invitation.email.to_string(),
            name: invitation.name,
            roles: invitation.roles,
            is_own: invitation.is_own,
            created_at: Timestamp(invitation.created_at),
            expires_at: Timestamp(invitation.expires_at),
            accepted_at: invitation.accepted_at.map(Timestamp),
            revoked_at: invitation.revoked_at.map(Timestamp),
        }
    }
}

/// A deletion of the account that was asked for.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are those of the API")]
pub(crate) struct DeletionExport {
    created_at: Timestamp,
    due_at: Timestamp,
    /// When it was undone, or void.
    ended_at: Option<Timestamp>,
}

impl From<KeptDeletion> for DeletionExport {
    fn from(deletion: KeptDeletion) -> Self {
        Self {
            created_at: Timestamp(deletion.created_at),
            due_at: Timestamp(deletion.due_at),
            ended_at: deletion.ended_at.map(Timestamp),
        }
    }
}
