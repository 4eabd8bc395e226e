//! What a schema consists of, as text that can be compared.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use tokio_postgres::Client;

use crate::{Error, Result};

/// What an object is and how it is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// What it is: `table`, `column`, `index`, `grant` and so on.
    pub kind: String,
    /// Its name, with that of its table before a dot.
    pub name: String,
}

/// Every object of a schema with its definition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    objects: BTreeMap<Object, String>,
}

/// The exact name and the definition of one of the objects that have a name together.
type Found = (String, String);

/// How one schema differs from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It is in the second alone.
    Added {
        /// The object.
        object: Object,
        /// What it is there.
        definition: String,
    },
    /// It is in the first alone.
    Removed {
        /// The object.
        object: Object,
        /// What it was there.
        definition: String,
    },
    /// It is in both, and not the same.
    Changed {
        /// The object.
        object: Object,
        /// What it is in the first.
        from: String,
        /// What it is in the second.
        to: String,
    },
}

impl Snapshot {
    /// Reads the current schema of a connection. Reads nothing but the catalog, and writes nothing.
    ///
    /// It holds extensions, tables, columns, indexes, constraints, triggers, rules, policies, functions, types,
    /// sequences, statistics, comments, grants, default privileges, owners other than the one who migrates, and the
    /// names of whatever else is in the schema. It does not hold the history of the migrations, and monthly partitions
    /// are one object however many there are.
    pub async fn read(client: &Client) -> Result<Self> {
        let rows = client
            .query_typed(include_str!("snapshot/snapshot.sql"), &[])
            .await
            .map_err(Error::database("read the schema"))?;
        let mut found: BTreeMap<Object, Vec<Found>> = BTreeMap::new();
        for row in rows {
            let text = |column| row.try_get::<_, String>(column);
            let read = || {
                let object = Object {
                    kind: text("kind")?,
                    name: text("name")?,
                };
                Ok((object, (text("exact_name")?, text("definition")?)))
            };
            let (object, one) = read().map_err(Error::database("understand the schema"))?;
            found.entry(object).or_default().push(one);
        }
        Ok(Self::of(found))
    }

    /// Makes one object of those that have a name together. A partition that is not like most of its table stands under
    /// its own name.
    fn of(found: BTreeMap<Object, Vec<Found>>) -> Self {
        let mut objects = BTreeMap::new();
        for (object, alike) in found {
            let count = |definition: &str| {
                alike
                    .iter()
                    .filter(|(_, other)| other == definition)
                    .count()
            };
            let usual = alike.iter().map(|(_, definition)| definition);
            let usual = usual.max_by_key(|definition| count(definition)).cloned();
            for (name, definition) in alike {
                if Some(&definition) != usual.as_ref() {
                    let kind = object.kind.clone();
                    objects.insert(Object { kind, name }, definition);
                }
            }
            objects.extend(usual.map(|definition| (object, definition)));
        }
        Self { objects }
    }

    /// Returns the objects with their definitions, in the order of kind and name.
    pub fn iter(&self) -> impl Iterator<Item = (&Object, &str)> {
        self.objects
            .iter()
            .map(|(object, definition)| (object, definition.as_str()))
    }

    /// Returns how another schema differs from this one; nothing when they are the same.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let here =
            self.objects
                .iter()
                .filter_map(|(object, from)| match other.objects.get(object) {
                    None => Some(Difference::Removed {
                        object: object.clone(),
                        definition: from.clone(),
                    }),
                    Some(to) if to != from => Some(Difference::Changed {
                        object: object.clone(),
                        from: from.clone(),
                        to: to.clone(),
                    }),
                    Some(_) => None,
                });
        let there = other
            .objects
            .iter()
            .filter(|(object, _)| !self.objects.contains_key(object))
            .map(|(object, definition)| Difference::Added {
                object: object.clone(),
                definition: definition.clone(),
            });
        let mut all: Vec<_> = here.chain(there).collect();
        all.sort_by(|a, b| a.object().cmp(b.object()));
        all
    }
}

impl FromIterator<(Object, String)> for Snapshot {
    /// Makes a snapshot again out of the objects and definitions of one, such as those of a file.
    fn from_iter<I: IntoIterator<Item = (Object, String)>>(objects: I) -> Self {
        Self {
            objects: objects.into_iter().collect(),
        }
    }
}

impl Difference {
    /// Returns what differs.
    pub fn object(&self) -> &Object {
        match self {
            Self::Added { object, .. }
            | Self::Removed { object, .. }
            | Self::Changed { object, .. } => object,
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind, self.name)
    }
}

impl fmt::Display for Difference {
    /// Writes a line that begins with `+`, `-` or `~`; a change has two more lines with what it was and is.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { object, definition } => line(formatter, '+', object, definition),
            Self::Removed { object, definition } => line(formatter, '-', object, definition),
            Self::Changed { object, from, to } => {
                write!(
                    formatter,
                    "~ {object}\n    - {}\n    + {}",
                    flat(from),
                    flat(to)
                )
            }
        }
    }
}

fn line(
    formatter: &mut fmt::Formatter<'_>,
    sign: char,
    object: &Object,
    definition: &str,
) -> fmt::Result {
    write!(formatter, "{sign} {object}")?;
    if definition.is_empty() {
        return Ok(());
    }
    formatter.write_str(": ")?;
    formatter.write_str(&flat(definition))
}

/// Writes a definition as one line.
fn flat(definition: &str) -> String {
    let mut text = String::new();
    for word in definition.split_whitespace() {
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{word}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(objects: &[(&str, &str, &str)]) -> Snapshot {
        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, exact_name, definition) in objects {
            let object = Object {
                kind: "table".to_owned(),
                name: (*name).to_owned(),
            };
            let one = ((*exact_name).to_owned(), (*definition).to_owned());
            found.entry(object).or_default().push(one);
        }
        Snapshot::of(found)
    }

    #[test]
    fn each_difference_is_told_once() {
        let first = snapshot(&[("a", "a", "1"), ("b", "b", "x\n  y"), ("c", "c", "3")]);
        let second = snapshot(&[("b", "b", "z"), ("c", "c", "3"), ("d", "d", "")]);
        let told: Vec<_> = first
            .differences(&second)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            ["- table a: 1", "~ table b\n    - x y\n    + z", "+ table d"]
        );
        assert!(first.differences(&first).is_empty());
    }

    #[test]
    fn partitions_are_one_object_unless_one_is_not_like_the_others() {
        let alike = snapshot(&[
            ("l_<month>", "l_2026_01", "x"),
            ("l_<month>", "l_2026_02", "x"),
        ]);
        assert_eq!(alike, snapshot(&[("l_<month>", "l_2026_03", "x")]));
        let odd = snapshot(&[
            ("l_<month>", "l_2026_01", "y"),
            ("l_<month>", "l_2026_02", "x"),
            ("l_<month>", "l_2026_03", "x"),
        ]);
        let told = alike.differences(&odd);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].to_string(), "+ table l_2026_01: y");
    }
}
