//! What `lint` finds in the text of migrations, and what it leaves alone.

use usher_migrate::{Finding, Findings, Migrations};

mod accepted;
mod locks;

const AWAY: &str = "drop table a;";
const ALONE: &str = "-- migrate: no-transaction\n";

/// Looks through one migration.
fn lint(up: &str, down: &str) -> Findings {
    let migrations = Migrations::from_parts(&[("V1__a", up, down)]).unwrap();
    migrations.lint("", Some(Vec::new()))
}

/// Returns the names of the rules that a migration breaks.
fn broken(up: &str, down: &str) -> Vec<String> {
    lint(up, down)
        .open
        .into_iter()
        .map(|finding| finding.rule)
        .collect()
}

/// Holds a rule against statements that break it, and others that come close.
fn holds(rule: &str, bad: &[&str], good: &[&str]) {
    for sql in bad {
        assert_eq!(broken(sql, AWAY), [rule], "{sql}");
    }
    for sql in good {
        assert_eq!(broken(sql, AWAY), [""; 0], "{sql}");
    }
}

#[test]
fn our_own_migrations_break_no_rule() {
    let migrations = Migrations::embedded().unwrap();
    // What another program found is accepted in the list; without it these acceptances cannot be judged.
    let list = include_str!("../../../../migrations/lint.txt");
    assert_eq!(migrations.lint(list, None).open, []);
}

#[test]
fn transactions_are_not_for_files() {
    let verbs = "begin; start transaction; commit; end; rollback; abort; savepoint x; release x; prepare transaction 'x'; \
                 set transaction read only";
    for verb in verbs.split("; ") {
        assert_eq!(
            broken(verb, "rollback; drop table a"),
            ["transaction-statement"; 2],
            "{verb}"
        );
    }
    let function =
        "create function f() returns int language plpgsql as $$ begin; commit; return 1; end $$";
    let atomic = "create function f() returns int begin atomic select 1; end";
    holds(
        "transaction-statement",
        &[],
        &[function, atomic, "-- commit;\nselect 'rollback;'"],
    );
}

#[test]
fn what_a_session_keeps_is_not_for_files() {
    holds(
        "session-setting",
        &[
            "set lock_timeout = '1s'",
            "set role x",
            "reset all",
            "set session x = 1",
        ],
        &[
            "set local lock_timeout = '1s'",
            "set constraints all deferred",
            "alter role x set a = 1",
        ],
    );
}

#[test]
fn what_runs_outside_of_a_transaction_needs_the_header() {
    let index = "create index concurrently if not exists i on a (b)";
    holds(
        "outside-transaction",
        &[
            index,
            "drop index concurrently if exists i",
            "vacuum a",
            "alter table a detach partition b concurrently",
        ],
        &[
            &format!("{ALONE}{index}"),
            "create table a (i int); refresh materialized view concurrently v",
        ],
    );
    assert_eq!(
        broken("select 1", "drop index concurrently if exists i"),
        ["outside-transaction"]
    );
}

#[test]
fn a_file_without_a_transaction_is_one_statement_that_needs_it_and_can_be_repeated() {
    let index = "create index concurrently if not exists i on a (b);";
    let two = format!("{ALONE}{index}\n{index}");
    holds(
        "one-statement",
        &[&two],
        &[&format!("{ALONE}{index}\n-- That is all.")],
    );
    let batches = format!("{ALONE}do $$ begin loop commit; exit; end loop; end $$");
    holds(
        "needless-header",
        &[&format!("{ALONE}create table a (b int)")],
        &[&batches, &format!("{ALONE}call p()")],
    );
    let bare = [
        "create unique index concurrently i on a (b)",
        "drop index concurrently i",
    ];
    let bare = bare.map(|sql| format!("{ALONE}{sql}"));
    let again = [
        "create index concurrently if not exists i on a (b)",
        "reindex index concurrently i",
    ];
    let again = again.map(|sql| format!("{ALONE}{sql}"));
    holds(
        "not-repeatable",
        &bare.each_ref().map(String::as_str),
        &again.each_ref().map(String::as_str),
    );
}

#[test]
fn a_way_back_is_needed_or_a_reason() {
    for down in ["", "-- Nothing.", "-- irreversible:", "/* drop table a; */"] {
        assert_eq!(broken("select 1", down), ["missing-rollback"], "{down}");
    }
    for down in ["drop table a", "-- irreversible: the names are gone"] {
        assert_eq!(broken("select 1", down), [""; 0], "{down}");
    }
}

#[test]
fn carriage_returns_are_found_in_both_files() {
    let findings = lint("select 1;\nselect 2;\r\n", "select 1;\r\n").open;
    let found: Vec<_> = findings
        .iter()
        .map(|finding| (finding.file.as_str(), finding.line))
        .collect();
    assert_eq!(found, [("V1__a/V1__a.sql", 2), ("V1__a/rollback.sql", 1)]);
    assert_eq!(findings[0].rule, "carriage-return");
    assert_eq!(broken("select 1;\nselect 2;\n", AWAY), [""; 0]);
}

#[test]
fn a_finding_says_where_and_what_to_do() {
    let findings = lint("-- Adds an index.\n\ncreate index i\n  on a (b);", AWAY).open;
    assert_eq!(
        findings,
        [Finding {
            file: "V1__a/V1__a.sql".to_owned(),
            line: 3,
            rule: "blocking-index".to_owned(),
            what: "nobody writes to `a` while this index is made".to_owned(),
            advice: "make it `concurrently if not exists`, alone in a migration that begins with `-- migrate: no-transaction`"
                .to_owned(),
        }]
    );
}
