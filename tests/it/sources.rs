//! Rules about the sources that no compiler knows.

use std::fs;

use usher_tests::{repository, rust_files};

fn lines_with(folder: &str, patterns: &[&str]) -> Vec<String> {
    let root = repository();
    let mut found = Vec::new();
    for file in rust_files(folder) {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            if patterns.iter().any(|pattern| line.contains(pattern)) {
                found.push(format!("{name}: {}", line.trim()));
            }
        }
    }
    found
}

#[test]
fn a_statement_reaches_the_driver_in_one_place() {
    let calls = [
        ".query",
        ".execute(",
        "batch_execute",
        "copy_in",
        ".prepare(",
        ".prepare_",
        ".transaction(",
        "simple_query",
    ];
    let found = lines_with("crates/core/src", &calls);
    let elsewhere = |line: &&String| {
        let is_no_statement = line.contains(".query()") || line.contains("query.split");
        !line.starts_with("crates/core/src/client") && !is_no_statement
    };
    let outside: Vec<_> = found.iter().filter(elsewhere).collect();
    let [only] = outside[..] else {
        panic!("{outside:#?}");
    };
    assert_eq!(
        only,
        "crates/core/src/connection.rs: let query = Box::pin(client.query(statement, plan, parameters));"
    );
}

#[test]
fn what_writes_goes_through_the_one_function_that_audits() {
    let found = lines_with("crates/core/src", &[".run(", "pub(crate) async fn run"]);
    assert!(
        found
            .iter()
            .all(|line| line.starts_with("crates/core/src/connection.rs")
                || line.starts_with("crates/core/src/audited.rs")),
        "{found:#?}"
    );
    let found = lines_with("crates/core/src", &[".settle(", "async fn settle"]);
    let without_entries = [
        "accounts/",
        "api_keys",
        "audited",
        "factors",
        "invitations",
        "limits",
        "mails",
        "one_time",
        "passkeys/ceremony",
        "retention",
    ];
    assert!(
        found.iter().all(|line| without_entries
            .iter()
            .any(|file| line.starts_with(&format!("crates/core/src/{file}")))),
        "only mails, secrets, tries, challenges, invitations, counts, the last uses of keys and what accounts waited for are written without an entry: {found:#?}"
    );
    let outside = [
        "crates/mail/src",
        "crates/http/src",
        "crates/domain/src",
        "crates/function/src",
    ];
    for folder in outside {
        let found = lines_with(folder, &["tokio_postgres", "insert into", "delete from"]);
        assert!(found.is_empty(), "SQL belongs into core: {found:#?}");
    }
}

#[test]
fn the_arrows_between_the_crates_point_down() {
    let may_use = [
        ("domain", &[][..]),
        ("core", &["domain"]),
        ("post", &[]),
        ("mail", &["core", "domain", "post"]),
        ("http", &["core", "domain", "mail", "post"]),
        ("function", &["http", "post"]),
        ("migrate", &[]),
        ("devdb", &[]),
        (
            "cli",
            &[
                "core", "devdb", "domain", "function", "http", "mail", "migrate",
            ],
        ),
    ];
    for (name, allowed) in may_use {
        let manifest =
            fs::read_to_string(repository().join(format!("crates/{name}/Cargo.toml"))).unwrap();
        let dependencies = manifest
            .split("[dependencies]")
            .nth(1)
            .unwrap()
            .split("\n[")
            .next()
            .unwrap();
        let used: Vec<_> = dependencies
            .lines()
            .filter_map(|line| line.strip_prefix("usher-")?.split(['.', ' ']).next())
            .collect();
        assert!(
            used.iter().all(|used| allowed.contains(used)),
            "{name} uses {used:?}, it may use {allowed:?}"
        );
    }
}

#[test]
fn no_file_grows_beyond_reading() {
    for folder in ["api", "crates", "tests"] {
        for file in rust_files(folder).into_iter().filter(|file| {
            !file
                .components()
                .any(|part| part.as_os_str() == "node_modules")
        }) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(
                text.lines().count() <= 400,
                "{} has more than 400 lines",
                file.display()
            );
            assert!(
                text.starts_with("//!"),
                "{} does not say what it is for",
                file.display()
            );
        }
    }
}
