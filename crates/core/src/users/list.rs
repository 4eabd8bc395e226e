//! Lists of users: walked by the key they are sorted by, so that the last page costs what the first does.

use time::OffsetDateTime;
use tokio_postgres::{Row, types::Type};
use usher_domain::{Limit, Page, Position, User, UserFilter, UserSort};

use super::{
    order::{After, Order},
    search,
};
use crate::{
    Connection, Error, Result,
    connection::Plan,
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

impl ListUsers {
    /// Names the order in positions of this list.
    pub fn order(sort: UserSort) -> String {
        Order(sort).name()
    }
}

/// Returns a page of users.
pub async fn list(connection: &Connection, request: &ListUsers) -> Result<Page<User>> {
    if let Some(term) = &request.filter.search {
        return search::page(connection, request, term).await;
    }
    let (values, order) = (Values::of(&request.filter), Order(request.sort));
    let mut conditions = values.conditions();
    let after = request.after.as_ref();
    let after = after.map(|after| After::of(after, order)).transpose()?;
    if let Some(after) = &after {
        let condition = order.after(&mut conditions, after);
        conditions.and_text(&condition);
    }
    // A plan that is kept has to know how much is wanted of it.
    let statement = format!(
        "select {USER_COLUMNS}
        from users
        where {conditions}
        order by {order}
        limit {count}",
        conditions = conditions.text(),
        order = order.by(),
        count = request.limit.and_one(),
    );
    let parameters = conditions.parameters();
    let rows = connection
        .rows_by(values.plan(), "list users", &statement, parameters)
        .await?;
    let users = rows.iter().map(row::user).collect::<Result<Vec<_>>>()?;
    Ok(Page::of(users, request.limit, |last| order.position(last)))
}

/// Returns how many users meet the conditions.
pub async fn count(connection: &Connection, filter: &UserFilter, count: Count) -> Result<i64> {
    match count {
        Count::Exact => count_exactly(connection, filter).await,
        Count::Estimated => estimate(connection, filter).await,
    }
}

async fn count_exactly(connection: &Connection, filter: &UserFilter) -> Result<i64> {
    if let Some(term) = &filter.search {
        return search::count(connection, filter, term).await;
    }
    let values = Values::of(filter);
    let conditions = values.conditions();
    let statement = format!(
        "select count(*) as count from users where {}",
        conditions.text()
    );
    let parameters = conditions.parameters();
    let rows = connection
        .rows_by(Plan::Anew, "count users", &statement, parameters)
        .await?;
    counted(&rows)
}

/// Reads the column `count` of a statement that always returns a row.
pub(super) fn counted(rows: &[Row]) -> Result<i64> {
    let row = rows.first();
    row::get(
        row.ok_or_else(|| Error::corrupt("count", "is missing"))?,
        "count",
    )
}

async fn estimate(connection: &Connection, filter: &UserFilter) -> Result<i64> {
    let values = Values::of(filter);
    let mut conditions = values.conditions();
    let pattern = filter
        .search
        .as_ref()
        .map(usher_domain::SearchTerm::to_pattern);
    // What the planner has figures of: the columns as they are.
    conditions.and(
        "(name ilike ? or email ilike ?)",
        pattern.as_ref(),
        Type::TEXT,
    );
    let statement = format!(
        "explain (format json) select from users where {}",
        conditions.text()
    );
    let parameters = conditions.parameters();
    let rows = connection
        .rows_by(Plan::Anew, "estimate users", &statement, parameters)
        .await?;
    let row = rows.first();
    let row = row.ok_or_else(|| Error::corrupt("QUERY PLAN", "is missing"))?;
    let plan: serde_json::Value = row::get(row, "QUERY PLAN")?;
    plan.pointer("/0/Plan/Plan Rows")
        .and_then(serde_json::Value::as_i64)
        .ok_or_else(|| Error::corrupt("QUERY PLAN", "has no row count"))
}

/// The values of the filters as they are sent; a search is something else.
pub(super) struct Values<'a> {
    is_active: Option<bool>,
    created_from: Option<OffsetDateTime>,
    created_to: Option<OffsetDateTime>,
    role: Option<Vec<&'a str>>,
    email: Option<&'a str>,
}

impl<'a> Values<'a> {
    pub(super) fn of(filter: &'a UserFilter) -> Self {
        Self {
            is_active: filter.is_active,
            created_from: filter.created_from,
            created_to: filter.created_to,
            role: filter.role.as_ref().map(|role| vec![role.as_str()]),
            email: filter.email.as_ref().map(usher_domain::Email::as_str),
        }
    }

    /// Returns how a list is planned: by an index that all filters but that on the address leave open.
    fn plan(&self) -> Plan {
        let is_open = self.is_active.is_none()
            && self.created_from.is_none()
            && self.created_to.is_none()
            && self.role.is_none();
        if is_open { Plan::Kept } else { Plan::Anew }
    }

    /// Returns all conditions.
    pub(super) fn conditions(&self) -> Conditions<'_> {
        self.conditions_with("roles @> ?")
    }

    /// Returns all conditions, with the one on the role written as here.
    pub(super) fn conditions_with(&self, role: &str) -> Conditions<'_> {
        let mut conditions = self.range();
        conditions.and("is_active = ?", self.is_active.as_ref(), Type::BOOL);
        conditions.and(role, self.role.as_ref(), Type::TEXT_ARRAY);
        conditions.and("email = ?", self.email.as_ref(), Type::TEXT);
        conditions
    }

    /// Returns the conditions on the time of creation; all conditions begin with them.
    pub(super) fn range(&self) -> Conditions<'_> {
        let mut conditions = Conditions::new("deleted_at is null");
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
        conditions
    }
}
