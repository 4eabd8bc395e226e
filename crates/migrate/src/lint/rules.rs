//! The rules about files and about statements wherever they stand.

use super::{Finding, locks, place};
use crate::{
    Migration,
    failure::number,
    statements::{Statement, split},
};

/// The names of all rules.
pub(super) const RULES: [&str; 18] = [
    "blocking-constraint",
    "blocking-index",
    "blocking-statement",
    "breaks-older-functions",
    "carriage-return",
    "early-validation",
    "missing-rollback",
    "needless-header",
    "not-repeatable",
    "one-statement",
    "outside-transaction",
    "required-column",
    "session-setting",
    "set-not-null",
    "table-rewrite",
    "transaction-statement",
    "type-change",
    "unbounded-change",
];

/// A rule that is broken: its name, what is wrong, and what to do instead.
pub(super) struct Broken {
    pub(super) rule: &'static str,
    pub(super) what: String,
    pub(super) advice: &'static str,
}

impl Broken {
    pub(super) fn new(rule: &'static str, what: impl Into<String>, advice: &'static str) -> Self {
        let what = what.into();
        Self { rule, what, advice }
    }
}

/// Returns what is wrong with a migration.
pub(super) fn findings(migration: &Migration) -> Vec<Finding> {
    let statements = split(migration.sql());
    let mut up = in_file(migration.sql(), &statements, migration.is_transactional());
    let locks = locks::broken(&statements);
    up.extend(
        locks
            .into_iter()
            .map(|(at, broken)| (number(migration.sql(), at), broken)),
    );

    let sql = migration.rollback().unwrap_or_default();
    let statements = split(sql);
    let mut down = in_file(sql, &statements, migration.is_rollback_transactional());
    if statements.is_empty() && migration.irreversible().is_none_or(str::is_empty) {
        let advice = "write its rollback.sql, or `-- irreversible: why` into it";
        down.push((
            1,
            Broken::new("missing-rollback", "there is no way back", advice),
        ));
    }

    let mut findings = Vec::new();
    for (file, all) in [(migration.file(), up), ("rollback.sql".to_owned(), down)] {
        findings.extend(all.into_iter().map(|(line, broken)| Finding {
            file: place(migration, &file),
            line,
            rule: broken.rule.to_owned(),
            what: broken.what,
            advice: broken.advice.to_owned(),
        }));
    }
    findings
}

/// Returns what is wrong with a file, whichever it is, and the lines.
fn in_file(
    sql: &str,
    statements: &[Statement<'_>],
    is_transactional: bool,
) -> Vec<(usize, Broken)> {
    let mut all = Vec::new();
    if let Some(at) = sql.find('\r') {
        let what = "a line ends with a carriage return";
        let advice =
            "end lines with a line feed alone: with other ends the checksum is another one";
        all.push((
            number(sql, at),
            Broken::new("carriage-return", what, advice),
        ));
    }
    if !is_transactional && !statements.is_empty() {
        all.extend(alone(statements).into_iter().map(|broken| (1, broken)));
    }
    for statement in statements {
        let line = number(sql, statement.start);
        let found = anywhere(statement, is_transactional);
        all.extend(found.into_iter().map(|broken| (line, broken)));
    }
    all
}

/// Returns what is wrong with a file that runs outside of a transaction.
fn alone(statements: &[Statement<'_>]) -> Vec<Broken> {
    let mut broken = Vec::new();
    if statements.len() > 1 {
        let what = format!(
            "a file without a transaction has to be one statement, this one has {}",
            statements.len()
        );
        let advice =
            "make a migration of each: after a failure nobody knows how much of it was done";
        broken.push(Broken::new("one-statement", what, advice));
    }
    // A procedure may commit, and a block too.
    let is_fit = |statement: &Statement<'_>| {
        needs_no_transaction(statement) || statement.begins(&["call"]) || statement.begins(&["do"])
    };
    if !statements.iter().any(is_fit) {
        let what = "nothing in it has to run outside of a transaction";
        let advice = "take `-- migrate: no-transaction` out, so that a failure leaves nothing";
        broken.push(Broken::new("needless-header", what, advice));
    }
    broken
}

/// Returns what is wrong with a statement wherever it stands.
fn anywhere(statement: &Statement<'_>, is_transactional: bool) -> Vec<Broken> {
    const TRANSACTIONS: [&[&str]; 10] = [
        &["begin"],
        &["start", "transaction"],
        &["commit"],
        &["end"],
        &["rollback"],
        &["abort"],
        &["savepoint"],
        &["release"],
        &["prepare", "transaction"],
        &["set", "transaction"],
    ];
    let mut broken = Vec::new();
    if TRANSACTIONS.iter().any(|words| statement.begins(words)) {
        let what = format!("`{}` is about a transaction", start(statement));
        let advice = "take it out: the file is one transaction with its row of the history, or by its header none at all";
        broken.push(Broken::new("transaction-statement", what, advice));
    } else if is_session_setting(statement) {
        let what = format!(
            "`{}` holds for the migrations after it too",
            start(statement)
        );
        let advice = "use `set local`, which ends with the transaction";
        broken.push(Broken::new("session-setting", what, advice));
    }
    if is_transactional && needs_no_transaction(statement) {
        let what = format!("`{}` runs only outside of a transaction", start(statement));
        let advice = "put it alone into a migration that begins with `-- migrate: no-transaction`";
        broken.push(Broken::new("outside-transaction", what, advice));
    }
    let is_index = statement.has(&["index", "concurrently"]) && !statement.begins(&["reindex"]);
    if is_index && !statement.has(&["if", "not", "exists"]) && !statement.has(&["if", "exists"]) {
        let what = "it cannot be run again, and its row of the history is written after it";
        let advice = "write `if not exists`, or `if exists` to drop one; an index that an earlier try left invalid is made \
                      anew";
        broken.push(Broken::new("not-repeatable", what, advice));
    }
    broken
}

fn is_session_setting(statement: &Statement<'_>) -> bool {
    let is_local = ["local", "constraints"]
        .iter()
        .any(|word| statement.begins(&["set", word]));
    let is_set = ["set", "reset", "discard", "listen"]
        .iter()
        .any(|word| statement.begins(&[word]));
    is_set && !is_local
}

/// Returns whether Postgres refuses a statement inside of a transaction.
fn needs_no_transaction(statement: &Statement<'_>) -> bool {
    const NEVER: [&[&str]; 9] = [
        &["vacuum"],
        &["create", "database"],
        &["drop", "database"],
        &["create", "tablespace"],
        &["drop", "tablespace"],
        &["alter", "system"],
        &["reindex", "database"],
        &["reindex", "schema"],
        &["reindex", "system"],
    ];
    let is_concurrent = statement.has(&["concurrently"]) && !statement.begins(&["refresh"]);
    is_concurrent || NEVER.iter().any(|words| statement.begins(words))
}

/// Returns the first words of a statement.
fn start(statement: &Statement<'_>) -> String {
    statement
        .words
        .iter()
        .take(3)
        .cloned()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_explained() {
        let page = include_str!("../../../../docs/operations.md");
        let is_missing = |rule: &&&str| !page.contains(&format!("\n| `{rule}` | "));
        assert_eq!(RULES.iter().filter(is_missing).count(), 0);
        assert!(RULES.is_sorted(), "so that none is written twice");
    }
}
