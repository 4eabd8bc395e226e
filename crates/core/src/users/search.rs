//! The search for users: a page of those in whose name or address a term is found, in the order of the list.
//!
//! Whatever is looked for, a page costs some thousand rows at most. The statement has four ways to find them, and tries the
//! next only when those before did not fill the page:
//!
//! 1. `glance`: the next rows of the order, out of its index alone. They are enough for what many users have.
//! 2. `rare`: when hardly any of those have the term, all users that the index of grams has for it, unless they are many.
//! 3. `narrow`: when hardly any of them meet the filters, all users who do, unless they are many.
//! 4. `walk`: on along the order. Where it has gone far enough the page ends, full or not, and its cursor goes on with the
//!    walk. So a page can be short or empty although there are more, but each gets further.

use tokio_postgres::types::Type;
use usher_domain::{Page, Position, SearchTerm, User, UserFilter, UserKey};

use super::{
    list::{ListUsers, Values, counted},
    order::{After, Order},
};
use crate::{
    Connection, Result,
    connection::Plan,
    row::{self, USER_COLUMNS},
};

/// How many rows of the order are glanced at.
const GLANCE: u32 = 500;
/// When fewer of them have the term, it is looked up in the index of grams.
const FEW: u32 = 3;
/// The most users that are sorted since the index of grams has them for the term.
const RARE: u32 = 1_500;
/// When one at most of so many of them meets the filters, all users who do are looked for.
const SAMPLE: u32 = 100;
/// The most users that are sorted since they meet the filters.
const NARROW: u32 = 1_000;
/// How many rows of the order are walked after the glance at them did not fill the page.
const REACH: u32 = 4_000;
/// How many when the page before was walked, too.
const FAR_REACH: u32 = 15_000;
/// How many of them are read from the table, since they have the term and there are filters to meet.
const HITS: u32 = 1_500;

/// The condition on users that no filter was given for.
const UNFILTERED: &str = "deleted_at is null";
/// The condition on a role. The planner shall not see which: of one that is not rare it would read the table for the first
/// thousand users, however far they are.
const ROLE: &str = "roles @> (select ?::text[])";

/// Returns a page of users who have the term.
pub(super) async fn page(
    connection: &Connection,
    request: &ListUsers,
    term: &SearchTerm,
) -> Result<Page<User>> {
    let (values, order) = (Values::of(&request.filter), Order(request.sort));
    let (text, pattern, count) = (term.as_str(), term.to_pattern(), request.limit.and_one());
    let position = request.after.as_ref();
    let after = position.map(|after| After::of(after, order)).transpose()?;

    let mut conditions = values.conditions_with(ROLE);
    let filters = conditions.text().to_owned();
    let after = after.as_ref().map_or(String::new(), |after| {
        format!("and {}", order.after(&mut conditions, after))
    });
    let parts = Parts {
        order,
        range: values.range().text().to_owned(),
        narrow_order: if request.filter.role.is_some() {
            ""
        } else {
            // The index for it answers all filters but that on the role.
            "order by created_at, id"
        },
        filters,
        after,
        goes_on: position.is_some_and(|position| position.is_early),
        term: conditions.parameter(&text, Type::TEXT),
        pattern: conditions.parameter(&pattern, Type::TEXT),
        count: conditions.parameter(&count, Type::INT8),
    };
    let (statement, parameters) = (parts.statement(), conditions.parameters());
    let rows = connection
        .rows_by(Plan::Anew, "search users", &statement, parameters)
        .await?;
    let mut users = rows.iter().map(row::user).collect::<Result<Vec<_>>>()?;
    let is_early = match rows.last() {
        Some(last) => row::get(last, "is_end")?,
        None => false,
    };
    if !is_early {
        return Ok(Page::of(users, request.limit, |last| order.position(last)));
    }
    let next = users.pop().map(|end| Position {
        is_early,
        ..order.position(&end)
    });
    Ok(Page { rows: users, next })
}

/// Returns how many users have the term and meet the filters.
pub(super) async fn count(
    connection: &Connection,
    filter: &UserFilter,
    term: &SearchTerm,
) -> Result<i64> {
    let values = Values::of(filter);
    let (text, pattern) = (term.as_str(), term.to_pattern());
    let mut conditions = values.conditions();
    let filters = conditions.text().to_owned();
    let text = conditions.parameter(&text, Type::TEXT);
    let hit = hit(&conditions.parameter(&pattern, Type::TEXT));
    let statement = format!(
        "select counted.count
        from (
          with rare as materialized ({rare})
          select case
            when (select count(*) from rare) <= {RARE} then (select count(*) from rare where is_match)
            else (select count(*) from users where {filters} and {hit})
          end
        ) as counted (count)",
        rare = rare(&text, "id", &format!("{hit} and {filters}")),
    );
    let parameters = conditions.parameters();
    let rows = connection
        .rows_by(Plan::Anew, "count found users", &statement, parameters)
        .await?;
    counted(&rows)
}

/// What the statement of a page is put together from: SQL, with parameters where values are.
struct Parts {
    order: Order,
    /// The filters on the time of creation.
    range: String,
    /// The order in which all users who meet the filters are found.
    narrow_order: &'static str,
    /// All filters.
    filters: String,
    /// `and` with the condition that users come after the page before, if there was one.
    after: String,
    /// Whether the page before was walked and ended early.
    goes_on: bool,
    term: String,
    pattern: String,
    count: String,
}

impl Parts {
    fn statement(&self) -> String {
        let (order, hit, after) = (self.order, hit(&self.pattern), &self.after);
        let (column, way, is_filtered) = (order.column(), order.way(), self.filters != UNFILTERED);
        let walked = match order.0.key {
            UserKey::CreatedAt => self.range.as_str(),
            UserKey::Name | UserKey::Email | UserKey::Id => UNFILTERED,
        };
        // The index of ids holds nothing else, so that rows are read from the table.
        let reach = if self.goes_on && order.0.key != UserKey::Id {
            FAR_REACH
        } else {
            REACH
        };
        let is_match = format!("{hit} and {filters} {after}", filters = self.filters);
        format!(
            include_str!("search.sql"),
            columns = USER_COLUMNS,
            hit = hit,
            walked = format_args!("{walked} {after}"),
            order = order.by(),
            reach = reach,
            glance = GLANCE,
            filters = self.filters,
            count = self.count,
            rare = rare(&self.term, column, &is_match),
            rare_limit = RARE,
            column = column,
            after = after,
            sample = SAMPLE,
            narrow_order = self.narrow_order,
            narrow_limit = NARROW,
            goes_on = self.goes_on,
            few = FEW,
            is_filtered = is_filtered,
            hit_limit = if is_filtered { HITS } else { reach },
            key_order = format_args!("key {way}, id {way}"),
        )
    }
}

/// Returns the condition that a user has the term of a pattern.
fn hit(pattern: &str) -> String {
    format!("(lower(name) like lower({pattern}) or email like lower({pattern}))")
}

/// Returns the query of all users that the index of grams has for a term, or of one too many.
fn rare(term: &str, column: &str, is_match: &str) -> String {
    format!(
        "
    select found.*
    from user_search_steps({term}) as step
    cross join lateral (
      select
        id,
        {column} as key,
        {is_match} as is_match
      from users
      where user_grams(id, name, email) @@ step
        and deleted_at is null
    ) as found
    limit {RARE} + 1
  "
    )
}
