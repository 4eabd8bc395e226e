//! `usher migrate`: exit codes, where the connection comes from, and what it refuses.

use serde_json::Value;

use crate::support::{Folder, database};

#[tokio::test]
async fn a_status_is_told_by_the_exit_code() {
    let (folder, database) = (Folder::create(), database().await);
    let variables = [("DATABASE_URL", database.url())];
    let status = folder.run(&["migrate", "status"], &variables);
    assert_eq!(status.code, Some(3), "{}", status.errors);
    assert!(
        status
            .output
            .contains("pending       V20261123100000__users_and_roles\n"),
        "{}",
        status.output
    );
    let deployed = folder.run(&["migrate", "deploy"], &variables);
    assert_eq!(deployed.code, Some(0), "{}", deployed.errors);
    assert!(
        deployed
            .output
            .contains("applied V20261123100000__users_and_roles\n"),
        "{}",
        deployed.output
    );
    let again = folder.run(&["migrate", "deploy"], &variables);
    assert!(
        again.output.starts_with("nothing to apply"),
        "{}",
        again.output
    );
    let status = folder.run(&["migrate", "status", "--json"], &variables);
    assert_eq!(status.code, Some(0), "{}", status.errors);
    let shown: Value = serde_json::from_str(&status.output).unwrap();
    assert_eq!(shown["state"], "clean");
    assert_eq!(shown["migrations"][0]["state"], "applied");
    assert!(
        shown["migrations"][0]["appliedAt"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
}

#[tokio::test]
async fn a_history_that_was_changed_is_broken() {
    let (folder, database) = (Folder::create(), database().await);
    let variables = [("DATABASE_URL", database.url())];
    assert_eq!(folder.run(&["migrate", "deploy"], &variables).code, Some(0));
    let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    let change = async {
        let statement = "update refinery_schema_history set checksum = '1'";
        client.batch_execute(statement).await.unwrap();
        drop(client);
    };
    let ((), ended) = tokio::join!(change, connection);
    ended.unwrap();
    let status = folder.run(&["migrate", "status"], &variables);
    assert_eq!(status.code, Some(4), "{}", status.errors);
    let deployed = folder.run(&["migrate", "deploy"], &variables);
    assert_eq!(deployed.code, Some(1));
    assert!(
        deployed.errors.contains("was changed after it was applied"),
        "{}",
        deployed.errors
    );
}

#[tokio::test]
async fn the_direct_connection_wins_and_the_environment_wins_over_the_file() {
    let (folder, database) = (Folder::create(), database().await);
    folder.write(
        ".env",
        "DIRECT_URL=postgres://u@127.0.0.1:1/from-the-file\n",
    );
    let variables = [
        ("DATABASE_URL", "postgres://u@127.0.0.1:1/pooled"),
        ("DIRECT_URL", database.url()),
    ];
    assert_eq!(folder.run(&["migrate", "status"], &variables).code, Some(3));
    let ended = folder.run(&["migrate", "status"], &variables[..1]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .errors
            .starts_with("error: cannot connect to 127.0.0.1:1/from-the-file (DIRECT_URL): "),
        "{}",
        ended.errors
    );
    assert_eq!(ended.errors.lines().count(), 1);
}

#[test]
fn a_transaction_pooler_is_refused_unless_allowed() {
    let folder = Folder::create();
    let pooled = "postgres://u:hunter2@127.0.0.1:6543/app";
    for command in ["deploy", "status"] {
        let ended = folder.run(&["migrate", command, "--database-url", pooled], &[]);
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.errors.contains("(port 6543)") && ended.errors.contains("set DIRECT_URL"),
            "{}",
            ended.errors
        );
        let ended = folder.run(
            &[
                "migrate",
                command,
                "--database-url",
                pooled,
                "--allow-pooler",
            ],
            &[],
        );
        assert!(
            ended
                .errors
                .contains("cannot connect to 127.0.0.1:6543/app"),
            "{}",
            ended.errors
        );
        assert!(!ended.errors.contains("hunter2"), "{}", ended.errors);
    }
}
