//! `usher doctor`: what it finds, and what it says to do.

use crate::support::{Folder, database};

/// Returns the variables that `usher keys` prints.
fn keys(folder: &Folder) -> Vec<(String, String)> {
    let printed = folder.run(&["keys"], &[]);
    let lines = printed.output.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[tokio::test]
async fn a_good_environment_is_found_good() {
    let (folder, database) = (Folder::create(), database().await);
    let keys = keys(&folder);
    let mut variables: Vec<_> = keys
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    variables.push(("USHER_ISSUER", "https://id.example.com"));
    variables.push(("DATABASE_URL", database.url()));
    let early = folder.run(&["doctor"], &variables);
    assert_eq!(early.code, Some(1));
    assert!(
        early
            .output
            .contains("migrations are pending: run `usher migrate deploy`"),
        "{}",
        early.output
    );
    folder.run(&["migrate", "deploy"], &variables);
    let ended = folder.run(&["doctor"], &variables);
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    for name in [
        "USHER_SECRET",
        "signing",
        "database",
        "TLS",
        "server",
        "schema",
    ] {
        assert!(
            ended.output.contains(&format!("ok    {name} ")),
            "{name}: {}",
            ended.output
        );
    }
    let shown: Vec<_> = keys
        .iter()
        .filter(|(_, value)| ended.output.contains(value))
        .collect();
    assert!(shown.is_empty(), "{}", ended.output);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let folder = Folder::create();
    let ended = folder.run(
        &["doctor"],
        &[
            ("USHER_SECRET", "c2hvcnQ"),
            ("USHER_ARGON2", "m=1,t=1,p=1"),
            ("DATABASE_URL", "postgres://u@127.0.0.1:1/d"),
        ],
    );
    assert_eq!(ended.code, Some(1));
    for name in [
        "USHER_SIGNING_KEYS",
        "USHER_SECRET",
        "USHER_ISSUER",
        "USHER_ARGON2",
        "database",
    ] {
        assert!(
            ended.output.contains(&format!("fail  {name} ")),
            "{name}: {}",
            ended.output
        );
    }
    assert!(
        ended.output.contains("ok    DATABASE_URL "),
        "{}",
        ended.output
    );
}

#[test]
fn a_machine_of_a_developer_needs_no_variables() {
    let folder = Folder::create();
    let ended = folder.run(&["doctor"], &[("USHER_ENV", "development")]);
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    assert!(
        ended.output.contains("warn  USHER_SECRET "),
        "{}",
        ended.output
    );
}

#[tokio::test]
async fn a_replica_that_is_none_is_pointed_out() {
    let (folder, database) = (Folder::create(), database().await);
    for (replica, meaning) in [
        (database.url(), "is no replica of DATABASE_URL"),
        (
            "postgres://u@127.0.0.1:1/none",
            "the primary answers all reads",
        ),
    ] {
        let variables = [
            ("DATABASE_URL", database.url()),
            ("DATABASE_REPLICA_URL", replica),
        ];
        let ended = folder.run(&["doctor"], &variables);
        let line = ended
            .output
            .lines()
            .find(|line| line.starts_with("warn  replica "));
        assert!(
            line.is_some_and(|line| line.contains(meaning)),
            "{}",
            ended.output
        );
    }
}

#[tokio::test]
async fn hashes_that_nobody_can_open_are_counted() {
    let (folder, database) = (Folder::create(), database().await);
    let of = |printed: &str| printed.trim().split_once('=').unwrap().1.to_owned();
    let rotate = ["keys", "rotate", "--only", "USHER_PEPPER"];
    let next = of(&folder.run(&rotate, &[]).output);
    let (key, date) = next.split_once('@').unwrap();
    assert!(date.ends_with('Z'), "{date}");
    let seed = [
        ("DATABASE_URL", database.url()),
        ("SEED_ADMIN_EMAIL", "ada@example.com"),
        ("SEED_ADMIN_PASSWORD", "four words in a row"),
        ("USHER_PEPPER", key),
    ];
    assert_eq!(folder.run(&["migrate", "deploy"], &seed).code, Some(0));
    assert_eq!(folder.run(&["seed"], &seed).code, Some(0));
    let line = |pepper: Option<&str>| {
        let mut variables = vec![("DATABASE_URL", database.url())];
        variables.extend(pepper.map(|pepper| ("USHER_PEPPER", pepper)));
        let ended = folder.run(&["doctor"], &variables);
        let mut lines = ended.output.lines();
        let line = lines.find(|line| line.contains(" pepper "));
        line.unwrap_or_default().to_owned()
    };
    let sealed = line(Some(key));
    assert!(
        sealed.starts_with("ok ") && sealed.contains("hashes: 1 sealed by "),
        "{sealed}"
    );
    let other = of(&folder.run(&rotate, &[]).output);
    let (other, _) = other.split_once('@').unwrap();
    for without in [None, Some(other)] {
        let lost = line(without);
        assert!(
            lost.starts_with("fail ") && lost.contains("1 hashes are sealed"),
            "{lost}"
        );
    }
    let idle = line(Some(&format!("{key},{other}")));
    assert!(
        idle.starts_with("warn ") && idle.contains("seals nothing any more"),
        "{idle}"
    );
}
