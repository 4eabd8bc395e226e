//! Audit events: what was done, to what, and what it changed.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{EventId, Invalid, SessionId, UserId};

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $name:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $text)] $name,)+
        }

        impl $type {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Returns it as the audit log spells it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

names! {
    /// What was done.
    Action {
        /// Something was created.
        Create = "CREATE",
        /// Something was read whose reading is itself worth knowing.
        Read = "READ",
        /// Something was changed.
        Update = "UPDATE",
        /// Something was removed.
        Delete = "DELETE",
        /// The roles of a user were changed.
        RolesChange = "ROLES_CHANGE",
        /// Somebody asked for an account with an address: of their own, or of somebody who has one.
        Register = "REGISTER",
        /// Somebody asked for another mail to verify an address.
        VerificationRequest = "VERIFICATION_REQUEST",
        /// Somebody showed that they can read what is sent to their address.
        EmailVerify = "EMAIL_VERIFY",
        /// Somebody asked for a mail to choose another password.
        ResetRequest = "RESET_REQUEST",
        /// Somebody chose another password with a secret from a mail.
        PasswordReset = "PASSWORD_RESET",
        /// Somebody changed the own password.
        PasswordChange = "PASSWORD_CHANGE",
        /// Somebody who is signed in was asked for the password and did not know it.
        PasswordRefused = "PASSWORD_REFUSED",
        /// Somebody asked for a mail to sign in with.
        LoginRequest = "LOGIN_REQUEST",
        /// Somebody asked for another address for the own account.
        EmailChangeRequest = "EMAIL_CHANGE_REQUEST",
        /// The owner of the old or of the new address confirmed a change of address, which waits for the other one.
        EmailChangeConfirm = "EMAIL_CHANGE_CONFIRM",
        /// The owners of both addresses confirmed a change of address, and it was made.
        EmailChange = "EMAIL_CHANGE",
        /// The owner of the old address cancelled a change of address.
        EmailChangeCancel = "EMAIL_CHANGE_CANCEL",
        /// Somebody asked for the deletion of the own account, which is deactivated until then.
        DeletionRequest = "DELETION_REQUEST",
        /// The deletion of an account was undone with a secret from a mail.
        Restore = "RESTORE",
        /// Somebody who is signed in proved again who they are.
        Reauthenticate = "REAUTHENTICATE",
        /// An invitation was mailed once more, with another link.
        InvitationResend = "INVITATION_RESEND",
        /// Somebody made the account of an invitation.
        InvitationAccept = "INVITATION_ACCEPT",
        /// Somebody who is signed in showed a code of a second factor that is not good.
        CodeRefused = "CODE_REFUSED",
        /// Somebody began with a second factor, which is not in force yet.
        FactorBegin = "FACTOR_BEGIN",
        /// A second factor was put in force.
        FactorAdd = "FACTOR_ADD",
        /// A second factor was removed, by its owner or by an administrator.
        FactorRemove = "FACTOR_REMOVE",
        /// Somebody got new recovery codes.
        RecoveryCodesRenew = "RECOVERY_CODES_RENEW",
        /// Somebody added a passkey to the own account.
        PasskeyAdd = "PASSKEY_ADD",
        /// Somebody called an own passkey otherwise.
        PasskeyRename = "PASSKEY_RENAME",
        /// Somebody removed an own passkey.
        PasskeyRemove = "PASSKEY_REMOVE",
        /// A passkey that somebody wanted to add was refused.
        PasskeyRefused = "PASSKEY_REFUSED",
        /// Somebody made an API key.
        ApiKeyCreate = "API_KEY_CREATE",
        /// An API key got another secret.
        ApiKeyRotate = "API_KEY_ROTATE",
        /// An API key was taken back.
        ApiKeyRevoke = "API_KEY_REVOKE",
        /// A link or a code was refused.
        SecretRefused = "SECRET_REFUSED",
        /// A limit refused somebody who tried too often; written once in an hour.
        Limited = "LIMITED",
        /// Somebody signed in.
        Login = "LOGIN",
        /// Somebody knew a password and was asked for the second factor.
        LoginChallenge = "LOGIN_CHALLENGE",
        /// Somebody tried to sign in and failed.
        LoginFailed = "LOGIN_FAILED",
        /// A session was prolonged.
        Refresh = "REFRESH",
        /// A refresh token came back that had long been replaced: the session was ended.
        RefreshReuse = "REFRESH_REUSE",
        /// Somebody signed out.
        Logout = "LOGOUT",
        /// A mail could not be sent for a day and was given up.
        MailFailed = "MAIL_FAILED",
        /// The database was looked after: statistics, partitions, months of the log that were due to go.
        Maintain = "MAINTAIN",
    }
}

names! {
    /// What it was done to.
    Entity {
        /// A user.
        User = "User",
        /// An invitation.
        Invitation = "Invitation",
        /// An API key.
        ApiKey = "ApiKey",
        /// The audit log as a whole.
        AuditLog = "AuditLog",
        /// The database as a whole.
        Database = "Database",
    }
}

/// Something that was done, ready to be written with the change it describes.
#[derive(Clone, Debug)]
pub struct Event {
    /// What was done.
    pub action: Action,
    /// To what kind of thing.
    pub entity: Entity,
    /// The details: for changes a [`Diff`].
    pub payload: Option<Value>,
}

impl Event {
    /// Makes an event without details.
    pub fn new(action: Action, entity: Entity) -> Self {
        Self {
            action,
            entity,
            payload: None,
        }
    }

    /// Adds the fields that changed.
    #[must_use]
    pub fn with_diff(self, diff: Diff) -> Self {
        self.with_payload(diff.into_payload())
    }

    /// Adds the session it happened to.
    #[must_use]
    pub fn with_session(self, session: SessionId) -> Self {
        self.with_payload(json!({ "sessionId": session }))
    }

    /// Adds details that are no change of fields.
    #[must_use]
    pub fn with_payload(mut self, payload: Value) -> Self {
        self.payload = Some(payload);
        self
    }
}

/// The fields a change touched, as `{"before": {…}, "after": {…}}`.
///
/// Only types that can be serialised fit in; passwords, hashes and tokens cannot be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff {
    before: Map<String, Value>,
    after: Map<String, Value>,
}

impl Diff {
    /// Adds one field when its value changed.
    #[must_use]
    pub fn field<T: PartialEq + Serialize>(mut self, name: &str, before: &T, after: &T) -> Self {
        if before != after {
            self.before.insert(name.to_owned(), json!(before));
            self.after.insert(name.to_owned(), json!(after));
        }
        self
    }

    /// Tells whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    pub(crate) fn created(fields: Value) -> Self {
        Self {
            before: Map::new(),
            after: object(fields),
        }
    }

    pub(crate) fn removed(fields: Value) -> Self {
        Self {
            before: object(fields),
            after: Map::new(),
        }
    }

    fn into_payload(self) -> Value {
        let sides = [("before", self.before), ("after", self.after)];
        let filled = sides.into_iter().filter(|(_, fields)| !fields.is_empty());
        Value::Object(
            filled
                .map(|(side, fields)| (side.to_owned(), Value::Object(fields)))
                .collect(),
        )
    }
}

fn object(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// An entry of the audit log as it is read.
#[derive(Clone, Debug)]
pub struct AuditLog {
    /// The id.
    pub id: EventId,
    /// Who did it; nobody when no account was involved.
    pub actor_id: Option<UserId>,
    /// What was done. A text, since an older or newer build may know other words.
    pub action: String,
    /// To what kind of thing.
    pub entity: String,
    /// To which one.
    pub entity_id: Option<i64>,
    /// The details.
    pub payload: Option<Value>,
    /// The address it came from.
    pub ip: Option<IpAddr>,
    /// The program it came from.
    pub user_agent: Option<String>,
    /// The request it came with.
    pub request_id: Option<String>,
    /// The session it was done in.
    pub session_id: Option<Uuid>,
    /// When.
    pub created_at: OffsetDateTime,
}

/// Which entries a list shows; all conditions hold together.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only what this user did.
    pub actor_id: Option<UserId>,
    /// Only what was done to this kind of thing.
    pub entity: Option<String>,
    /// Only what was done to this one.
    pub entity_id: Option<i64>,
    /// Only this action.
    pub action: Option<String>,
    /// Only from this time on.
    pub from: Option<OffsetDateTime>,
    /// Only before this time.
    pub to: Option<OffsetDateTime>,
}

/// A word of the audit log to filter by: 1 to 50 letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(String);

impl Word {
    /// Checks a word.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if (1..=50).contains(&text.len()) && text.bytes().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                "word",
                "must be 1 to 50 letters, digits, '-' or '_'",
            ))
        }
    }

    /// Returns the word as text.
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_holds_only_what_changed() {
        let diff = Diff::default()
            .field("name", &"a", &"b")
            .field("email", &"x", &"x");
        assert_eq!(
            diff.into_payload(),
            json!({ "before": { "name": "a" }, "after": { "name": "b" } })
        );
        assert!(Diff::default().field("name", &1, &1).is_empty());
    }

    #[test]
    fn every_name_fits_its_column() {
        assert!(Action::ALL.iter().all(|action| action.as_str().len() <= 50));
        assert!(Entity::ALL.iter().all(|entity| entity.as_str().len() <= 50));
    }
}
