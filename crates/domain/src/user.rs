//! Users, and the ways to list them.

use serde_json::json;
use time::OffsetDateTime;

use crate::{
    AvatarUrl, Diff, Direction, Email, Invalid, Name, RoleName, RoleSet, SearchTerm, UserId,
};

/// A user as everything but the credentials shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id, given once and never again.
    pub id: UserId,
    /// What the person is called.
    pub name: Name,
    /// The address, no two users share one.
    pub email: Email,
    /// The roles held.
    pub roles: RoleSet,
    /// Whether the user may sign in and act.
    pub is_active: bool,
    /// Where a picture is found.
    pub avatar_url: Option<AvatarUrl>,
    /// Grows by one with every change.
    pub version: i64,
    /// When the user was created.
    pub created_at: OffsetDateTime,
    /// When the user was last changed.
    pub updated_at: OffsetDateTime,
}

impl User {
    /// Returns the fields that differ in `after`.
    pub fn diff(&self, after: &Self) -> Diff {
        Diff::default()
            .field("name", &self.name, &after.name)
            .field("email", &self.email, &after.email)
            .field("roles", &self.roles, &after.roles)
            .field("isActive", &self.is_active, &after.is_active)
            .field("avatarUrl", &self.avatar_url, &after.avatar_url)
    }

    /// Returns everything the audit log keeps of a user that goes.
    pub fn removed(&self) -> Diff {
        Diff::removed(json!({
            "name": self.name,
            "email": self.email,
            "roles": self.roles,
            "isActive": self.is_active,
            "avatarUrl": self.avatar_url,
        }))
    }
}

/// A user to be.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// What the person is called.
    pub name: Name,
    /// The address.
    pub email: Email,
    /// The roles to hold.
    pub roles: RoleSet,
    /// Whether the user may sign in and act.
    pub is_active: bool,
    /// Where a picture is found.
    pub avatar_url: Option<AvatarUrl>,
}

impl NewUser {
    /// Returns everything the audit log keeps of a user that comes.
    pub fn created(&self) -> Diff {
        Diff::created(json!({
            "name": self.name,
            "email": self.email,
            "roles": self.roles,
            "isActive": self.is_active,
            "avatarUrl": self.avatar_url,
        }))
    }
}

/// Which users a list shows; all conditions hold together.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// Only active ones, or only inactive ones.
    pub is_active: Option<bool>,
    /// Only those who hold this role.
    pub role: Option<RoleName>,
    /// Only the one with this address.
    pub email: Option<Email>,
    /// Only those created at this time or later.
    pub created_from: Option<OffsetDateTime>,
    /// Only those created before this time.
    pub created_to: Option<OffsetDateTime>,
    /// Only those whose name or address contains this.
    pub search: Option<SearchTerm>,
}

/// What a list of users is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserKey {
    /// The time of creation.
    CreatedAt,
    /// The name, in the order of the database's collation.
    Name,
    /// The address, byte by byte.
    Email,
    /// The id.
    Id,
}

/// The order of a list of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserSort {
    /// What decides first; the id settles equal keys.
    pub key: UserKey,
    /// Which way.
    pub direction: Direction,
}

impl UserSort {
    const SPELLINGS: [(&str, UserKey); 4] = [
        ("createdAt", UserKey::CreatedAt),
        ("name", UserKey::Name),
        ("email", UserKey::Email),
        ("id", UserKey::Id),
    ];

    /// Checks an order: the name of a key, with `-` before it for the greatest first.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (direction, spelling) = match text.strip_prefix('-') {
            Some(rest) => (Direction::Descending, rest),
            None => (Direction::Ascending, text),
        };
        Self::SPELLINGS
            .iter()
            .find(|(known, _)| *known == spelling)
            .map(|&(_, key)| Self { key, direction })
            .ok_or_else(|| {
                Invalid::new(
                    "sort",
                    "must be createdAt, name, email or id, with '-' before it to turn the order",
                )
            })
    }

    /// Returns the order as [`UserSort::parse`] reads it.
    pub fn spelling(self) -> String {
        let sign = if self.direction == Direction::Descending {
            "-"
        } else {
            ""
        };
        let name = Self::SPELLINGS
            .iter()
            .find(|(_, key)| *key == self.key)
            .map_or("", |(spelling, _)| spelling);
        format!("{sign}{name}")
    }
}

impl Default for UserSort {
    /// Returns the newest first.
    fn default() -> Self {
        Self {
            key: UserKey::CreatedAt,
            direction: Direction::Descending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_written_as_it_is_read() {
        for text in [
            "createdAt",
            "-createdAt",
            "name",
            "-name",
            "email",
            "-email",
            "id",
            "-id",
        ] {
            assert_eq!(UserSort::parse(text).unwrap().spelling(), text);
        }
        for text in ["", "-", "--id", "password", "created_at", "id,name"] {
            assert_eq!(UserSort::parse(text).unwrap_err().code, "sort");
        }
    }
}
