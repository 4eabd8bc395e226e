//! What a restored dump is compared with its manifest in, one check after the other.

use std::collections::BTreeMap;

use usher_migrate::{Difference, Object, Snapshot};

use super::{
    census::{Census, Contents, Month},
    manifest::{FileSum, Schema},
    size,
};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is as the manifest says.
    Good,
    /// It is not.
    Differs,
    /// There was nothing to look at, since an earlier check ended badly.
    NotChecked,
}

/// A check: what was looked at, how it ended, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) state: State,
    /// What is good when it is, in a few words.
    pub(super) what: String,
    /// One line or more for each difference.
    pub(super) differences: Vec<String>,
}

/// The checks of a restored dump, in their order.
pub(super) const RESTORED: [&str; 5] = ["schema", "rows", "contents", "sequences", "audit log"];

impl State {
    /// Returns it as a word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Differs => "differs",
            Self::NotChecked => "not checked",
        }
    }
}

impl Check {
    fn new(name: &'static str, what: String, differences: Vec<String>) -> Self {
        let state = if differences.is_empty() {
            State::Good
        } else {
            State::Differs
        };
        Self {
            name,
            state,
            what,
            differences,
        }
    }

    /// Returns a check that could not be made.
    pub(super) fn skipped(name: &'static str) -> Self {
        Self {
            name,
            state: State::NotChecked,
            what: String::new(),
            differences: Vec::new(),
        }
    }
}

/// Compares the file itself.
pub(super) fn file(expected: &FileSum, found: &FileSum) -> Check {
    let mut differences = Vec::new();
    if found.size != expected.size {
        differences.push(format!(
            "it has {} bytes instead of {}",
            found.size, expected.size
        ));
    }
    if found.sha256 != expected.sha256 {
        differences.push(format!(
            "its SHA-256 is {} instead of {}",
            found.sha256, expected.sha256
        ));
    }
    Check::new(
        "file",
        format!("{}, SHA-256 {}", size(found.size), found.sha256),
        differences,
    )
}

/// Compares what was restored by a role.
pub(super) fn restored(
    schema: &Schema,
    census: &Census,
    found: &Snapshot,
    counted: &Census,
    role: &str,
) -> [Check; 5] {
    let objects = Snapshot::from(&schema.objects);
    let differences = objects.differences(found);
    let differences = differences
        .iter()
        .filter(|difference| !is_about_owners(difference, &schema.owner, role));
    let months: Vec<_> = census.audit_logs.keys().map(String::as_str).collect();
    let span = match months.as_slice() {
        [] => "no entries".to_owned(),
        [only] => format!("of {only}"),
        [first, .., last] => format!("{} months, {first} to {last}", months.len()),
    };
    let [
        name_schema,
        name_rows,
        name_contents,
        name_sequences,
        name_audit,
    ] = RESTORED;
    [
        Check::new(
            name_schema,
            format!(
                "{} objects, version {}",
                objects.iter().count(),
                schema.version
            ),
            differences.map(ToString::to_string).collect(),
        ),
        Check::new(
            name_rows,
            format!("{} in {} tables", census.rows(), census.tables.len()),
            each(&census.tables, &counted.tables, rows),
        ),
        Check::new(
            name_contents,
            "every value of every row".to_owned(),
            each(&census.tables, &counted.tables, contents),
        ),
        Check::new(
            name_sequences,
            format!("{} go on where they were", census.sequences.len()),
            each(&census.sequences, &counted.sequences, sequence),
        ),
        Check::new(
            name_audit,
            span,
            each(&census.audit_logs, &counted.audit_logs, month),
        ),
    ]
}

/// Tells whether it is only about who owns the objects, which is not restored: who does so owns them all. What the owner
/// of a schema was granted goes without saying, and is nowhere among the grants.
fn is_about_owners(difference: &Difference, owner: &str, role: &str) -> bool {
    let is_to = |object: &Object, grantee: &str| {
        object.kind == "grant" && object.name.ends_with(&format!(" to {grantee}"))
    };
    match difference {
        Difference::Added { object, .. } => is_to(object, owner),
        Difference::Removed { object, .. } => is_to(object, role),
        Difference::Changed { from, to, .. } => from
            .strip_prefix(to.as_str())
            .map(|owner| owner.trim_start_matches([',', ' ']))
            .is_some_and(|owner| owner.starts_with("owned by ")),
    }
}

/// Compares what two sides have under the same names; one that only the dump has is a difference too.
fn each<T>(
    expected: &BTreeMap<String, T>,
    found: &BTreeMap<String, T>,
    compare: impl Fn(&str, Option<&T>, Option<&T>) -> Option<String>,
) -> Vec<String> {
    let known = expected
        .iter()
        .filter_map(|(name, value)| compare(name, Some(value), found.get(name)));
    let unknown = found
        .iter()
        .filter(|(name, _)| !expected.contains_key(*name));
    let unknown = unknown.filter_map(|(name, value)| compare(name, None, Some(value)));
    known.chain(unknown).collect()
}

fn rows(table: &str, expected: Option<&Contents>, found: Option<&Contents>) -> Option<String> {
    match (expected, found) {
        (Some(expected), Some(found)) if expected.rows != found.rows => Some(format!(
            "{table} has {} instead of {}",
            found.rows, expected.rows
        )),
        (Some(_), None) => Some(format!("{table} is missing")),
        (None, Some(_)) => Some(format!("{table} should not be there")),
        _ => None,
    }
}

fn contents(table: &str, expected: Option<&Contents>, found: Option<&Contents>) -> Option<String> {
    let (expected, found) = (expected?, found?);
    let is_other = expected.rows == found.rows && expected.sum != found.sum;
    is_other.then(|| format!("{table} has the number of rows, and other values in them"))
}

/// A sequence may be further: it went on between the manifest and the dump.
fn sequence(name: &str, expected: Option<&i64>, found: Option<&i64>) -> Option<String> {
    match (expected?, found) {
        (expected, Some(found)) if found < expected => {
            Some(format!("{name} stands at {found} instead of {expected}"))
        }
        (expected, None) => Some(format!(
            "{name} was never used instead of standing at {expected}"
        )),
        _ => None,
    }
}

fn month(name: &str, expected: Option<&Month>, found: Option<&Month>) -> Option<String> {
    let (expected, found) = match (expected, found) {
        (Some(expected), Some(found)) => (expected, found),
        (Some(expected), None) => {
            return Some(format!("{name}: all {} entries are missing", expected.rows));
        }
        (None, Some(found)) => {
            return Some(format!(
                "{name}: {} entries should not be there",
                found.rows
            ));
        }
        (None, None) => return None,
    };
    if found.rows != expected.rows {
        return Some(format!(
            "{name}: {} entries instead of {}",
            found.rows, expected.rows
        ));
    }
    let span = |month: &Month| {
        format!(
            "{} to {}, {} to {}",
            month.first_id, month.last_id, month.first_at, month.last_at
        )
    };
    if span(found) != span(expected) {
        return Some(format!(
            "{name}: entries {} instead of {}",
            span(found),
            span(expected)
        ));
    }
    (found.sum != expected.sum).then(|| format!("{name}: an entry was changed"))
}

#[cfg(test)]
mod tests;
