//! Roles: named sets of permissions that users hold.

use std::fmt;

use serde::Serialize;

use crate::{Invalid, Permissions};

/// The name of a role: a lower-case letter, then letters, digits, `-` and `_`, at most 50 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RoleName(String);

impl RoleName {
    /// Checks a name; whether the role is registered is for the database to say.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let is_inner =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
        if starts_well && text.len() <= 50 && text.bytes().all(is_inner) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                "role-name",
                "must be a lower-case letter followed by letters, digits, '-' or '_', at most 50 characters",
            ))
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The roles of one user: 1 to 16 different ones, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoleSet(Vec<RoleName>);

impl RoleSet {
    /// The most roles a user may hold.
    pub const MAX: usize = 16;

    /// Checks a list of roles; a role named twice counts once.
    pub fn new(mut roles: Vec<RoleName>) -> Result<Self, Invalid> {
        roles.sort();
        roles.dedup();
        if roles.is_empty() || roles.len() > Self::MAX {
            return Err(Invalid::new("role-count", "must be 1 to 16 roles"));
        }
        Ok(Self(roles))
    }

    /// Returns the names in order.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(RoleName::as_str).collect()
    }
}

impl Default for RoleSet {
    /// Returns `user` alone, what everybody starts with.
    fn default() -> Self {
        Self(vec![RoleName("user".to_owned())])
    }
}

/// A registered role.
#[derive(Clone, Debug)]
pub struct Role {
    /// How it is called.
    pub name: RoleName,
    /// What it is for.
    pub description: String,
    /// What it allows.
    pub permissions: Permissions,
    /// Whether it came with the product.
    pub is_built_in: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_set_is_ordered_and_has_no_doubles() {
        let names = ["user", "admin", "user"].map(|name| RoleName::parse(name).unwrap());
        assert_eq!(
            RoleSet::new(names.to_vec()).unwrap().names(),
            ["admin", "user"]
        );
        assert_eq!(RoleSet::new(vec![]).unwrap_err().code, "role-count");
    }

    #[test]
    fn a_role_name_is_plain() {
        for text in ["", "Admin", "1st", "a b", "a\0", "é", &"a".repeat(51)] {
            assert!(RoleName::parse(text).is_err(), "{text:?}");
        }
    }
}
