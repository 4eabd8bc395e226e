//! The columns of a row that get their values together, and the values there are for them.

use tokio_postgres::Transaction;

use super::{
    Kind, Random, quote,
    table::{Default, Rule, Table},
    values::candidates,
};
use crate::{Error, Result};

/// How many rows a foreign key may choose from.
const TARGETS: u32 = 20;

const DEFAULT: &str = "default";
const NULL: &str = "null";

/// The columns of a foreign key, or one other column.
pub(super) struct Slot<'a> {
    pub(super) columns: Vec<&'a str>,
    /// Expressions, one for each column.
    choices: Vec<Vec<String>>,
    chosen: usize,
}

impl<'a> Slot<'a> {
    fn new(table: &Table, columns: Vec<&'a str>, values: Vec<Vec<String>>, kind: Kind) -> Self {
        let named = || {
            let all = table.columns.iter();
            all.filter(|column| columns.contains(&column.name.as_str()))
        };
        let mut choices = values;
        let usual = usize::from(kind == Kind::Large && choices.len() > 1);
        let mut sparse = usual;
        for (is_possible, word) in [
            (
                named().all(|column| column.default != Default::None),
                DEFAULT,
            ),
            (named().all(|column| !column.is_required), NULL),
        ] {
            if is_possible {
                sparse = choices.len();
                choices.push(vec![word.to_owned(); columns.len()]);
            }
        }
        let chosen = if kind == Kind::Sparse { sparse } else { usual };
        Self {
            columns,
            choices,
            chosen,
        }
    }

    /// Returns what is chosen; nothing when there is no value for it.
    pub(super) fn values(&self) -> &[String] {
        self.choices.get(self.chosen).map_or(&[], Vec::as_slice)
    }

    /// Returns what of it can be computed without the table.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &str> {
        let values = self.values().iter().map(String::as_str);
        values.filter(|value| ![DEFAULT, NULL].contains(value))
    }

    /// Returns whether there is another value.
    pub(super) fn can_change(&self) -> bool {
        self.choices.len() > 1
    }

    /// Chooses another value; `null` only when that is allowed.
    pub(super) fn change(&mut self, may_be_null: bool, random: &mut Random) {
        let is_fit = |values: &[String]| may_be_null || values.iter().all(|value| value != NULL);
        let choices = self.choices.iter().enumerate();
        let others: Vec<_> = choices
            .filter(|(place, values)| *place != self.chosen && is_fit(values))
            .map(|(place, _)| place)
            .collect();
        if let Some(place) = random.pick(&others) {
            self.chosen = *place;
        }
    }

    /// Forgets the value that is chosen, and chooses another one.
    pub(super) fn forget(&mut self) {
        self.choices.remove(self.chosen);
        self.chosen = 0;
    }
}

/// Returns the columns of a table with values for the row of this number.
pub(super) async fn slots<'a>(
    transaction: &Transaction<'_>,
    table: &'a Table,
    kind: Kind,
    number: i64,
) -> Result<Vec<Slot<'a>>> {
    let mut slots: Vec<Slot<'a>> = Vec::new();
    let is_taken =
        |slots: &[Slot<'_>], name: &str| slots.iter().any(|slot| slot.columns.contains(&name));
    for rule in &table.rules {
        let columns: Vec<_> = rule.columns.iter().map(String::as_str).collect();
        if rule.target.is_some() && !columns.iter().any(|name| is_taken(&slots, name)) {
            let values = targets(transaction, table, rule).await?;
            slots.push(Slot::new(table, columns, values, kind));
        }
    }
    for column in &table.columns {
        if is_taken(&slots, &column.name) {
            continue;
        }
        let values = match column.default {
            Default::Counter => Vec::new(),
            _ => candidates(column, number),
        };
        let values = values.into_iter().map(|value| vec![value]).collect();
        slots.push(Slot::new(table, vec![&column.name], values, kind));
    }
    Ok(slots)
}

/// Returns the rows that a foreign key can point at, newest first.
async fn targets(
    transaction: &Transaction<'_>,
    table: &Table,
    rule: &Rule,
) -> Result<Vec<Vec<String>>> {
    let Some((target, columns)) = &rule.target else {
        return Ok(Vec::new());
    };
    let names: Vec<_> = columns.iter().map(|name| quote(name)).collect();
    let texts: Vec<_> = names
        .iter()
        .map(|name| format!("quote_literal({name}::text)"))
        .collect();
    let statement = format!(
        "select array[{}] as key from {target} where ({}) is not null order by ctid desc limit {TARGETS}",
        texts.join(", "),
        names.join(", "),
    );
    let read = async {
        let rows = transaction.query_typed(&statement, &[]).await?;
        rows.iter()
            .map(|row| row.try_get::<_, Vec<String>>("key"))
            .collect::<Result<Vec<_>, _>>()
    };
    let mut keys = read.await.map_err(Error::database(
        "read the rows that a foreign key can point at",
    ))?;
    for key in &mut keys {
        for (value, name) in key.iter_mut().zip(&rule.columns) {
            let column = table.columns.iter().find(|column| column.name == *name);
            if let Some(column) = column {
                *value = format!("cast({value} as {})", column.kind);
            }
        }
    }
    Ok(keys)
}
