//! The orders of a list of users in SQL.

use tokio_postgres::types::{ToSql, Type};
use usher_domain::{Direction, Position, User, UserKey, UserSort};

use crate::{Error, Result, row, select::Conditions};

/// An order. Where keys can be equal, the id settles it.
#[derive(Clone, Copy)]
pub(super) struct Order(pub(super) UserSort);

/// A position with its key in the type of its column.
pub(super) struct After {
    key: Box<dyn ToSql + Sync + Send>,
    id: i64,
}

impl Order {
    /// Returns the column of the key.
    pub(super) fn column(self) -> &'static str {
        match self.0.key {
            UserKey::CreatedAt => "created_at",
            UserKey::Name => "name",
            UserKey::Email => "email",
            UserKey::Id => "id",
        }
    }

    /// Returns what stands behind `order by`.
    pub(super) fn by(self) -> String {
        let (column, way) = (self.column(), self.way());
        if self.is_unique() {
            format!("{column} {way}")
        } else {
            format!("{column} {way}, id {way}")
        }
    }

    /// Returns `desc` for the greatest first.
    pub(super) fn way(self) -> &'static str {
        match self.0.direction {
            Direction::Ascending => "asc",
            Direction::Descending => "desc",
        }
    }

    /// Adds the parameters of a position, and returns the condition that a user comes after it.
    pub(super) fn after<'a>(self, conditions: &mut Conditions<'a>, after: &'a After) -> String {
        let (column, kind) = (self.column(), self.kind());
        let comparison = match self.0.direction {
            Direction::Ascending => ">",
            Direction::Descending => "<",
        };
        let key = conditions.parameter(&*after.key, kind);
        if self.is_unique() {
            return format!("{column} {comparison} {key}");
        }
        let id = conditions.parameter(&after.id, Type::INT8);
        format!("({column}, id) {comparison} ({key}, {id})")
    }

    /// Returns where a page ends with this user.
    pub(super) fn position(self, last: &User) -> Position {
        let key = match self.0.key {
            UserKey::CreatedAt => row::time_key(last.created_at),
            UserKey::Name => last.name.as_str().to_owned(),
            UserKey::Email => last.email.as_str().to_owned(),
            UserKey::Id => last.id.to_string(),
        };
        Position {
            order: self.name(),
            key,
            id: last.id.get(),
            is_early: false,
        }
    }

    /// Returns how positions name the order.
    pub(super) fn name(self) -> String {
        format!("users {}", self.0.spelling())
    }

    /// Lists show no removed users, and no two others share an address.
    fn is_unique(self) -> bool {
        matches!(self.0.key, UserKey::Email | UserKey::Id)
    }

    fn kind(self) -> Type {
        match self.0.key {
            UserKey::CreatedAt => Type::TIMESTAMPTZ,
            UserKey::Name | UserKey::Email => Type::TEXT,
            UserKey::Id => Type::INT8,
        }
    }
}

impl After {
    /// Reads the key of a position; one of another order is an error.
    pub(super) fn of(position: &Position, order: Order) -> Result<Self> {
        let unreadable = || Error::corrupt("cursor", "does not fit the order");
        let key: Box<dyn ToSql + Sync + Send> = match order.0.key {
            UserKey::CreatedAt => Box::new(row::time_of(&position.key).ok_or_else(unreadable)?),
            UserKey::Name | UserKey::Email => Box::new(position.key.clone()),
            UserKey::Id => Box::new(position.id),
        };
        Ok(Self {
            key,
            id: position.id,
        })
    }
}
