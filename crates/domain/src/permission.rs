//! What a role can allow.

use std::collections::BTreeSet;

use serde::Serialize;

/// A permission known at compile time, so that a handler can name it in its signature.
pub trait Grant: Send + Sync + 'static {
    /// The permission the type stands for.
    const PERMISSION: Permission;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// One thing a role can allow. The set is closed: the database may hold others, which allow nothing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum Permission {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
        }

        impl Permission {
            /// Every permission there is.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Returns the permission as it is written in a role.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// Finds the permission of that spelling.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)+
                    _ => None,
                }
            }
        }

        /// A type for each permission.
        pub mod grants {
            use super::{Grant, Permission};

            $(
                $(#[$doc])*
                pub struct $name;

                impl Grant for $name {
                    const PERMISSION: Permission = Permission::$name;
                }
            )+
        }
    };
}

permissions! {
    /// Reads the audit log.
    AuditRead = "audit:read",
    /// Invites people to make an account, and sends invitations again.
    InvitationsCreate = "invitations:create",
    /// Takes invitations back.
    InvitationsDelete = "invitations:delete",
    /// Reads invitations.
    InvitationsRead = "invitations:read",
    /// Gives roles to users and takes them away.
    RolesGrant = "roles:grant",
    /// Reads the roles there are, and who holds which.
    RolesRead = "roles:read",
    /// Creates users.
    UsersCreate = "users:create",
    /// Removes users.
    UsersDelete = "users:delete",
    /// Reads users.
    UsersRead = "users:read",
    /// Changes users, except for their roles.
    UsersUpdate = "users:update",
}

/// The permissions that somebody holds, from all roles together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Permissions(BTreeSet<Permission>);

impl Permissions {
    /// Tells whether this one is held.
    pub fn allow(&self, permission: Permission) -> bool {
        self.0.contains(&permission)
    }

    /// Returns those that are held, in order.
    pub fn iter(&self) -> impl Iterator<Item = Permission> {
        self.0.iter().copied()
    }

    /// Tells whether everything the other holds is held here too: only then may this one act on the other.
    pub fn cover(&self, other: &Self) -> bool {
        self.0.is_superset(&other.0)
    }

    /// Returns those that both hold.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).copied().collect())
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<T: IntoIterator<Item = Permission>>(permissions: T) -> Self {
        Self(permissions.into_iter().collect())
    }
}

impl<'a> FromIterator<&'a str> for Permissions {
    /// Takes the permissions known to this build and passes over the others.
    fn from_iter<T: IntoIterator<Item = &'a str>>(names: T) -> Self {
        Self(names.into_iter().filter_map(Permission::parse).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_found_by_its_spelling() {
        for &permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.as_str()), Some(permission));
        }
        assert_eq!(Permission::parse("users:*"), None);
    }

    #[test]
    fn somebody_may_act_on_those_who_hold_no_more() {
        let admin: Permissions = ["users:read", "users:update", "of:the-future"]
            .into_iter()
            .collect();
        let member: Permissions = ["users:read"].into_iter().collect();
        assert!(admin.cover(&member) && admin.cover(&admin) && !member.cover(&admin));
    }
}
