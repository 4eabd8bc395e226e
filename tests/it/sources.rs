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

#[test]
fn the_page_of_attacks_names_tests_that_there_are_and_leaves_no_number_out() {
    let root = repository();
    let page = fs::read_to_string(root.join("docs/attacks.md")).unwrap();
    let mut named = 0;
    for place in page.split('`').filter(|text| text.contains(".rs::")) {
        let (file, test) = place.split_once("::").unwrap();
        let source = fs::read_to_string(root.join(file)).unwrap_or_default();
        let declared = format!("fn {test}(");
        assert!(source.contains(&declared), "there is no test {place}");
        named += 1;
    }
    assert!(named > 70, "{named} tests are named");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let numbers: Vec<usize> = rows
        .filter_map(|row| row.split(' ').next()?.parse().ok())
        .collect();
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=52).collect::<Vec<_>>(), "{numbers:?}");
}

/// Hashes of secrets are looked up by the database; these are the places that compare one in the process.
#[test]
fn secrets_are_compared_in_constant_time() {
    for (file, comparison) in [
        ("crates/core/src/passwords.rs", "output.ct_eq("),
        ("crates/core/src/factors/totp.rs", ".ct_eq(shown"),
        ("crates/core/src/refresh.rs", ".ct_eq(hash)"),
        ("crates/core/src/secret.rs", "tag.ct_eq("),
        ("crates/core/src/limits/device.rs", "hmac::verify("),
        (
            "crates/http/src/app.rs",
            "self.secret.is_equal(known, token)",
        ),
        ("crates/core/src/secret.rs", "fn is_equal("),
    ] {
        let text = fs::read_to_string(repository().join(file)).unwrap();
        assert!(text.contains(comparison), "{file} compares otherwise");
    }
    let plain = [
        "hash() ==",
        "== hash",
        "tag ==",
        "== tag",
        "secret ==",
        "== secret",
    ];
    let found = lines_with("crates/core/src", &plain);
    let outside: Vec<_> = found
        .iter()
        .filter(|line| !line.contains("tests"))
        .collect();
    assert!(outside.is_empty(), "{outside:#?}");
}
