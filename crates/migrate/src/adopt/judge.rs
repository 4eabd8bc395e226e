//! What is wrong with single users, by rules that are not known here: those of the types that read them later.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Row, types::Type};

use super::{AdoptOptions, rows::Found, script::Columns};
use crate::Result;

/// How many users are read at a time, and after how many that is told.
const PAGE: i64 = 20_000;
const TOLD: usize = 100_000;

/// A user as the adoption would write it.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// The name without space around it.
    pub name: &'a str,
    /// The address in lower case.
    pub email: &'a str,
    /// The hash of the password; an account may have none.
    pub password: Option<&'a str>,
    /// The names of the roles held, at least one.
    pub roles: Vec<&'a str>,
    /// Where a picture is found.
    pub avatar_url: Option<&'a str>,
}

/// What is wrong with a user: the column, the rule, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Objection {
    /// The column as Prisma has it.
    pub column: &'static str,
    /// What has to be true of it.
    pub rule: String,
}

/// Returns what the judge objects to, and in whom.
pub(super) async fn judge(
    client: &Client,
    columns: &Columns,
    options: &AdoptOptions<'_>,
) -> Result<BTreeMap<Objection, Found>, tokio_postgres::Error> {
    let Columns {
        name,
        email,
        password,
        roles,
        avatar_url,
    } = columns;
    let statement = format!(
        r#"
        select
          id::bigint as id,
          {name} as name,
          {email} as email,
          {password} as password,
          {roles} as roles,
          {avatar_url} as "avatarUrl"
        from users
        where users.id > $1
        order by users.id
        limit {PAGE}"#
    );
    let mut all: BTreeMap<_, Found> = BTreeMap::new();
    let (mut last, mut checked) = (i64::MIN, 0);
    loop {
        let rows = client
            .query_typed(&statement, &[(&last, Type::INT8)])
            .await?;
        for row in &rows {
            last = row.try_get("id")?;
            for objection in (options.judge)(&candidate(row)?) {
                all.entry(objection).or_default().add(last);
            }
        }
        checked += rows.len();
        if rows.is_empty() {
            return Ok(all);
        }
        if checked % TOLD == 0 {
            (options.progress)(&format!("  {checked} users are checked"));
        }
    }
}

fn candidate(row: &Row) -> Result<Candidate<'_>, tokio_postgres::Error> {
    Ok(Candidate {
        name: row.try_get("name")?,
        email: row.try_get("email")?,
        password: row.try_get("password")?,
        roles: row.try_get("roles")?,
        avatar_url: row.try_get("avatarUrl")?,
    })
}
