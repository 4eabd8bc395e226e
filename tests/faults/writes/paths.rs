//! Where each operation is asked for, and how success is answered.

use super::Write;
use crate::factors;

impl Write {
    /// Returns the method and the path of the operation.
    pub(super) fn route(self) -> (&'static str, &'static str) {
        match self {
            Self::Create => ("POST", "/api/users"),
            Self::Change => ("PATCH", "/api/users/{user_id}"),
            Self::Remove => ("DELETE", "/api/users/{user_id}"),
            Self::Grant => ("PUT", "/api/users/{user_id}/roles"),
            Self::ChangeOwn => ("PATCH", "/api/me"),
            Self::SignIn => ("POST", "/api/auth/login"),
            Self::Refresh => ("POST", "/api/auth/refresh"),
            Self::SignOut => ("POST", "/api/auth/logout"),
            Self::EndOther => ("DELETE", "/api/me/sessions/{session_id}"),
            Self::EndOthers => ("DELETE", "/api/me/sessions"),
            Self::EndAll => ("DELETE", "/api/users/{user_id}/sessions"),
            Self::Register => ("POST", "/api/auth/register"),
            Self::Resend => ("POST", "/api/auth/resend"),
            Self::Verify => ("POST", "/api/auth/verify-email"),
            Self::Forget => ("POST", "/api/auth/password/forgot"),
            Self::Reset => ("POST", "/api/auth/password/reset"),
            Self::ChangePassword => ("POST", "/api/auth/password"),
            Self::AskEmail => ("POST", "/api/me/email"),
            Self::ConfirmEmail => ("POST", "/api/auth/email/confirm"),
            Self::CancelEmail => ("POST", "/api/auth/email/cancel"),
            Self::Leave => ("DELETE", "/api/me"),
            Self::Restore => ("POST", "/api/auth/restore"),
            Self::Reauthenticate => ("POST", "/api/auth/reauthenticate"),
            Self::Invite => ("POST", "/api/invitations"),
            Self::ResendInvitation => ("POST", "/api/invitations/{invitation_id}/resend"),
            Self::Revoke => ("DELETE", "/api/invitations/{invitation_id}"),
            Self::Accept => ("POST", "/api/auth/invitation"),
            Self::Challenge => ("POST", "/api/auth/challenge"),
            Self::BeginFactor => ("POST", factors::TOTP),
            Self::ConfirmFactor => ("POST", factors::CONFIRM),
            Self::RenewCodes => ("POST", factors::CODES),
            Self::RemoveFactor => ("DELETE", factors::TOTP),
            Self::ResetFactors => ("DELETE", "/api/users/{user_id}/factors"),
            Self::AddPasskey => ("POST", "/api/me/passkeys"),
            Self::SignInByPasskey => ("POST", "/api/auth/passkey"),
            Self::RenamePasskey => ("PATCH", "/api/me/passkeys/{passkey_id}"),
            Self::RemovePasskey => ("DELETE", "/api/me/passkeys/{passkey_id}"),
            Self::AskLink => ("POST", "/api/auth/link"),
            Self::ConfirmLink => ("POST", "/api/auth/link/confirm"),
            Self::MakeKey => ("POST", "/api/me/api-keys"),
            Self::RotateKey => ("POST", "/api/me/api-keys/{key_id}/rotate"),
            Self::RevokeKey => ("DELETE", "/api/me/api-keys/{key_id}"),
        }
    }

    /// Returns the status of success.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Create | Self::Invite | Self::AddPasskey | Self::MakeKey => 201,
            Self::Register | Self::Resend | Self::Forget | Self::AskEmail | Self::AskLink => 202,
            Self::Change
            | Self::Grant
            | Self::ChangeOwn
            | Self::SignIn
            | Self::SignInByPasskey
            | Self::RenamePasskey
            | Self::Refresh
            | Self::ResendInvitation
            | Self::ConfirmLink
            | Self::Reauthenticate
            | Self::Challenge
            | Self::BeginFactor
            | Self::ConfirmFactor
            | Self::RenewCodes
            | Self::RotateKey => 200,
            _ => 204,
        }
    }
}
