//! `usher migrate lint`: exit codes, what is said, and whether squawk ran.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Ended, Folder};

/// Looks through the folder `migrations` where no other program is installed.
fn lint(folder: &Folder, arguments: &[&str]) -> Ended {
    let all = [
        &["migrate", "lint", "--migrations", "migrations"],
        arguments,
    ]
    .concat();
    folder.run(&all, &[("PATH", "/nowhere")])
}

fn folder() -> Folder {
    let folder = Folder::create();
    folder.migration((
        "V1__things",
        "create table things (id bigint);\n",
        "drop table things;\n",
    ));
    folder
}

#[test]
fn nothing_found_is_told_by_the_exit_code() {
    let ended = lint(&folder(), &[]);
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    assert_eq!(
        ended.output,
        "nothing found in 1 migration, 0 accepted; squawk did not run, since it is not installed: `pip install squawk-cli`, \
         or `npm install -g squawk-cli`\n"
    );
    let needed = lint(&folder(), &["--with-squawk"]);
    assert_eq!(needed.code, Some(1));
    assert!(
        needed
            .errors
            .starts_with("error: squawk is not installed: `pip install"),
        "{}",
        needed.errors
    );
    let nothing = Folder::create().run(&["migrate", "lint"], &[]);
    assert!(
        nothing.code == Some(1) && nothing.errors.contains("this is no checkout"),
        "{}",
        nothing.errors
    );
}

#[test]
fn a_finding_is_one_line_with_its_place_and_the_way_out() {
    let folder = folder();
    folder.migration((
        "V2__index",
        "-- Fast.\ncreate index on things (id);\n",
        "-- Nothing.\n",
    ));
    let ended = lint(&folder, &[]);
    assert_eq!(ended.code, Some(8), "{}{}", ended.output, ended.errors);
    let lines: Vec<_> = ended.output.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(
        lines[0],
        "migrations/V2__index/V2__index.sql:2: blocking-index: nobody writes to `things` while this index is made; make it \
         `concurrently if not exists`, alone in a migration that begins with `-- migrate: no-transaction`"
    );
    assert!(
        lines[1].starts_with("migrations/V2__index/rollback.sql:1: missing-rollback: "),
        "{lines:?}"
    );
    assert!(
        lines[2].starts_with("2 findings in 2 migrations, 0 accepted; squawk did not run"),
        "{lines:?}"
    );
    fs::remove_file(folder.path().join("migrations/V2__index/rollback.sql")).unwrap();
    assert_eq!(
        lint(&folder, &[]).output,
        ended.output,
        "a file that is not there is like an empty one"
    );
}

#[test]
fn findings_and_what_is_accepted_are_shown_for_programs() {
    let folder = folder();
    let index = "-- lint: allow blocking-index because there are ten things\ncreate index on things (id);\n";
    folder.migration(("V2__index", index, "drop index things_id_idx;\n"));
    folder.migration(("V3__gone", "drop table things;\n", "begin;\n"));
    folder.write(
        "migrations/lint.txt",
        "V3__gone allow breaks-older-functions because nobody uses it\n",
    );
    let ended = lint(&folder, &["--json"]);
    assert_eq!(ended.code, Some(8), "{}", ended.errors);
    let shown: Value = serde_json::from_str(&ended.output).unwrap();
    assert_eq!(
        (&shown["state"], &shown["squawk"]),
        (&json!("findings"), &json!(null))
    );
    let findings = shown["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{shown}");
    assert_eq!(findings[0]["file"], "V3__gone/rollback.sql");
    assert_eq!(
        (&findings[0]["line"], &findings[0]["rule"]),
        (&json!(1), &json!("transaction-statement"))
    );
    assert!(
        findings[0]["advice"]
            .as_str()
            .unwrap()
            .starts_with("take it out")
    );
    let accepted: Vec<_> = shown["accepted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| &finding["reason"])
        .collect();
    assert_eq!(accepted, ["there are ten things", "nobody uses it"]);

    folder.migration((
        "V3__gone",
        "drop table things;\n",
        "-- irreversible: it is gone\n",
    ));
    let ended = lint(&folder, &["--json"]);
    let shown: Value = serde_json::from_str(&ended.output).unwrap();
    assert_eq!((ended.code, &shown["state"]), (Some(0), &json!("clean")));
}

#[test]
fn squawk_is_asked_where_it_is_installed_and_the_result_says_so() {
    let folder = folder();
    // Only squawk has something against the type; the index of an older table is found by both, and told once.
    folder.migration((
        "V2__more",
        "create table more (\n  id int\n);\ncreate index on things (id);\n",
        "drop table more;\n",
    ));
    let alone =
        "-- migrate: no-transaction\ncreate index concurrently if not exists i on more (id);\n";
    folder.migration((
        "V3__index",
        alone,
        "-- migrate: no-transaction\ndrop index concurrently if exists i;\n",
    ));
    let ended = folder.run(
        &["migrate", "lint", "--migrations", "migrations", "--json"],
        &[],
    );
    assert_eq!(ended.code, Some(8), "{}{}", ended.output, ended.errors);
    let shown: Value = serde_json::from_str(&ended.output).unwrap();
    let findings = shown["findings"].as_array().unwrap().iter();
    let findings: Vec<_> = findings
        .map(|finding| {
            (
                finding["rule"].as_str().unwrap(),
                finding["line"].as_u64().unwrap(),
            )
        })
        .collect();
    let ours = ("blocking-index", 4);
    if shown["squawk"].is_null() {
        assert_eq!(findings, [ours]);
    } else {
        assert_eq!(findings, [("prefer-bigint-over-int", 2), ours]);
    }
}

#[test]
fn the_migrations_of_this_checkout_have_no_findings() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
    let ended = Folder::create().run(&["migrate", "lint", "--migrations", root], &[]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
}
