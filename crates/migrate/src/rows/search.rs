//! Looks for values that a table takes: tries some, and changes one of those that Postgres objects to, at random.

use tokio_postgres::{Transaction, error::DbError};

use super::{
    Kind, Random, quote,
    slot::{Slot, slots},
    table::Table,
};
use crate::{Error, Result};

/// How often a row is tried.
const TRIES: u32 = 400;

/// Makes one row, or returns why it cannot be made.
pub(super) async fn insert(
    transaction: &Transaction<'_>,
    table: &Table,
    kind: Kind,
    number: i64,
    random: &mut Random,
) -> Result<Option<String>> {
    let mut slots = slots(transaction, table, kind, number).await?;
    let mut reason = "nothing fits".to_owned();
    for round in 0..TRIES {
        if let Some(slot) = slots.iter().find(|slot| slot.values().is_empty()) {
            return Ok(Some(format!(
                "there is no value for {}",
                slot.columns.join(", ")
            )));
        }
        let Some(refusal) = attempt(transaction, &insertion(table, &slots)).await? else {
            return Ok(None);
        };
        reason = refusal.message().to_owned();
        if is_about_types(&refusal) && forget_impossible(transaction, &mut slots).await? {
            continue;
        }
        let blamed = blamed(table, &refusal, &slots);
        let Some(slot) = random.pick(&blamed).and_then(|place| slots.get_mut(*place)) else {
            break;
        };
        // At first it has no less than its kind says.
        slot.change(kind == Kind::Sparse || round > TRIES / 2, random);
    }
    Ok(Some(reason))
}

fn insertion(table: &Table, slots: &[Slot<'_>]) -> String {
    let columns = slots.iter().flat_map(|slot| &slot.columns);
    let columns: Vec<_> = columns.map(|name| quote(name)).collect();
    let values: Vec<_> = slots
        .iter()
        .flat_map(Slot::values)
        .map(String::as_str)
        .collect();
    let (columns, values) = (columns.join(", "), values.join(", "));
    format!("insert into {} ({columns}) values ({values})", table.place)
}

/// Runs a statement, and returns what the server had against it.
async fn attempt(transaction: &Transaction<'_>, statement: &str) -> Result<Option<DbError>> {
    let failed = || Error::database("make a row");
    let whole = format!("savepoint usher_row; {statement}; release savepoint usher_row");
    let Err(error) = transaction.batch_execute(&whole).await else {
        return Ok(None);
    };
    let Some(refusal) = error.as_db_error().cloned() else {
        return Err(failed()(error));
    };
    let back = "rollback to savepoint usher_row; release savepoint usher_row";
    transaction.batch_execute(back).await.map_err(failed())?;
    Ok(Some(refusal))
}

/// Returns whether a value may be none of its type: the class of the error is that of data or of what is written, or the
/// check is that of a domain.
fn is_about_types(refusal: &DbError) -> bool {
    let mut classes = ["22", "42"].into_iter();
    refusal.datatype().is_some() || classes.any(|class| refusal.code().code().starts_with(class))
}

/// Forgets chosen values that are none of their types, and returns whether there were any.
async fn forget_impossible(transaction: &Transaction<'_>, slots: &mut [Slot<'_>]) -> Result<bool> {
    let mut has_forgotten = false;
    for slot in slots {
        let expressions: Vec<_> = slot.expressions().collect();
        let statement = format!("select {}", expressions.join(", "));
        if attempt(transaction, &statement).await?.is_some() {
            slot.forget();
            has_forgotten = true;
        }
    }
    Ok(has_forgotten)
}

/// Returns the places of what a change may help: the columns that the error is about, or else all.
fn blamed(table: &Table, refusal: &DbError, slots: &[Slot<'_>]) -> Vec<usize> {
    let rule = table
        .rules
        .iter()
        .find(|rule| refusal.constraint() == Some(&rule.name));
    let is_named = |column: &str| match rule {
        Some(rule) => rule.columns.iter().any(|name| name == column),
        None => refusal.column() == Some(column),
    };
    let changeable = || {
        slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.can_change())
    };
    let named = changeable().filter(|(_, slot)| slot.columns.iter().any(|column| is_named(column)));
    let named: Vec<_> = named.map(|(place, _)| place).collect();
    if named.is_empty() {
        return changeable().map(|(place, _)| place).collect();
    }
    named
}
