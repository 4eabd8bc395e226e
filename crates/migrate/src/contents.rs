//! What is in the tables of a schema, value by value, so that it can be told what is gone.
//!
//! Read whole: it is for scratch databases.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::{Error, Loss, Object, Result, Snapshot};

/// The rows of each table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    tables: BTreeMap<String, Table>,
}

/// How many rows a table has, and how often each value stands in each of its columns; `None` is null.
#[derive(Debug, Clone, Default)]
struct Table {
    rows: i64,
    columns: BTreeMap<String, BTreeMap<Option<String>, i64>>,
}

impl Contents {
    /// Reads the current schema of a connection.
    pub(crate) async fn read(client: &Client) -> Result<Self> {
        Self::try_read(client)
            .await
            .map_err(Error::database("read the rows"))
    }

    async fn try_read(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let statement = "
            select
              relname::text as name,
              case relkind when 'r' then 'only ' else '' end || oid::regclass::text as place,
              array(
                select attname::text
                from pg_attribute
                where attrelid = pg_class.oid and attnum > 0 and not attisdropped
              ) as columns
            from pg_class
            where relnamespace = current_schema()::regnamespace
              and relkind in ('r', 'p')
              and not relispartition
              and relname <> 'refinery_schema_history'";
        let mut tables = BTreeMap::new();
        for row in client.query_typed(statement, &[]).await? {
            let place: String = row.try_get("place")?;
            let counting = format!("select count(*) as rows from {place}");
            let counted = client.query_typed_one(&counting, &[]).await?;
            // With names that no column has.
            let listing = format!(
                r#"select "the key" as key, "the value" as value, count(*) as count
                from {place} as "the row", jsonb_each_text(to_jsonb("the row")) as pair ("the key", "the value")
                group by 1, 2"#
            );
            let columns: Vec<String> = row.try_get("columns")?;
            let columns = columns.into_iter().map(|column| (column, BTreeMap::new()));
            let mut columns: BTreeMap<String, BTreeMap<_, _>> = columns.collect();
            for row in client.query_typed(&listing, &[]).await? {
                let values = columns.entry(row.try_get("key")?).or_default();
                values.insert(row.try_get("value")?, row.try_get("count")?);
            }
            let rows = counted.try_get("rows")?;
            tables.insert(row.try_get("name")?, Table { rows, columns });
        }
        Ok(Self { tables })
    }

    /// Returns the number of rows of each table.
    pub(crate) fn rows(&self) -> BTreeMap<String, i64> {
        let tables = self.tables.iter();
        tables
            .map(|(name, table)| (name.clone(), table.rows))
            .collect()
    }

    /// Adds what came in between two other states, to the tables and columns that are here.
    pub(crate) fn grow(&mut self, from: &Self, to: &Self) {
        for (name, table) in &mut self.tables {
            let (Some(from), Some(to)) = (from.tables.get(name), to.tables.get(name)) else {
                continue;
            };
            table.rows += to.rows - from.rows;
            for (name, values) in &mut table.columns {
                let (Some(from), Some(to)) = (from.columns.get(name), to.columns.get(name)) else {
                    continue;
                };
                for (value, count) in to {
                    *values.entry(value.clone()).or_default() += count;
                }
                for (value, count) in from {
                    *values.entry(value.clone()).or_default() -= count;
                }
            }
        }
    }

    /// Returns what of this is no longer there in a later state of the same schema: rows, and values other than null
    /// beyond those of the rows.
    pub(crate) fn missing(&self, later: &Self) -> Vec<Loss> {
        let mut losses = Vec::new();
        let nothing = Table::default();
        for (name, table) in &self.tables {
            let left = later.tables.get(name).unwrap_or(&nothing);
            let rows = (table.rows - left.rows).max(0);
            losses.extend(loss("table", name.clone(), rows));
            for (column, values) in &table.columns {
                let left = left.columns.get(column);
                let gone =
                    values
                        .iter()
                        .filter(|(value, _)| value.is_some())
                        .map(|(value, count)| {
                            let left = left.and_then(|left| left.get(value)).unwrap_or(&0);
                            (count - left).max(0)
                        });
                let gone: i64 = gone.sum();
                if gone > rows {
                    losses.extend(loss("column", format!("{name}.{column}"), gone));
                }
            }
        }
        losses
    }

    /// Returns what of this is lost with the tables and columns that another schema does not have. The columns of a table
    /// that is lost are not told.
    pub(crate) fn without(&self, here: &Snapshot, there: &Snapshot) -> Vec<Loss> {
        let mut losses = Vec::new();
        for difference in here.differences(there) {
            let crate::Difference::Removed { object, .. } = difference else {
                continue;
            };
            let is_kept = |table: &str| {
                let table = Object {
                    kind: "table".to_owned(),
                    name: table.to_owned(),
                };
                there.iter().any(|(object, _)| *object == table)
            };
            match (object.kind.as_str(), object.name.split_once('.')) {
                ("table", _) => {
                    let table = self.tables.get(&object.name);
                    losses.extend(table.and_then(|table| loss("table", object.name, table.rows)));
                }
                ("column", Some((table, column))) if is_kept(table) => {
                    let values = self
                        .tables
                        .get(table)
                        .and_then(|table| table.columns.get(column));
                    let values = values
                        .into_iter()
                        .flatten()
                        .filter(|(value, _)| value.is_some());
                    let count = values.map(|(_, count)| count).sum();
                    losses.extend(loss("column", object.name.clone(), count));
                }
                _ => {}
            }
        }
        losses
    }
}

fn loss(kind: &str, name: String, rows: i64) -> Option<Loss> {
    let kind = kind.to_owned();
    let object = Object { kind, name };
    (rows > 0).then_some(Loss {
        object,
        rows: Some(rows),
    })
}
