//! The questions to the database whose answers somebody has to look at.
//!
//! Each is a statement that returns an object, what is to be said of it, and what to do about it, or null when nothing is
//! to be done.

use anyhow::{Context, Result};
use tokio_postgres::{
    Client,
    types::{ToSql, Type},
};
use usher_migrate::Migrations;

use super::report::Report;
use crate::output::tell;

/// One question.
struct Check {
    name: &'static str,
    statement: &'static str,
    /// What it means when nothing is returned.
    fine: &'static str,
    /// Whether what usher itself made is left out: it was made with its statements in mind.
    spares_own: bool,
}

const CHECKS: [Check; 10] = [
    check(
        "partitions",
        include_str!("checks/partitions.sql"),
        "the coming months have theirs, and the default one is empty",
    ),
    check(
        "bloat",
        include_str!("checks/bloat.sql"),
        "no table or index is half empty",
    ),
    check(
        "dead-rows",
        include_str!("checks/dead_rows.sql"),
        "autovacuum clears away what was changed",
    ),
    spares_own(
        "unused-index",
        include_str!("checks/unused_indexes.sql"),
        "every index is used, or small",
    ),
    check(
        "missing-index",
        include_str!("checks/missing_indexes.sql"),
        "no large table is often read as a whole",
    ),
    spares_own(
        "foreign-key",
        include_str!("checks/foreign_keys.sql"),
        "every foreign key has an index",
    ),
    check(
        "invalid-index",
        include_str!("checks/invalid_indexes.sql"),
        "every index is valid",
    ),
    check("connections", include_str!("checks/connections.sql"), ""),
    check(
        "open-transaction",
        include_str!("checks/idle_transactions.sql"),
        "none waits for its client",
    ),
    check(
        "transaction-ids",
        include_str!("checks/transaction_ids.sql"),
        "",
    ),
];

const fn check(name: &'static str, statement: &'static str, fine: &'static str) -> Check {
    Check {
        name,
        statement,
        fine,
        spares_own: false,
    }
}

const fn spares_own(name: &'static str, statement: &'static str, fine: &'static str) -> Check {
    Check {
        name,
        statement,
        fine,
        spares_own: true,
    }
}

/// Asks every question. `idle` is for how many seconds a transaction may wait for its client.
pub(super) async fn run(client: &Client, idle: u32, report: &mut Report) -> Result<()> {
    let migrations = Migrations::embedded()?;
    let idle = f64::from(idle);
    tell("looking at the catalog");
    for check in &CHECKS {
        let parameters: &[(&(dyn ToSql + Sync), Type)] = &[(&idle, Type::FLOAT8)];
        let takes = usize::from(check.statement.contains("$1"));
        let rows = client
            .query_typed(check.statement, &parameters[..takes])
            .await
            .with_context(|| format!("cannot look at {}", check.name))?;
        let mut is_fine = true;
        for row in rows {
            let object: String = row.try_get("object")?;
            if check.spares_own && is_own(&migrations, &object) {
                continue;
            }
            is_fine = false;
            report.found(
                check.name,
                object,
                row.try_get("what")?,
                row.try_get("advice")?,
            );
        }
        if is_fine {
            report.ok(check.name, check.fine);
        }
    }
    Ok(())
}

/// Tells whether a name is in the migrations of this product.
fn is_own(migrations: &Migrations, name: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    migrations.iter().any(|migration| {
        let mut words = migration.sql().split(|letter| !is_part(letter));
        words.any(|word| word == name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_migrations_name_is_own() {
        let migrations = Migrations::embedded().unwrap();
        assert!(is_own(&migrations, "users_search_idx"));
        assert!(is_own(&migrations, "sessions_user_id_fkey"));
        assert!(!is_own(&migrations, "users_search"));
    }
}
