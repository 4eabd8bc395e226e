//! Whether the tables are those that Prisma makes of its schema, and what else is there that the adoption would break.

use tokio_postgres::{Client, types::Type};

use super::PLACE;
use crate::{Difference, Error, Object, Result, Snapshot};

/// The objects as Prisma makes them, a line for each: kind, name, colon, definition.
const EXPECTED: &str = include_str!("prisma.txt");

/// What was found of the tables.
pub(super) struct Shape {
    /// Whether Prisma keeps a history there; `prisma db push` makes none.
    pub(super) has_history: bool,
    /// Whether there are rows to look at, in columns that are known.
    pub(super) is_readable: bool,
    /// What is in the way, each with what to do.
    pub(super) faults: Vec<String>,
    /// What is not taken over.
    pub(super) notes: Vec<String>,
}

impl Shape {
    /// Looks at the current schema. Reads the catalog alone.
    pub(super) async fn read(client: &Client) -> Result<Self> {
        let found = Snapshot::read(client).await?;
        let has = |name: &str| found.iter().any(|(object, _)| object.to_string() == name);
        let missing: Vec<_> = ["users", "audit_logs"]
            .into_iter()
            .filter(|table| !has(&format!("table {table}")))
            .map(|table| format!("there is no table {table}: this is no database of that schema"))
            .collect();
        let mut shape = Self {
            has_history: has("table _prisma_migrations"),
            is_readable: missing.is_empty(),
            faults: missing,
            notes: Vec::new(),
        };
        if !shape.is_readable {
            return Ok(shape);
        }
        let differences = expected().differences(&found);
        // Neither that of others nor what has other columns is read.
        let is_as_expected = |difference: &Difference| match difference {
            Difference::Added { .. } => true,
            _ => !matches!(difference.object().kind.as_str(), "table" | "column"),
        };
        shape.is_readable = differences.iter().all(is_as_expected);
        shape.notes = differences.iter().filter_map(grant).collect();
        shape.faults = differences
            .iter()
            .filter(|difference| {
                !is_harmless(difference) && !belongs_to_extra(difference, &differences)
            })
            .map(fault)
            .collect();
        shape.faults.extend(around(client).await?);
        Ok(shape)
    }
}

fn expected() -> Snapshot {
    let lines = EXPECTED.lines().filter_map(|line| {
        let (object, definition) = line.split_once(':')?;
        let (kind, name) = object.split_once(' ')?;
        let object = Object {
            kind: kind.to_owned(),
            name: name.to_owned(),
        };
        Some((object, definition.trim().to_owned()))
    });
    lines.collect()
}

/// An index or a foreign key that is missing is made anew anyway; grants go with the old tables, extensions stay, and so
/// does what Prisma remembers.
fn is_harmless(difference: &Difference) -> bool {
    let Object { kind, name } = difference.object();
    let is_of_history = name == "_prisma_migrations"
        || name == "_prisma_migrations_pkey"
        || name.starts_with("_prisma_migrations.");
    let is_remade = match difference {
        Difference::Removed { definition, .. } => {
            kind == "index" || definition.starts_with("FOREIGN KEY")
        }
        _ => false,
    };
    is_of_history || is_remade || kind == "grant" || kind == "extension"
}

/// Tells whether an object belongs to a table that is itself in the way, so that it need not be named.
fn belongs_to_extra(difference: &Difference, all: &[Difference]) -> bool {
    let Difference::Added { object, definition } = difference else {
        return false;
    };
    all.iter().any(|other| match other {
        Difference::Added { object: table, .. }
            if table.kind.ends_with("table") || table.kind.ends_with("view") =>
        {
            let name = &table.name;
            object.name.starts_with(&format!("{name}."))
                || object.kind == "index" && definition.contains(&format!(" ON {name} "))
                || object.kind == "sequence" && definition.contains(&format!(", of {name}."))
        }
        _ => false,
    })
}

/// Returns what a grant on the old tables comes to.
fn grant(difference: &Difference) -> Option<String> {
    let Difference::Added { object, definition } = difference else {
        return None;
    };
    let on = object
        .name
        .strip_prefix("table ")
        .or(object.name.strip_prefix("column "))?;
    let is_taken = object.kind == "grant" && !on.starts_with("_prisma_migrations");
    is_taken.then(|| {
        format!(
            "{definition} on {} stays with the old tables: grant it anew if it is still needed",
            object.name
        )
    })
}

fn fault(difference: &Difference) -> String {
    let object = difference.object();
    match difference {
        Difference::Added { definition, .. } => match object.kind.as_str() {
            "column" => format!(
                "{object} has no place in the new schema: drop it, or keep its values in another schema"
            ),
            "index" | "constraint" | "trigger" | "rule" | "policy" | "comment" => {
                format!("{object} ({definition}) is not of that schema: drop it")
            }
            _ => format!("{object} is not of that schema: move it to another schema or drop it"),
        },
        Difference::Removed { definition, .. } => {
            format!("{object} is missing: make it as Prisma does, `{definition}`")
        }
        Difference::Changed { from, to, .. } => match to.strip_prefix(from.as_str()) {
            Some(more) if more.contains("owned by ") => {
                let owner = more.rsplit("owned by ").next().unwrap_or_default();
                format!("{object} belongs to {owner}: connect as that role")
            }
            _ if from.is_empty() => format!("{object} has `{to}`: undo that"),
            _ => format!("{object} is `{to}`: make it `{from}`, as Prisma does"),
        },
    }
}

/// Returns what of other schemas would keep to the old tables, and what the role may not do.
async fn around(client: &Client) -> Result<Vec<String>> {
    let statement = include_str!("around.sql");
    let read = async {
        let rows = client
            .query_typed(statement, &[(&PLACE, Type::TEXT)])
            .await?;
        rows.iter().map(|row| row.try_get("fault")).collect()
    };
    let faults: Result<_, tokio_postgres::Error> = read.await;
    faults.map_err(Error::database("look for what uses the old tables"))
}
