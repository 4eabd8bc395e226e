//! The statements of an adoption: the tables of Prisma step aside, the migrations make ours, the rows are copied.
//!
//! Copied and not altered in place: then the schema is by construction the one that a deploy makes. Indexes and triggers
//! are made when the rows are there, which takes a third of the time.

use refinery::{Runner, Target};
use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};

use super::{AdoptOptions, BASELINE, PLACE};
use crate::{
    Error, Migration, Migrations, Result,
    statements::{Statement, split},
};

/// Statements that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What they do, such as "copying the users".
    pub title: String,
    /// The statements.
    pub sql: String,
}

/// What becomes of the columns of a user, as expressions.
pub(super) struct Columns {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) password: &'static str,
    pub(super) roles: &'static str,
    pub(super) avatar_url: String,
}

impl Columns {
    pub(super) fn new(drops_passwords: bool) -> Self {
        let trimmed = |column: &str| format!(r"btrim({column}, E' \t\n\r\f')");
        Self {
            name: trimmed("name"),
            email: format!(r#"lower({} collate "C")"#, trimmed("email")),
            password: if drops_passwords {
                "case when starts_with(password, '$argon2') then password end"
            } else {
                "nullif(password, '')"
            },
            roles: r#"coalesce(
    nullif(array(select distinct role collate "C" from unnest(roles) as role where role is not null order by 1), '{}'),
    '{user}'
  )"#,
            avatar_url: format!("nullif({}, '')", trimmed(r#""avatarUrl""#)),
        }
    }
}

/// Returns all steps but the beginning and the end of the transaction.
pub(super) async fn steps(
    migrations: &Migrations,
    options: &AdoptOptions<'_>,
    has_history: bool,
) -> Result<Vec<Step>> {
    let mut steps = vec![lock(), aside(has_history)];
    let (made, later) = schema(migrations).await?;
    steps.extend(made);
    if options.creates_roles {
        steps.push(roles());
    }
    steps.extend([users(options), partitions(), audit_logs()]);
    steps.extend(later);
    steps.push(step(
        "gathering statistics",
        "analyze users;\nanalyze audit_logs;",
    ));
    Ok(steps)
}

fn step(title: impl Into<String>, sql: impl Into<String>) -> Step {
    Step {
        title: title.into(),
        sql: sql.into(),
    }
}

/// Takes the tables, with the settings of the transaction.
pub(super) fn lock() -> Step {
    step(
        "locking the tables",
        "set local statement_timeout = 0;
set local lock_timeout = '5s';
set local timezone = 'UTC';
lock table users, audit_logs in access exclusive mode;",
    )
}

/// Indexes, constraints and sequences go with their tables, so that all names are free.
fn aside(has_history: bool) -> Step {
    let tables = ["users", "audit_logs", "_prisma_migrations"];
    let moves = tables
        .iter()
        .filter(|table| has_history || !table.starts_with('_'));
    let moves = moves.map(|table| format!("\nalter table {table} set schema {PLACE};"));
    step(
        format!("moving the tables of Prisma to the schema {PLACE}"),
        format!("create schema {PLACE};{}", moves.collect::<String>()),
    )
}

/// Returns what the migrations do, and what of it comes after the rows.
async fn schema(migrations: &Migrations) -> Result<(Vec<Step>, Vec<Step>)> {
    let known: Vec<_> = migrations.iter().map(|each| each.step().clone()).collect();
    let mut recorder = Recorder(Vec::new());
    let runner = Runner::new(&known).set_target(Target::Version(BASELINE));
    let outcome = runner.run_async(&mut recorder).await;
    outcome.map_err(|error| Error::History(Box::new(error)))?;
    let (mut made, mut later) = (Vec::new(), Vec::new());
    let names = migrations.iter().map(Migration::name);
    let titles = names.map(|name| format!("applying {name}"));
    // The table of the history comes first.
    let titles = std::iter::once("making the history".to_owned()).chain(titles);
    for (queries, title) in recorder.0.iter().zip(titles) {
        let mut sql = String::new();
        for statement in queries.iter().flat_map(|query| split(query)) {
            let text = format!("{};\n", statement.text);
            match made_later(&statement) {
                Some(name) => later.push(step(format!("making {name}"), text)),
                None => sql += &text,
            }
        }
        made.push(step(title, sql));
    }
    Ok((made, later))
}

/// Returns the name of an index or a trigger that a statement makes.
fn made_later<'a>(statement: &'a Statement<'_>) -> Option<&'a str> {
    const STARTS: [&[&str]; 3] = [
        &["create", "index"],
        &["create", "unique", "index"],
        &["create", "trigger"],
    ];
    let start = STARTS.iter().find(|start| statement.begins(start))?;
    statement.words.get(start.len()).map(String::as_str)
}

fn roles() -> Step {
    step(
        "registering the roles that users hold",
        format!(
            "insert into roles (name, description)
select distinct role, 'Came with the users; allows nothing yet.'
from {PLACE}.users
cross join unnest(roles) as role
where role is not null
on conflict do nothing;"
        ),
    )
}

fn users(options: &AdoptOptions<'_>) -> Step {
    let Columns {
        name,
        email,
        password,
        roles,
        avatar_url,
    } = Columns::new(options.drops_passwords);
    step(
        "copying the users",
        format!(
            "insert into users (id, name, email, password, roles, is_active, avatar_url, created_at, updated_at)
select
  id,
  {name},
  {email},
  {password},
  {roles},
  \"isActive\",
  {avatar_url},
  \"createdAt\" at time zone 'UTC',
  \"updatedAt\" at time zone 'UTC'
from {PLACE}.users
order by id;
{}",
            sequence("users")
        ),
    )
}

/// The months before this one: those from it on were made by the migrations.
fn partitions() -> Step {
    step(
        "making a partition for each month",
        format!(
            "select audit_logs_make_partition(name, format('for values from (%L) to (%L)', month, month + interval '1 month'))
from (select distinct date_trunc('month', \"createdAt\" at time zone 'UTC') from {PLACE}.audit_logs) as months (month)
cross join lateral (values ('audit_logs_' || to_char(month, 'YYYY_MM'))) as named (name)
where to_regclass(name) is null;"
        ),
    )
}

fn audit_logs() -> Step {
    step(
        "copying the audit log",
        format!(
            "insert into audit_logs (id, actor_id, action, entity, entity_id, payload, created_at)
select id, \"actorId\", action, entity, \"entityId\", payload, \"createdAt\" at time zone 'UTC'
from {PLACE}.audit_logs
order by id;
{}",
            sequence("audit_logs")
        ),
    )
}

/// Ids go on behind the last one that Prisma gave, also when its row is gone.
fn sequence(table: &str) -> String {
    format!(
        "select setval(
  pg_get_serial_sequence('{table}', 'id'),
  greatest(last_value, (select max(id) from {table})),
  is_called or exists (select from {table})
)
from {PLACE}.{table}_id_seq;"
    )
}

/// Writes down what refinery would run in a database without a history.
struct Recorder(Vec<Vec<String>>);

impl AsyncTransaction for Recorder {
    type Error = std::convert::Infallible;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> Result<usize, Self::Error> {
        self.0.push(queries.map(str::to_owned).collect());
        Ok(0)
    }
}

impl AsyncQuery<Vec<refinery::Migration>> for Recorder {
    async fn query<'a>(
        &'a mut self,
        _query: &'a str,
    ) -> Result<Vec<refinery::Migration>, Self::Error> {
        Ok(Vec::new())
    }
}

impl AsyncMigrate for Recorder {}
