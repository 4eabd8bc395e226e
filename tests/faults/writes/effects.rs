//! What shows in the database how often an operation was done for the user whose address is `$1`.

use super::Write;
use crate::{factors, passkeys};

/// Returns the statement that counts the effects of an operation.
pub(super) fn of(write: Write) -> &'static str {
    match write {
        Write::Create | Write::Register => "select count(*) from users where email = $1",
        Write::Change | Write::Grant | Write::ChangeOwn => {
            "select version - 1 from users where email = $1"
        }
        Write::Remove => {
            "select count(*) from users where email = $1 and version = 2 and deleted_at is not null"
        }
        Write::SignIn | Write::Challenge | Write::ConfirmLink => {
            "select count(*) from sessions join users on users.id = user_id where email = $1"
        }
        Write::Refresh => {
            "select sum(refresh_counter) from sessions join users on users.id = user_id where email = $1"
        }
        Write::SignOut | Write::EndOther | Write::EndOthers | Write::EndAll => {
            "select count(*) from sessions join users on users.id = user_id where email = $1 and ended_at is not null"
        }
        Write::Resend | Write::Forget | Write::AskLink => {
            "select count(*) from mails join users on users.id = user_id where email = $1"
        }
        Write::Verify => {
            "select count(*) from users where email = $1 and email_verified_at is not null"
        }
        Write::BeginFactor
        | Write::ConfirmFactor
        | Write::RenewCodes
        | Write::RemoveFactor
        | Write::ResetFactors => factors::effects(write),
        Write::AddPasskey
        | Write::SignInByPasskey
        | Write::RenamePasskey
        | Write::RemovePasskey => passkeys::effects(write),
        Write::Reauthenticate => {
            "select count(*) from sessions join users on users.id = user_id where email = $1 and authenticated_at is not null"
        }
        Write::Reset | Write::ChangePassword => {
            "select count(*) from users where email = $1 and password_changed_at is not null"
        }
        Write::Invite => "select count(*) from invitations where email = $1",
        Write::ResendInvitation => {
            "select count(*) from invitations where email = $1 and expires_at > now() + interval '6 days'"
        }
        Write::Revoke => {
            "select count(*) from invitations where email = $1 and revoked_at is not null"
        }
        Write::Accept => {
            "select count(*) from invitations join users using (email) where email = $1 and accepted_at is not null"
        }
        other => of_the_rest(other),
    }
}

/// The same for another address and the end of an account.
fn of_the_rest(write: Write) -> &'static str {
    match write {
        Write::MakeKey | Write::RotateKey | Write::RevokeKey => of_key(write),
        Write::AskEmail => "select count(*) from email_changes where old_email = $1",
        Write::ConfirmEmail => {
            "select count(*) from email_changes where old_email = $1 and new_confirmed_at is not null"
        }
        Write::CancelEmail => {
            "select count(*) from email_changes where old_email = $1 and ended_at is not null"
        }
        Write::Leave => {
            "select count(*) from account_deletions join users on users.id = user_id where email = $1 and not is_active"
        }
        Write::Restore => {
            "select count(*) from account_deletions join users on users.id = user_id where email = $1 and is_active and ended_at is not null"
        }
        other => panic!("say what shows that {other:?} was done"),
    }
}

/// The same for an API key.
fn of_key(write: Write) -> &'static str {
    match write {
        Write::RotateKey => {
            "select count(*) from api_keys join users on users.id = user_id where email = $1 and previous_hash = sha256(convert_to($1, 'UTF8'))"
        }
        Write::RevokeKey => {
            "select count(*) from api_keys join users on users.id = user_id where email = $1 and revoked_at is not null"
        }
        _ => "select count(*) from api_keys join users on users.id = user_id where email = $1",
    }
}
