//! `usher migrate verify` and the proof of `usher migrate dev`: exit codes, what is said, and that nothing is left behind.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use usher_devdb::test_cluster;

use crate::support::{Ended, Folder, connect, database};

/// Verifies the folder `migrations` on the server of the tests.
fn verify(folder: &Folder, arguments: &[&str]) -> Ended {
    let server = test_cluster().url("postgres");
    let all = [
        &["migrate", "verify", "--migrations", "migrations"],
        arguments,
    ]
    .concat();
    folder.run(&all, &[("SHADOW_DATABASE_URL", &server)])
}

const TABLE: (&str, &str, &str) = (
    "V1__things",
    "create table things (id int);\n",
    "drop table things;\n",
);

#[test]
fn our_own_migrations_are_proved_on_a_server_of_their_own() {
    let folder = Folder::create();
    let ended = folder.run(&["migrate", "verify"], &[]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
    let progress = "proving V20261123100000__users_and_roles (1 of ";
    assert!(ended.errors.starts_with(progress), "{}", ended.errors);
    assert!(
        ended
            .errors
            .contains("starting a server for a scratch database\n"),
        "{}",
        ended.errors
    );
    let first = "proved        V20261123100000__users_and_roles\n    its rollback loses table roles with 6 rows, table users with \
                 3 rows\n";
    assert!(ended.output.starts_with(first), "{}", ended.output);
    let last = ended.output.lines().last().unwrap();
    assert!(
        last.contains(" migrations proved on PostgreSQL ") && last.contains("with rows in "),
        "{last}"
    );
}

#[test]
fn a_migration_that_is_not_proved_is_told_by_the_exit_code() {
    let folder = Folder::create();
    folder.migration(TABLE);
    let ended = verify(&folder, &[]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
    let last = ended.output.lines().last().unwrap();
    assert!(
        last.starts_with("1 migration proved on PostgreSQL "),
        "{last}"
    );
    folder.migration((
        "V2__f",
        "create function f() returns int language sql return 1;\n",
        "select 1;\n",
    ));
    folder.migration((
        "V3__gone",
        "alter table things drop column id;\n",
        "-- irreversible: nobody knows them\n",
    ));
    folder.migration((
        "V4__no",
        "create table things ();\n",
        "drop table things;\n",
    ));
    folder.migration(("V5__never", "select 1;\n", "select 1;\n"));
    let ended = verify(&folder, &[]);
    assert_eq!(ended.code, Some(7), "{}{}", ended.output, ended.errors);
    for line in [
        "proved        V1__things",
        "    its rollback loses table things with 3 rows",
        "failed        V2__f",
        "    without rows: its rollback leaves another schema than the one before it",
        "      + grant function f() to public: EXECUTE",
        "irreversible  V3__gone: nobody knows them",
        "failed        V4__no",
        "    without rows: it cannot be applied: V4__no failed at line 1 of V4__no.sql: relation \"things\" already exists \
         (SQLSTATE 42P07)",
        "not tried     V5__never",
    ] {
        assert!(
            ended.output.contains(&format!("{line}\n")),
            "{line}: {}",
            ended.output
        );
    }
    let last = ended.output.lines().last().unwrap();
    assert!(
        last.starts_with("3 of 5 migrations not proved on PostgreSQL "),
        "{last}"
    );
}

#[test]
fn a_proof_is_shown_for_programs() {
    let folder = Folder::create();
    folder.migration(TABLE);
    folder.migration((
        "V2__wide",
        "alter table things alter id type bigint;\n",
        "alter table things alter id type int;\n",
    ));
    folder.migration((
        "V3__gone",
        "drop table things;\n",
        "-- irreversible: it is gone\n",
    ));
    folder.migration((
        "V4__f",
        "create function f() returns int language sql return 1;\n",
        "select 1;\n",
    ));
    let ended = verify(&folder, &["--json"]);
    assert_eq!(ended.code, Some(7), "{}", ended.errors);
    let shown: Value = serde_json::from_str(&ended.output).unwrap();
    assert_eq!(shown["state"], "failed");
    assert!(shown["server"].as_u64().unwrap() >= 13);
    let [first, second, third, fourth] = shown["migrations"].as_array().unwrap().as_slice() else {
        panic!("{shown}")
    };
    assert_eq!(
        *first,
        json!({
            "name": "V1__things",
            "state": "proved",
            "irreversible": null,
            "faults": [],
            "losses": [{ "kind": "table", "name": "things", "rows": 3 }],
            "refusal": null,
            "rows": { "things": 3 },
            "missingRoles": [],
        })
    );
    assert_eq!(
        (&second["state"], &second["faults"]),
        (&json!("proved"), &json!([]))
    );
    let refusal = second["refusal"].as_str().unwrap();
    assert!(
        refusal.starts_with("V2__wide failed at line 1 of rollback.sql: integer out of range"),
        "{refusal}"
    );
    assert_eq!(
        (&third["state"], &third["irreversible"]),
        (&json!("irreversible"), &json!("it is gone"))
    );
    assert_eq!(fourth["state"], "failed");
    let fault = &fourth["faults"][0];
    assert_eq!(
        (
            &fault["withRows"],
            fault["differences"].as_array().unwrap().len()
        ),
        (&json!(false), 2)
    );
}

#[test]
fn what_was_not_tried_is_said() {
    let folder = Folder::create();
    folder.write("migrations/lint.txt", "");
    let ended = verify(&folder, &[]);
    assert_eq!(
        (ended.code, ended.errors.as_str()),
        (Some(1), "error: there are no migrations to prove\n")
    );
    // Each deploy calls it, and it returns the roles that there should be.
    let function = "create function grant_privileges() returns text[] language sql as $$ select '{usher_nobody}'::text[] $$;\n";
    folder.migration(("V1__roles", function, "drop function grant_privileges();\n"));
    let ended = verify(&folder, &[]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
    let lacks = "lacks the roles usher_nobody, so that what is granted to them was not tried\n";
    assert!(ended.errors.contains(lacks), "{}", ended.errors);
}

#[tokio::test]
async fn a_proof_that_is_stopped_leaves_no_database() {
    let folder = Folder::create();
    folder.migration(("V1__slow", "select pg_sleep(60);\n", "select 1;\n"));
    let database = database().await;
    // Its sessions have a name of their own, so that they are told from those of other tests.
    let (url, name) = (database.url(), format!("stopped-{}", database.name()));
    let mark = if url.contains('?') { '&' } else { '?' };
    let server = format!("{url}{mark}application_name={name}");
    let arguments = [
        "migrate",
        "verify",
        "--migrations",
        "migrations",
        "--shadow-url",
        &server,
    ];
    let mut child = folder
        .usher(&arguments, &[])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "proving V1__slow (1 of 1)");
    let client = connect(database.url()).await;
    let asleep = "select datname::text from pg_stat_activity where query like 'select pg_sleep(60)%' and application_name = $1";
    let scratch: String = loop {
        if let Some(row) = client.query_opt(asleep, &[&name]).await.unwrap() {
            break row.get(0);
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "INT", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        said.map(Result::unwrap).last().unwrap(),
        "error: stopped before the end"
    );
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let left = client
        .query("select from pg_database where datname = $1", &[&scratch])
        .await
        .unwrap();
    assert!(left.is_empty(), "{scratch} is still there");
}

#[tokio::test]
async fn migrate_dev_applies_the_migrations_of_the_checkout_and_proves_them() {
    let (folder, database) = (Folder::create(), database().await);
    folder.write("crates/cli/Cargo.toml", "");
    folder.migration(TABLE);
    let server = test_cluster().url("postgres");
    let variables = [
        ("DATABASE_URL", database.url()),
        ("SHADOW_DATABASE_URL", &server),
    ];
    let ended = folder.run(&["migrate", "dev"], &variables);
    assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
    assert!(
        ended.output.contains("proved        V1__things\n"),
        "{}",
        ended.output
    );
    folder.migration(("V2__more", "create table more (id int);\n", "select 1;\n"));
    let ended = folder.run(&["migrate", "dev"], &variables);
    assert_eq!(ended.code, Some(7), "{}{}", ended.output, ended.errors);
    assert!(
        ended.output.contains("failed        V2__more\n"),
        "{}",
        ended.output
    );
    let client = connect(database.url()).await;
    let row = client
        .query_one("select to_regclass('more') is not null", &[])
        .await
        .unwrap();
    assert!(row.get::<_, bool>(0), "it was applied before it was tried");
}
