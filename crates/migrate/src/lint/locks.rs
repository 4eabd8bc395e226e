//! The rules about tables that exist before a migration: who uses them waits for its locks, or no longer finds what is
//! gone. A table that the same file makes is nobody's yet.

use std::collections::HashSet;

use super::rules::Broken;
use crate::statements::Statement;

/// Words that may stand before a name.
const BEFORE_NAMES: [&str; 6] = ["concurrently", "exists", "if", "not", "only", "table"];

/// What makes the value of a new column differ from row to row, so that Postgres writes every row.
const DIFFERING: [&str; 13] = [
    "bigserial",
    "clock_timestamp",
    "gen_random_uuid",
    "identity",
    "nextval",
    "random",
    "serial",
    "smallserial",
    "stored",
    "timeofday",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
];

const IN_STEPS: &str =
    "do it in steps that hold no lock for long, or accept it with the reason why nobody waits";
const PROVE_LATER: &str = "add it `not valid`, and validate it in a later migration";
const ADD_LATER: &str = "add the column without it, then the constraint `not valid`, and validate that in a later migration";
const INDEX_FIRST: &str = "create the unique index concurrently in a migration before, then add the constraint `using index`";

/// Returns what is wrong with the statements of a file, and where in it.
pub(super) fn broken(statements: &[Statement<'_>]) -> Vec<(usize, Broken)> {
    let mut file = File::default();
    let mut all = Vec::new();
    for statement in statements {
        let clauses = statement.clauses();
        let clauses: Vec<Vec<&str>> = clauses
            .iter()
            .map(|words| words.iter().map(String::as_str).collect())
            .collect();
        let found = file.look(&clauses);
        all.extend(found.into_iter().map(|broken| (statement.start, broken)));
    }
    all
}

/// What a file has made so far.
#[derive(Default)]
struct File {
    /// Tables, views and indexes.
    made: HashSet<String>,
    /// Constraints that were added without a look at the rows.
    unproved: HashSet<String>,
}

impl File {
    fn look(&mut self, clauses: &[Vec<&str>]) -> Vec<Broken> {
        let Some((first, others)) = clauses.split_first() else {
            return Vec::new();
        };
        let has = |word: &str| clauses.iter().flatten().any(|known| *known == word);
        let blocks = |what: &str| {
            vec![Broken::new(
                "blocking-statement",
                format!("`{what}` keeps everybody waiting"),
                IN_STEPS,
            )]
        };
        match first.as_slice() {
            ["create", rest @ ..] => self.create(rest).into_iter().collect(),
            ["drop", "index", rest @ ..] => self.drop_index(rest).into_iter().collect(),
            ["drop", "table" | "view", rest @ ..] | ["drop", "materialized", "view", rest @ ..] => {
                let others = others.iter().map(Vec::as_slice);
                let names = [rest].into_iter().chain(others).map(|words| named(words).0);
                let gone = names.filter(|name| !self.made.contains(*name));
                gone.map(|name| breaks(&format!("`{name}` is gone")))
                    .collect()
            }
            ["alter", "table", rest @ ..] => {
                let (table, action) = named(rest);
                if self.made.contains(table) {
                    return Vec::new();
                }
                let actions = [action].into_iter().chain(others.iter().map(Vec::as_slice));
                actions
                    .flat_map(|action| self.alter(table, action))
                    .collect()
            }
            ["update", rest @ ..] | ["delete", "from", rest @ ..]
                if !has("where") && !self.is_made(rest) =>
            {
                let what = format!(
                    "every row of `{}` is locked until the migration ends",
                    named(rest).0
                );
                let advice = "change rows in batches, with a block that commits in a migration without a transaction";
                vec![Broken::new("unbounded-change", what, advice)]
            }
            ["vacuum", ..] if has("full") => blocks("vacuum full"),
            [verb @ ("truncate" | "lock" | "cluster"), rest @ ..] if !self.is_made(rest) => {
                blocks(verb)
            }
            ["reindex", _, rest @ ..] if !has("concurrently") && !self.is_made(rest) => {
                blocks("reindex")
            }
            ["refresh", "materialized", "view", rest @ ..]
                if !has("concurrently") && !self.is_made(rest) =>
            {
                blocks("refresh materialized view")
            }
            _ => Vec::new(),
        }
    }

    fn is_made(&self, words: &[&str]) -> bool {
        self.made.contains(named(words).0)
    }

    fn create(&mut self, words: &[&str]) -> Option<Broken> {
        let kinds = ["table", "view", "index"];
        let place = words.iter().take(4).position(|word| kinds.contains(word))?;
        let (kind, rest) = words.get(place..)?.split_first()?;
        if *kind != "index" {
            self.made.insert(named(rest).0.to_owned());
            return None;
        }
        let on = rest.iter().position(|word| *word == "on")?;
        let (before, after) = rest.split_at(on);
        // It may have none.
        let name = named(before).0;
        if !name.is_empty() {
            self.made.insert(name.to_owned());
        }
        let table = named(after.get(1..)?).0;
        if before.contains(&"concurrently") || self.made.contains(table) {
            return None;
        }
        let what = format!("nobody writes to `{table}` while this index is made");
        let advice = "make it `concurrently if not exists`, alone in a migration that begins with `-- migrate: no-transaction`";
        Some(Broken::new("blocking-index", what, advice))
    }

    fn drop_index(&self, words: &[&str]) -> Option<Broken> {
        if words.contains(&"concurrently") || self.is_made(words) {
            return None;
        }
        let what = format!(
            "nobody uses the table of `{}` while it waits for its turn",
            named(words).0
        );
        let advice = "drop it `concurrently if exists`, alone in a migration that begins with `-- migrate: no-transaction`";
        Some(Broken::new("blocking-index", what, advice))
    }

    /// Returns what is wrong with one action of `alter table`.
    fn alter(&mut self, table: &str, action: &[&str]) -> Vec<Broken> {
        let found = match action {
            ["add", "constraint", name, rest @ ..] => self.constraint(table, name, rest),
            [
                "add",
                "check" | "foreign" | "unique" | "primary" | "exclude",
                ..,
            ] => self.constraint(table, "", &action[1..]),
            ["add", "column", rest @ ..] | ["add", rest @ ..] => {
                return column(table, named(rest).1);
            }
            ["validate", "constraint", name, ..] if self.unproved.contains(*name) => {
                let what =
                    format!("the lock on `{table}` that `{name}` was added under is still held");
                let advice = "validate it in a later migration, where nobody waits for it";
                Some(Broken::new("early-validation", what, advice))
            }
            ["alter", "column", column, rest @ ..] | ["alter", column, rest @ ..] => {
                alter_column(table, column, rest)
            }
            ["drop" | "rename", "constraint", ..] => None,
            ["drop", "column", rest @ ..] | ["drop", rest @ ..] => Some(breaks(&format!(
                "the column `{}` of `{table}` is gone",
                named(rest).0
            ))),
            ["rename", ..] | ["set", "schema", ..] => {
                Some(breaks(&format!("something of `{table}` has another name")))
            }
            ["set", "logged" | "unlogged" | "tablespace" | "access", ..] => Some(Broken::new(
                "table-rewrite",
                format!("`{table}` is written anew while everybody waits"),
                IN_STEPS,
            )),
            _ => None,
        };
        found.into_iter().collect()
    }

    fn constraint(&mut self, table: &str, name: &str, definition: &[&str]) -> Option<Broken> {
        if follow(definition, &["not", "valid"]) {
            self.unproved.insert(name.to_owned());
            return None;
        }
        match definition {
            ["unique" | "primary", ..] if follow(definition, &["using", "index"]) => None,
            ["unique" | "primary", ..] => Some(builds(table, INDEX_FIRST)),
            ["exclude", ..] => Some(builds(table, IN_STEPS)),
            ["not", "null", ..] => Some(proves_not_null(table)),
            _ => {
                let what = format!("nobody writes to `{table}` while all of its rows are checked");
                Some(Broken::new("blocking-constraint", what, PROVE_LATER))
            }
        }
    }
}

/// Returns what is wrong with a new column.
fn column(table: &str, definition: &[&str]) -> Vec<Broken> {
    let has = |word: &str| definition.contains(&word);
    let mut broken = Vec::new();
    let differing = DIFFERING.iter().find(|word| has(word));
    if let Some(word) = differing {
        let what = format!(
            "`{word}` gives each row of `{table}` another value, so that all are written while everybody waits"
        );
        let advice = "add the column without it, then fill it in batches, and give it its default";
        broken.push(Broken::new("table-rewrite", what, advice));
    }
    let mut before = definition.windows(3);
    if before.any(|words| matches!(words, [before, "not", "null"] if *before != "is"))
        && !has("default")
        && !has("generated")
        && differing.is_none()
    {
        let what = format!("the rows that `{table}` has would have no value");
        let advice =
            "give it a default, or add it without `not null`, fill it, and require it later";
        broken.push(Broken::new("required-column", what, advice));
    }
    if has("check") {
        let what = format!("nobody uses `{table}` while all of its rows are checked");
        broken.push(Broken::new("blocking-constraint", what, ADD_LATER));
    }
    if has("unique") || has("primary") {
        broken.push(builds(table, INDEX_FIRST));
    }
    broken
}

fn alter_column(table: &str, column: &str, change: &[&str]) -> Option<Broken> {
    match change {
        ["set", "not", "null", ..] => Some(proves_not_null(table)),
        ["type", ..] | ["set", "data", "type", ..] => {
            let what = format!("`{table}` is written anew for `{column}` while everybody waits");
            let advice = "add a column of the new type, fill it in batches, and drop the old one when nothing uses it; some \
                          changes write nothing, such as to a longer varchar: accept those";
            Some(Broken::new("type-change", what, advice))
        }
        _ => None,
    }
}

fn proves_not_null(table: &str) -> Broken {
    let what = format!("nobody uses `{table}` while all of its rows are read");
    let advice = "add a check `is not null` `not valid`, validate it in a later migration, and after that set `not null`, \
                  which then reads nothing: accept it there";
    Broken::new("set-not-null", what, advice)
}

fn builds(table: &str, advice: &'static str) -> Broken {
    let what = format!("nobody uses `{table}` while the index of the constraint is made");
    Broken::new("blocking-constraint", what, advice)
}

fn breaks(what: &str) -> Broken {
    let advice = "functions of the release before may use it: take it away one release after the last use, and accept it there";
    Broken::new("breaks-older-functions", what, advice)
}

/// Returns the name that words begin with, without its schema, and the words behind it.
fn named<'a>(words: &'a [&'a str]) -> (&'a str, &'a [&'a str]) {
    let place = words.iter().position(|word| !BEFORE_NAMES.contains(word));
    let rest = words
        .get(place.unwrap_or(words.len())..)
        .unwrap_or_default();
    match rest.split_first() {
        Some((name, rest)) => (name.rsplit('.').next().unwrap_or(name), rest),
        None => ("", rest),
    }
}

/// Returns whether words follow each other somewhere.
fn follow(words: &[&str], sought: &[&str]) -> bool {
    words.windows(sought.len()).any(|window| window == sought)
}
