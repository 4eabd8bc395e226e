//! `usher migrate drift`: exit codes, what it says, and that it only reads.

use serde_json::{Value, json};
use usher_devdb::{TestDatabase, test_cluster};

use crate::support::{Ended, Folder, connect, database};

/// A folder, and a database that was just deployed to.
async fn deployed() -> (Folder, TestDatabase) {
    let (folder, database) = (Folder::create(), database().await);
    let deployed = folder.run(&["migrate", "deploy"], &[("DATABASE_URL", database.url())]);
    assert_eq!(deployed.code, Some(0), "{}", deployed.errors);
    (folder, database)
}

/// Runs the command, with its scratch database on the server of the tests.
fn drift(folder: &Folder, url: &str, arguments: &[&str]) -> Ended {
    let server = test_cluster().url("postgres");
    let all = [&["migrate", "drift"], arguments].concat();
    folder.run(
        &all,
        &[("DATABASE_URL", url), ("SHADOW_DATABASE_URL", &server)],
    )
}

async fn execute(url: &str, statements: &str) {
    connect(url).await.batch_execute(statements).await.unwrap();
}

#[tokio::test]
async fn a_fresh_deploy_has_no_drift() {
    let (folder, database) = deployed().await;
    let variables = [("DATABASE_URL", database.url())];
    // On a server that is thrown away.
    let ended = folder.run(&["migrate", "drift"], &variables);
    assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
    assert!(
        ended.output.ends_with("is what its migrations make\n"),
        "{}",
        ended.output
    );
    let ended = drift(&folder, database.url(), &["--json"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
    let shown: Value = serde_json::from_str(&ended.output).unwrap();
    assert_eq!(shown["state"], "clean");
    assert_eq!(
        (&shown["differences"], &shown["pending"]),
        (&json!([]), &json!([]))
    );
}

#[tokio::test]
async fn what_differs_is_listed_and_told_by_the_exit_code() {
    let (folder, database) = deployed().await;
    let changes = "drop trigger users_check_roles on users;
        create index users_more_idx on users (updated_at);
        alter table users alter column avatar_url set default ''";
    execute(database.url(), changes).await;
    let ended = drift(&folder, database.url(), &[]);
    assert_eq!(ended.code, Some(5), "{}{}", ended.output, ended.errors);
    let lines: Vec<_> = ended.output.lines().collect();
    assert_eq!(
        &lines[..5],
        [
            "~ column users.avatar_url",
            "    - text",
            "    + text default ''::text",
            "+ index users_more_idx: CREATE INDEX users_more_idx ON users USING btree (updated_at)",
            "- trigger users.users_check_roles: CREATE TRIGGER users_check_roles BEFORE INSERT OR UPDATE OF roles ON users \
             FOR EACH ROW EXECUTE FUNCTION users_check_roles()",
        ]
    );
    assert!(
        lines[5].contains(" differs in 3 objects: + is there alone"),
        "{}",
        lines[5]
    );
    let ended = drift(&folder, database.url(), &["--json"]);
    assert_eq!(ended.code, Some(5));
    let shown: Value = serde_json::from_str(&ended.output).unwrap();
    assert_eq!(shown["state"], "drifted");
    let column = json!({
        "change": "changed",
        "kind": "column",
        "name": "users.avatar_url",
        "expected": "text",
        "found": "text default ''::text",
    });
    assert_eq!(shown["differences"][0], column);
    assert_eq!(shown["differences"][1]["change"], "added");
    assert_eq!(shown["differences"][2]["found"], Value::Null);
}

#[tokio::test]
async fn what_is_meant_to_differ_can_be_ignored() {
    let (folder, database) = deployed().await;
    let grants = "grant select on users, roles to usher_auditor; create index extra_idx on users (updated_at)";
    execute(database.url(), grants).await;
    let ignored = [
        "--ignore",
        "grant * to usher_auditor",
        "--ignore",
        "index extra_idx",
    ];
    let ended = drift(&folder, database.url(), &ignored[..2]);
    assert_eq!(ended.code, Some(5));
    assert!(
        ended.output.contains("2 differences are ignored"),
        "{}",
        ended.output
    );
    assert!(!ended.output.contains("usher_auditor"), "{}", ended.output);
    let ended = drift(&folder, database.url(), &ignored);
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    let ended = drift(
        &folder,
        database.url(),
        &[&ignored[..], &["--ignore", "table nowhere"]].concat(),
    );
    assert!(
        ended
            .errors
            .contains("nothing that differs is called table nowhere"),
        "{}",
        ended.errors
    );
}

#[tokio::test]
async fn what_is_pending_is_said_first_and_is_no_drift() {
    let (folder, database) = (Folder::create(), database().await);
    let ended = drift(&folder, database.url(), &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(
        ended
            .output
            .starts_with("no migration is applied: `usher migrate deploy`"),
        "{}",
        ended.output
    );
    let some = ["migrate", "deploy", "--to", "20261123100100"];
    assert_eq!(
        folder.run(&some, &[("DATABASE_URL", database.url())]).code,
        Some(0)
    );
    let ended = drift(&folder, database.url(), &[]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
    let first = ended.output.lines().next().unwrap();
    assert!(
        first.ends_with(
            "migrations are pending, which is no drift; compared is version 20261123100100"
        ),
        "{first}"
    );
    let shown: Value =
        serde_json::from_str(&drift(&folder, database.url(), &["--json"]).output).unwrap();
    assert_eq!(shown["pending"][0], "V20261123100200__audit_logs");
}

#[tokio::test]
async fn a_broken_history_is_said_first_and_has_its_own_exit_code() {
    let (folder, database) = deployed().await;
    let change = "update refinery_schema_history set checksum = '1' where version = 20261123100100;
        insert into refinery_schema_history values (29990101000000, 'later', '2999-01-01T00:00:00Z', '1');
        drop index users_name_idx";
    execute(database.url(), change).await;
    let ended = drift(&folder, database.url(), &[]);
    assert_eq!(ended.code, Some(4), "{}{}", ended.output, ended.errors);
    assert!(
        ended.output.starts_with(
            "divergent     V20261123100100__sessions\nmissing       V29990101000000__later\nthe history is not that of"
        ),
        "{}",
        ended.output
    );
    assert!(
        ended.output.contains("\n- index users_name_idx: "),
        "{}",
        ended.output
    );
    let shown: Value =
        serde_json::from_str(&drift(&folder, database.url(), &["--json"]).output).unwrap();
    assert_eq!(
        (&shown["state"], &shown["version"]),
        (&json!("broken"), &json!(29_990_101_000_000_i64))
    );
    assert_eq!(shown["broken"][0]["state"], "divergent");
}

#[tokio::test]
async fn a_reader_of_production_needs_to_read_the_history_and_no_more() {
    let (folder, database) = deployed().await;
    // The role of the functions owns nothing and may read the history.
    let url = database.url_as("usher_app");
    let mark = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{mark}options=-c%20default_transaction_read_only%3Don");
    let ended = drift(&folder, &url, &[]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
    execute(
        database.url(),
        "revoke select on refinery_schema_history from usher_app",
    )
    .await;
    let ended = drift(&folder, &url, &[]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .errors
            .contains("`grant select on refinery_schema_history to`"),
        "{}",
        ended.errors
    );
}
