//! Invitations: accounts that somebody else is to make, with the roles they begin with.

use serde_json::json;
use time::OffsetDateTime;

use crate::{Diff, Email, InvitationId, Name, RoleSet, UserId};

/// What has become of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationState {
    /// It can be accepted.
    Pending,
    /// Its time is over; it can be sent again.
    Expired,
    /// The account was made.
    Accepted,
    /// Somebody took it back.
    Revoked,
}

impl InvitationState {
    /// Returns it as answers and the database spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Accepted => "accepted",
            Self::Revoked => "revoked",
        }
    }

    /// Reads it as the database spells it.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Pending, Self::Expired, Self::Accepted, Self::Revoked];
        all.into_iter().find(|state| state.as_str() == text)
    }
}

/// An invitation.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The id.
    pub id: InvitationId,
    /// The address that the account will have.
    pub email: Email,
    /// What the person is called, if the inviter knows.
    pub name: Option<Name>,
    /// The roles that the account begins with.
    pub roles: RoleSet,
    /// What has become of it.
    pub state: InvitationState,
    /// Who invited.
    pub invited_by: UserId,
    /// When.
    pub created_at: OffsetDateTime,
    /// Until when it can be accepted.
    pub expires_at: OffsetDateTime,
}

/// An invitation to be.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// The address.
    pub email: Email,
    /// What the person is called, if the inviter knows.
    pub name: Option<Name>,
    /// The roles to begin with.
    pub roles: RoleSet,
}

impl NewInvitation {
    /// Returns everything the audit log keeps of an invitation that comes.
    pub fn created(&self) -> Diff {
        Diff::created(json!({
            "name": self.name,
            "email": self.email,
            "roles": self.roles,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_is_written() {
        for state in ["pending", "expired", "accepted", "revoked"] {
            assert_eq!(InvitationState::parse(state).unwrap().as_str(), state);
        }
        assert_eq!(InvitationState::parse("Pending"), None);
    }
}
