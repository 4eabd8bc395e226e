//! A table as far as it matters for making rows: its columns, and what a row can offend against.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Row};

use crate::{Error, Result};

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name as it is.
    pub(super) name: String,
    /// Its name as it is written in a statement.
    pub(super) place: String,
    pub(super) columns: Vec<Column>,
    pub(super) rules: Vec<Rule>,
}

/// A column, with all that is known of its values.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// The type as it is written in a statement.
    pub(super) kind: String,
    /// The name of the type below domains and arrays.
    pub(super) base: String,
    pub(super) is_array: bool,
    /// The values of an enum.
    pub(super) labels: Vec<String>,
    pub(super) is_required: bool,
    pub(super) default: Default,
    /// The definitions of the constraints that name it.
    pub(super) hints: Vec<String>,
}

/// What a column is when nothing is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Default {
    /// Null.
    None,
    /// A value.
    Value,
    /// The next number of a counter, which other values would disturb.
    Counter,
}

/// A constraint or a unique index.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    /// The table and the columns that a foreign key points at.
    pub(super) target: Option<(String, Vec<String>)>,
}

/// Reads the tables of the current schema: whole ones, not what extensions own.
pub(super) async fn read(client: &Client) -> Result<Vec<Table>> {
    let failed = || Error::database("read the tables");
    let rows = client.query_typed(include_str!("columns.sql"), &[]).await;
    let rows = rows.map_err(failed())?;
    let mut tables: Vec<Table> = Vec::new();
    for row in &rows {
        let place: String = row.try_get("place").map_err(failed())?;
        if tables.last().is_none_or(|table| table.place != place) {
            tables.push(Table {
                name: row.try_get("name").map_err(failed())?,
                place,
                columns: Vec::new(),
                rules: Vec::new(),
            });
        }
        if let Some(table) = tables.last_mut() {
            table.columns.push(column(row).map_err(failed())?);
        }
    }
    let rows = client.query_typed(include_str!("rules.sql"), &[]).await;
    let mut rules: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
    for row in &rows.map_err(failed())? {
        let place = row.try_get("place").map_err(failed())?;
        let rule = rule(row).map_err(failed())?;
        rules.entry(place).or_default().push(rule);
    }
    for table in &mut tables {
        table.rules = rules.remove(&table.place).unwrap_or_default();
    }
    Ok(tables)
}

fn column(row: &Row) -> Result<Column, tokio_postgres::Error> {
    Ok(Column {
        name: row.try_get("column")?,
        kind: row.try_get("type")?,
        base: row.try_get("base")?,
        is_array: row.try_get("is_array")?,
        labels: row.try_get("labels")?,
        is_required: row.try_get("is_required")?,
        default: match (row.try_get("has_default")?, row.try_get("is_counted")?) {
            (_, true) => Default::Counter,
            (true, _) => Default::Value,
            _ => Default::None,
        },
        hints: row.try_get("hints")?,
    })
}

fn rule(row: &Row) -> Result<Rule, tokio_postgres::Error> {
    let target: Option<String> = row.try_get("target")?;
    let target_columns = row.try_get("target_columns")?;
    Ok(Rule {
        name: row.try_get("name")?,
        columns: row.try_get("columns")?,
        target: target.map(|target| (target, target_columns)),
    })
}
