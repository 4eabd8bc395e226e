//! What `lint` finds in the text of migrations, and what it leaves alone.

use usher_migrate::{Finding, Findings, Migrations};

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
fn indexes_of_older_tables_are_made_and_dropped_concurrently() {
    holds(
        "blocking-index",
        &[
            "create index on a (b)",
            "create unique index if not exists i on only public.a (b)",
            "drop index i",
        ],
        &[
            "create table a (b int); create index i on a (b); drop index i",
            "create unlogged table if not exists public.a (b int); create index on a (b)",
            "create materialized view a as select 1; create unique index on a (b)",
        ],
    );
}

#[test]
fn constraints_of_older_tables_are_added_without_a_look_at_the_rows() {
    holds(
        "blocking-constraint",
        &[
            "alter table a add constraint c check (b > 0)",
            "alter table only a add foreign key (b) references d",
            "alter table a add primary key (b)",
            "alter table if exists a add constraint c unique (b)",
            "alter table a add constraint c exclude using gist (b with &&)",
            "alter table a add column b int check (b > 0)",
            "alter table a add column b int, add column c int unique",
        ],
        &[
            "alter table a add constraint c check (b > 0) not valid",
            "alter table a add constraint c foreign key (b) references d not valid, add column e int",
            "alter table a add constraint c unique using index i",
            "alter table a add column b bigint references d",
            "create table a (b int); alter table a add check (b > 0)",
            "alter table a validate constraint c",
            "alter table a drop constraint c; alter table a rename constraint d to e",
        ],
    );
    holds(
        "early-validation",
        &[
            "alter table a add constraint c check (b > 0) not valid; alter table a validate constraint c",
        ],
        &[
            "alter table a add constraint c check (b > 0) not valid; alter table a validate constraint d",
        ],
    );
}

#[test]
fn columns_of_older_tables_are_not_changed_under_those_who_use_them() {
    holds(
        "set-not-null",
        &[
            "alter table a alter column b set not null",
            "alter table a alter b set not null",
            "alter table a add constraint c not null b",
        ],
        &[
            "create table a (b int); alter table a alter b set not null",
            "alter table a alter b drop not null",
        ],
    );
    holds(
        "type-change",
        &[
            "alter table a alter column b type bigint",
            "alter table a add c int, alter b set data type text using b::text",
        ],
        &[
            "create table a (b int); alter table a alter b type bigint",
            "alter table a alter column type set default 1",
        ],
    );
    holds(
        "table-rewrite",
        &[
            "alter table a add column b uuid not null default gen_random_uuid()",
            "alter table a add b bigserial",
            "alter table a add column b int generated always as (c + 1) stored",
            "alter table a add column if not exists b bigint generated by default as identity",
            "alter table a set unlogged",
        ],
        &[
            "alter table a add column b timestamptz not null default now()",
            "alter table a add column b int default 1, add column c text",
            "create table a (b int); alter table a add c bigserial",
        ],
    );
    holds(
        "required-column",
        &[
            "alter table a add column b int not null",
            "alter table public.a add b int, add c text not null",
        ],
        &[
            "alter table a add column b int not null default 0",
            "create table a (b int); alter table a add c int not null",
        ],
    );
}

#[test]
fn nothing_keeps_everybody_waiting() {
    holds(
        "blocking-statement",
        &[
            "truncate a",
            "lock table a",
            "cluster a using i",
            "reindex table a",
            "vacuum full a",
            "refresh materialized view v",
        ]
        .map(|sql| {
            if sql.starts_with("vacuum") {
                "-- migrate: no-transaction\nvacuum full a"
            } else {
                sql
            }
        }),
        &[
            "create table a (b int); truncate table only a; lock a; reindex table a",
            "create materialized view v as select 1; refresh materialized view v",
        ],
    );
    holds(
        "unbounded-change",
        &["update a set b = 1", "delete from only public.a"],
        &[
            "update a set b = 1 where b is null",
            "create table a (b int); update a set b = 1; delete from a",
            "insert into a values (1)",
        ],
    );
}

#[test]
fn what_functions_of_the_release_before_use_stays() {
    holds(
        "breaks-older-functions",
        &[
            "drop table a",
            "drop view if exists v cascade",
            "alter table a drop column b",
            "alter table a drop if exists b",
            "alter table a rename to b",
            "alter table a rename column b to c",
            "alter table a set schema s",
        ],
        &[
            "create table a (b int); alter table a rename b to c; drop table a",
            "alter table a drop constraint c",
            "drop function f()",
        ],
    );
    let two = broken("create table b (c int); drop table a, b, d", AWAY);
    assert_eq!(two, ["breaks-older-functions"; 2]);
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

#[test]
fn a_finding_is_accepted_with_a_reason() {
    let sql =
        "-- lint: allow blocking-index because the table has ten rows\ncreate index on a (b);";
    let findings = lint(sql, AWAY);
    assert_eq!(findings.open, []);
    let [(finding, reason)] = findings.accepted.as_slice() else {
        panic!("{findings:?}")
    };
    assert_eq!(
        (finding.rule.as_str(), reason.as_str()),
        ("blocking-index", "the table has ten rows")
    );
    for unclear in [
        "allow blocking-index",
        "allow blocking-index because ",
        "allow all of it because I can",
        "ignore",
    ] {
        let sql = format!("-- lint: {unclear}\ncreate index on a (b);");
        assert_eq!(
            broken(&sql, AWAY),
            ["unclear-allow", "blocking-index"],
            "{unclear}"
        );
    }
    let other = "-- lint: allow type-change because it is short\ncreate index on a (b);";
    assert_eq!(broken(other, AWAY), ["needless-allow", "blocking-index"]);
}

#[test]
fn a_finding_in_a_migration_that_cannot_change_is_accepted_beside_it() {
    let migrations = Migrations::from_parts(&[
        ("V1__a", "drop index i", ""),
        ("V2__b", "drop index i", AWAY),
    ])
    .unwrap();
    let rules = |list: &str| -> Vec<_> {
        let open = migrations.lint(list, Some(Vec::new())).open;
        open.into_iter()
            .map(|finding| (finding.file, finding.line, finding.rule))
            .collect()
    };
    let found = |file: &str, line, rule: &str| (file.to_owned(), line, rule.to_owned());
    let list = "# Why.\n\nV1__a allow missing-rollback because it was the first\nV2__b allow blocking-index because it is small\n";
    assert_eq!(rules(list), [found("V1__a/V1__a.sql", 1, "blocking-index")]);
    let wrong = "V3__c allow blocking-index because it is small\nV2__b allow type-change because it is small\nV2__b\n";
    assert_eq!(
        rules(wrong)[3..],
        [
            found("lint.txt", 1, "unclear-allow"),
            found("lint.txt", 2, "needless-allow"),
            found("lint.txt", 3, "unclear-allow"),
        ]
    );
}

#[test]
fn the_findings_of_another_program_count_once_and_are_accepted_too() {
    let sql = "-- lint: allow odd-name because it is old\ncreate index on a (b);";
    let migrations = Migrations::from_parts(&[("V1__a", sql, AWAY)]).unwrap();
    let other = |line, rule: &str| Finding {
        file: "V1__a/V1__a.sql".to_owned(),
        line,
        rule: rule.to_owned(),
        what: "it said so".to_owned(),
        advice: "ask it".to_owned(),
    };
    let rules = |others: Option<Vec<Finding>>| -> Vec<_> {
        let open = migrations.lint("", others).open;
        open.into_iter().map(|finding| finding.rule).collect()
    };
    let others = vec![
        other(2, "odd-name"),
        other(2, "blocking-index"),
        // The same thing, seen in another way.
        other(2, "blocking-constraint"),
        other(3, "type-change"),
        other(2, "new-rule"),
    ];
    let open = ["blocking-index", "new-rule", "type-change"];
    assert_eq!(rules(Some(others)), open);
    assert_eq!(rules(Some(vec![])), ["needless-allow", "blocking-index"]);
    // Without the other program nobody can tell.
    assert_eq!(rules(None), ["blocking-index"]);
}
