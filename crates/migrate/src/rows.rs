//! Makes rows for every table, so that migrations are tried on a database with something in it.
//!
//! The catalog says which types, constraints and keys a table has; Postgres itself says whether a row fits. What a table
//! takes that this does not find stands in a file `rows.sql` beside a migration: it is run whenever rows are needed, from
//! that migration on until a newer one has its own.

use std::collections::BTreeSet;

use tokio_postgres::{Client, Transaction};

use self::table::Table;
use crate::{Error, Failure, Kept, Migration, Result, apply::Work, statements::split};

mod search;
mod slot;
mod table;
mod values;

/// What a row is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It has a value only where it needs one.
    Sparse,
    /// It has values everywhere.
    Usual,
    /// It has large values everywhere.
    Large,
}

/// Makes rows; each time other ones.
pub(crate) struct Maker {
    number: i64,
    random: Random,
    /// Tables that take no row. They are told and tried once.
    hopeless: BTreeSet<String>,
}

impl Maker {
    pub(crate) fn new() -> Self {
        Self {
            // Long enough for what has to have three letters.
            number: 1000,
            random: Random(1),
            hopeless: BTreeSet::new(),
        }
    }

    /// Makes one row of each kind in every table, and returns what went wrong.
    ///
    /// `by_hand` is the migration that brings rows of its own.
    pub(crate) async fn fill(
        &mut self,
        client: &mut Client,
        by_hand: Option<&Migration>,
    ) -> Result<Vec<String>> {
        let mut tables = table::read(client).await?;
        tables.retain(|table| !self.hopeless.contains(&table.name));
        let failed = || Error::database("make rows");
        let transaction = client.transaction().await.map_err(failed())?;
        let at_once = "set constraints all immediate";
        transaction.batch_execute(at_once).await.map_err(failed())?;
        if let Some(migration) = by_hand
            && let Err(failure) = run(&transaction, migration).await
        {
            return Ok(vec![failure.to_string()]);
        }
        let mut faults = Vec::new();
        for (table, reason) in self.fill_all(&transaction, tables).await? {
            if is_empty(&transaction, &table).await? {
                let name = table.name;
                faults.push(format!(
                    "no row could be made for {name}: {reason}; write some into rows.sql beside the migration"
                ));
                self.hopeless.insert(name);
            }
        }
        transaction.commit().await.map_err(failed())?;
        Ok(faults)
    }

    /// Fills tables, those that others point at before them, and returns the ones that take no row, with the reason.
    async fn fill_all(
        &mut self,
        transaction: &Transaction<'_>,
        mut pending: Vec<Table>,
    ) -> Result<Vec<(Table, String)>> {
        let mut refused = Vec::new();
        while !pending.is_empty() {
            let names: Vec<_> = pending.iter().map(|table| table.place.clone()).collect();
            let is_ready = |table: &Table| {
                let targets = table.rules.iter().filter_map(|rule| rule.target.as_ref());
                let mut others = targets.filter(|(target, _)| *target != table.place);
                others.all(|(target, _)| !names.contains(target))
            };
            let (mut ready, mut waiting): (Vec<_>, Vec<_>) =
                pending.into_iter().partition(is_ready);
            // In a circle of tables the first one is any that takes a row.
            let is_circle = ready.is_empty();
            if is_circle {
                std::mem::swap(&mut ready, &mut waiting);
            }
            let mut failed = Vec::new();
            for table in ready {
                if let Some(reason) = self.fill_table(transaction, &table).await? {
                    failed.push((table, reason));
                }
            }
            if is_circle && failed.len() < names.len() {
                waiting.extend(failed.into_iter().map(|(table, _)| table));
            } else {
                refused.extend(failed);
            }
            pending = waiting;
        }
        Ok(refused)
    }

    /// Makes the rows of one table, or returns why it takes none.
    async fn fill_table(
        &mut self,
        transaction: &Transaction<'_>,
        table: &Table,
    ) -> Result<Option<String>> {
        let mut refusal = None;
        let mut made = 0;
        for kind in [Kind::Sparse, Kind::Usual, Kind::Large] {
            self.number += 1;
            match search::insert(transaction, table, kind, self.number, &mut self.random).await? {
                None => made += 1,
                reason => refusal = reason,
            }
        }
        Ok(refusal.filter(|_| made == 0))
    }
}

/// Makes the rows that a migration brings.
async fn run(transaction: &Transaction<'_>, migration: &Migration) -> Result<(), Failure> {
    let work = Work {
        name: migration.name(),
        file: "rows.sql",
        sql: migration.rows().unwrap_or_default(),
        is_transactional: true,
        history: "",
    };
    for statement in split(work.sql) {
        let ran = transaction.batch_execute(statement.text).await;
        ran.map_err(|error| Failure::new(&work, Some(&statement), &error, Kept::Nothing))?;
    }
    Ok(())
}

async fn is_empty(transaction: &Transaction<'_>, table: &Table) -> Result<bool> {
    let statement = format!("select from {} limit 1", table.place);
    let rows = transaction.query_typed(&statement, &[]).await;
    Ok(rows.map_err(Error::database("look for rows"))?.is_empty())
}

/// Numbers that look like chance and are the same in every run.
struct Random(u64);

impl Random {
    /// Returns one of these.
    fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        // The generator of Knuth's MMIX; its high bits are the better ones.
        let (factor, summand) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.0 = self.0.wrapping_mul(factor).wrapping_add(summand);
        let length = u64::try_from(all.len()).ok().filter(|length| *length > 0)?;
        all.get(usize::try_from((self.0 >> 33) % length).ok()?)
    }
}

/// Writes a name so that it can stand in a statement.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
