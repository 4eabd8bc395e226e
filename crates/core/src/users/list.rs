//! Lists of users: walked by the key they are sorted by, so that the last page costs what the first does.

use time::OffsetDateTime;
use tokio_postgres::types::{ToSql, Type};
use usher_domain::{Direction, Limit, Page, Position, User, UserFilter, UserKey, UserSort};

use crate::{
    Connection, Error, Result,
    row::{self, USER_COLUMNS},
    select::Conditions,
};

/// Which users, in which order, how many, and from where on.
#[derive(Clone, Debug)]
pub struct ListUsers {
    /// The conditions.
    pub filter: UserFilter,
    /// The order.
    pub sort: UserSort,
    /// The most users of the page.
    pub limit: Limit,
    /// Where the page before ended; a position of another order is an error of the caller.
    pub after: Option<Position>,
}

/// How a list is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Row by row.
    Exact,
    /// As the planner guesses, at no cost.
    Estimated,
}

/// Returns a page of users.
pub async fn list(connection: &Connection, request: &ListUsers) -> Result<Page<User>> {
    let ListUsers {
        filter,
        sort,
        limit,
        after,
    } = request;
    let values = Values::of(filter);
    let after = after
        .as_ref()
        .map(|position| After::of(position, sort.key))
        .transpose()?;
    let mut conditions = values.conditions();
    let (column, way, comparison) = (
        column(sort.key),
        way(sort.direction),
        comparison(sort.direction),
    );
    if let Some(After { key, id }) = &after {
        let (key, id) = (
            conditions.parameter(&**key, kind(sort.key)),
            conditions.parameter(id, Type::INT8),
        );
        conditions.and_text(&format!("({column}, id) {comparison} ({key}, {id})"));
    }
    let limit_and_one = limit.and_one();
    let count = conditions.parameter(&limit_and_one, Type::INT8);
    let statement = format!(
        "select {USER_COLUMNS}
        from users
        where {conditions}
        order by {column} {way}, id {way}
        limit {count}",
        conditions = conditions.text(),
    );
    let rows = connection
        .rows("list users", &statement, conditions.parameters())
        .await?;
    let users = rows.iter().map(row::user).collect::<Result<Vec<_>>>()?;
    Ok(Page::of(users, *limit, |last| position(*sort, last)))
}

/// Returns how many users meet the conditions.
pub async fn count(connection: &Connection, filter: &UserFilter, count: Count) -> Result<i64> {
    let values = Values::of(filter);
    let conditions = values.conditions();
    let (select, context) = match count {
        Count::Exact => ("select count(*) as count", "count users"),
        Count::Estimated => ("explain (format json) select", "estimate users"),
    };
    let statement = format!("{select} from users where {}", conditions.text());
    let row = connection
        .row(context, &statement, conditions.parameters())
        .await?;
    let row = row.ok_or_else(|| Error::corrupt("count", "is missing"))?;
    if count == Count::Exact {
        return row::get(&row, "count");
    }
    let plan: serde_json::Value = row::get(&row, "QUERY PLAN")?;
    plan.pointer("/0/Plan/Plan Rows")
        .and_then(serde_json::Value::as_i64)
        .ok_or_else(|| Error::corrupt("QUERY PLAN", "has no row count"))
}

fn position(sort: UserSort, last: &User) -> Position {
    let key = match sort.key {
        UserKey::CreatedAt => row::time_key(last.created_at),
        UserKey::Name => last.name.as_str().to_owned(),
        UserKey::Email => last.email.as_str().to_owned(),
        UserKey::Id => last.id.to_string(),
    };
    Position {
        order: order(sort),
        key,
        id: last.id.get(),
    }
}

impl ListUsers {
    /// Names the order in positions of this list.
    pub fn order(sort: UserSort) -> String {
        order(sort)
    }
}

fn order(sort: UserSort) -> String {
    format!("users {}", sort.spelling())
}

fn column(key: UserKey) -> &'static str {
    match key {
        UserKey::CreatedAt => "created_at",
        UserKey::Name => "name",
        UserKey::Email => "email",
        UserKey::Id => "id",
    }
}

fn kind(key: UserKey) -> Type {
    match key {
        UserKey::CreatedAt => Type::TIMESTAMPTZ,
        UserKey::Name | UserKey::Email => Type::TEXT,
        UserKey::Id => Type::INT8,
    }
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => "asc",
        Direction::Descending => "desc",
    }
}

fn comparison(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => ">",
        Direction::Descending => "<",
    }
}

/// A position with its key in the type of its column.
struct After {
    key: Box<dyn ToSql + Sync + Send>,
    id: i64,
}

impl After {
    fn of(position: &Position, key: UserKey) -> Result<Self> {
        let unreadable = || Error::corrupt("cursor", "does not fit the order");
        let key: Box<dyn ToSql + Sync + Send> = match key {
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

/// The values of a filter as they are sent.
struct Values<'a> {
    is_active: Option<bool>,
    role: Option<Vec<&'a str>>,
    email: Option<&'a str>,
    created_from: Option<OffsetDateTime>,
    created_to: Option<OffsetDateTime>,
    pattern: Option<String>,
}

impl<'a> Values<'a> {
    fn of(filter: &'a UserFilter) -> Self {
        Self {
            is_active: filter.is_active,
            role: filter.role.as_ref().map(|role| vec![role.as_str()]),
            email: filter.email.as_ref().map(usher_domain::Email::as_str),
            created_from: filter.created_from,
            created_to: filter.created_to,
            pattern: filter
                .search
                .as_ref()
                .map(usher_domain::SearchTerm::to_pattern),
        }
    }

    fn conditions(&self) -> Conditions<'_> {
        let mut conditions = Conditions::new("deleted_at is null");
        conditions.and("is_active = ?", self.is_active.as_ref(), Type::BOOL);
        conditions.and("roles @> ?", self.role.as_ref(), Type::TEXT_ARRAY);
        conditions.and("email = ?", self.email.as_ref(), Type::TEXT);
        conditions.and(
            "created_at >= ?",
            self.created_from.as_ref(),
            Type::TIMESTAMPTZ,
        );
        conditions.and(
            "created_at < ?",
            self.created_to.as_ref(),
            Type::TIMESTAMPTZ,
        );
        conditions.and(
            "(name ilike ? or email ilike ?)",
            self.pattern.as_ref(),
            Type::TEXT,
        );
        conditions
    }
}
