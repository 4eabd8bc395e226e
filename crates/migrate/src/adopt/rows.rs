//! Whether every row can be taken over: what our constraints and types refuse is named before anything is changed.

use tokio_postgres::{Client, Row, types::Type};

use super::{
    AdoptOptions, Survey,
    judge::{Objection, judge},
    script::Columns,
};
use crate::{Error, Result};

/// The roles that the migrations register.
const REGISTERED: [&str; 3] = ["admin", "auditor", "user"];

/// Who could do everything at once.
const ADMINS: &str = r#""isActive" and roles @> '{admin}'"#;

/// Only without the foreign key can there be such an entry.
const ACTORLESS: &str =
    r#""actorId" is not null and not exists (select from users where users.id = "actorId")"#;

/// How many ids a fault names.
const NAMED: usize = 5;

/// Looks at every row.
pub(super) async fn look(
    client: &Client,
    options: &AdoptOptions<'_>,
    survey: &mut Survey,
) -> Result<()> {
    let columns = Columns::new(options.drops_passwords);
    let counted = count(client, &columns, survey).await;
    counted.map_err(Error::database("count the rows"))?;
    (options.progress)(&format!("checking {survey}"));
    let judged = judge(client, &columns, options).await;
    for (Objection { column, rule }, found) in judged.map_err(Error::database("check the users"))? {
        survey
            .faults
            .push(format!("{column} {rule}: {}", found.write("user")));
    }
    let refused = refused(client, &columns).await;
    survey
        .faults
        .extend(refused.map_err(Error::database("check the rows"))?);
    let roles = unknown_roles(client).await;
    for (role, number) in roles.map_err(Error::database("check the roles"))? {
        let holders = many(number, "user");
        if options.creates_roles {
            let note = format!("the role {role} is registered and allows nothing yet: {holders}");
            survey.notes.push(note);
        } else {
            survey.faults.push(format!(
                "the role {role} is not known here, take it away or use --create-roles to register it without permissions: \
                 {holders}"
            ));
        }
    }
    Ok(())
}

/// Counts the rows, and tells what of the users will be another way than it was.
async fn count(
    client: &Client,
    columns: &Columns,
    survey: &mut Survey,
) -> Result<(), tokio_postgres::Error> {
    let changes = changes(columns);
    let counts: Vec<_> = changes
        .iter()
        .map(|(condition, _)| format!("count(*) filter (where {condition})"))
        .collect();
    let statement = format!(
        r#"
        select
          count(*) as users,
          (select count(*) from audit_logs) as audit_logs,
          (select count(distinct date_trunc('month', "createdAt")) from audit_logs) as months,
          array[{}] as changes
        from users"#,
        counts.join(", ")
    );
    let row = client.query_typed_one(&statement, &[]).await?;
    survey.users = row.try_get("users")?;
    survey.audit_logs = row.try_get("audit_logs")?;
    survey.months = row.try_get("months")?;
    let counts: Vec<i64> = row.try_get("changes")?;
    for ((condition, change), number) in changes.iter().zip(counts) {
        if number > 0 {
            survey
                .notes
                .push(format!("{change}: {}", many(number, "user")));
        } else if condition == ADMINS {
            let note = "no active user holds the role admin: `usher seed` makes one afterwards";
            survey.notes.push(note.to_owned());
        }
    }
    Ok(())
}

/// Returns what becomes another way than it was, each with the condition that finds it.
fn changes(columns: &Columns) -> [(String, &'static str); 7] {
    let Columns {
        name,
        email,
        password,
        ..
    } = columns;
    [
        (
            format!("name <> {name}"),
            "space around the name is taken away",
        ),
        (
            format!("email <> {email}"),
            "the address is put in lower case, without space around",
        ),
        (
            format!("password <> '' and {password} is null"),
            "the password is no argon2 hash and is left out, so that another one is needed",
        ),
        (
            "password = ''".to_owned(),
            "the password is empty, and there will be none",
        ),
        (
            "not exists (select from unnest(roles) as role where role is not null)".to_owned(),
            "no role is held, and the role user is given, which allows nothing",
        ),
        (
            "btrim(\"avatarUrl\") = ''".to_owned(),
            "the avatar URL is empty, and there will be none",
        ),
        (ADMINS.to_owned(), "an active admin may do everything"),
    ]
}

/// Returns what no user can be judged by alone, and what is wrong with audit entries.
async fn refused(client: &Client, columns: &Columns) -> Result<Vec<String>, tokio_postgres::Error> {
    let mut faults = Vec::new();
    for (one, condition, fault) in rules(columns) {
        let table = if one == "user" { "users" } else { "audit_logs" };
        let statement = format!(
            "select count(*) as number, coalesce((array_agg(id::bigint order by id))[:{NAMED}], '{{}}') as first
            from {table}
            where {condition}"
        );
        let row = client.query_typed_one(&statement, &[]).await?;
        let found = Found {
            number: row.try_get("number")?,
            first: row.try_get("first")?,
        };
        if found.number > 0 {
            faults.push(format!("{fault}: {}", found.write(one)));
        }
    }
    Ok(faults)
}

/// Returns what no row may be, with the condition that finds it.
fn rules(columns: &Columns) -> [(&'static str, String, &'static str); 8] {
    let email = &columns.email;
    let shared = format!("{email} in (select {email} from users group by 1 having count(*) > 1)");
    let timeless = |column: &str| format!("\"{column}\" not between '0001-01-01' and '9999-12-31'");
    [
        (
            "user",
            "id < 1".to_owned(),
            "the id has to be 1 or more, give another one",
        ),
        (
            "user",
            shared,
            "the address is that of another user but for its case, change it or remove the user",
        ),
        (
            "user",
            timeless("createdAt"),
            "createdAt is no time that can be written, correct it",
        ),
        (
            "user",
            timeless("updatedAt"),
            "updatedAt is no time that can be written, correct it",
        ),
        (
            "audit entry",
            timeless("createdAt"),
            "createdAt is no time that can be written, correct it",
        ),
        (
            "audit entry",
            "action = ''".to_owned(),
            "the action is empty, correct it",
        ),
        (
            "audit entry",
            "entity = ''".to_owned(),
            "the entity is empty, correct it",
        ),
        (
            "audit entry",
            ACTORLESS.to_owned(),
            "the actor is no user who is there, set actorId to null",
        ),
    ]
}

/// Returns the roles that the migrations do not register, with the number of their holders.
async fn unknown_roles(client: &Client) -> Result<Vec<(String, i64)>, tokio_postgres::Error> {
    let statement = "
        select role, count(*) as number
        from users
        cross join unnest(roles) as role
        where role <> all ($1)
        group by role
        order by role";
    let known = REGISTERED.as_slice();
    let rows = client
        .query_typed(statement, &[(&known, Type::TEXT_ARRAY)])
        .await?;
    let read = |row: &Row| Ok((row.try_get("role")?, row.try_get("number")?));
    rows.iter().map(read).collect()
}

/// Rows that something is true of.
#[derive(Default)]
pub(super) struct Found {
    number: i64,
    /// The first ids.
    first: Vec<i64>,
}

impl Found {
    /// Adds a row.
    pub(super) fn add(&mut self, id: i64) {
        self.number += 1;
        if self.first.len() < NAMED {
            self.first.push(id);
        }
    }

    fn write(&self, one: &str) -> String {
        let ids: Vec<_> = self.first.iter().map(ToString::to_string).collect();
        let is_all = usize::try_from(self.number).is_ok_and(|number| number == ids.len());
        let more = if is_all { "" } else { ", …" };
        format!("{} (id {}{more})", many(self.number, one), ids.join(", "))
    }
}

/// Writes a number of things, such as `3 users`.
pub(super) fn many(number: i64, one: &str) -> String {
    match (number, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {one}s"),
    }
}
