//! `usher backup`: what a dump and its manifest are, and that they belong together.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;
use source::{GOOD, Source};

use crate::support::connect;

mod faults;
mod others;
mod source;

#[tokio::test]
async fn a_backup_is_two_private_files_and_verified_on_a_server_of_its_own() {
    let source = Source::filled().await;
    let made = source.run(&["backup", "create"]);
    assert_eq!(made.code, Some(0), "{}", made.errors);
    let name = made.output.split("  ").next().unwrap();
    let start = format!("usher-{}-2", source.database.name());
    assert!(
        name.starts_with(&start) && name.ends_with("Z.dump"),
        "{name}"
    );
    let mut files: Vec<_> = fs::read_dir(source.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                entry.metadata().unwrap(),
            )
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [name, &format!("{name}.json")]);
    for (name, metadata) in &files {
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert!(
        made.output.contains(" tables with ")
            && made.output.contains(", 50 of them audit entries; "),
        "{}",
        made.output
    );
    let verified = source.run(&["backup", "verify", name]);
    assert_eq!(
        verified.code,
        Some(0),
        "{}{}",
        verified.output,
        verified.errors
    );
    let good = verified
        .output
        .lines()
        .filter(|line| line.starts_with("good         "));
    assert_eq!(good.count(), 6, "{}", verified.output);
    assert!(
        verified
            .output
            .contains("good         audit log  3 months, "),
        "{}",
        verified.output
    );
    let last = verified.output.lines().last().unwrap();
    let start = format!(
        "the dump is a good copy of {} as of 2",
        source.database.name()
    );
    assert!(last.starts_with(&start), "{last}");
}

#[tokio::test]
async fn a_manifest_holds_the_schema_the_rows_and_the_audit_log() {
    let source = Source::filled().await;
    source.back_up();
    let manifest = source.manifest();
    assert_eq!(manifest["database"], source.database.name());
    assert_eq!(manifest["schema"]["name"], "public");
    assert_eq!(
        manifest["schema"]["extensions"],
        json!({"pg_trgm": "public"})
    );
    let objects = manifest["schema"]["objects"].as_array().unwrap();
    let grant = "table audit_logs to usher_auditor";
    assert!(objects.contains(&json!({"kind": "grant", "name": grant, "definition": "SELECT"})));
    assert_eq!(manifest["tables"]["users"]["rows"], 50);
    assert_eq!(manifest["tables"]["audit_logs"]["rows"], 50);
    assert_eq!(
        manifest["sequences"],
        json!({"audit_logs_id_seq": 50, "users_id_seq": 50})
    );
    let months = manifest["auditLogs"].as_object().unwrap();
    let rows: Vec<_> = months
        .values()
        .map(|month| month["rows"].as_i64().unwrap())
        .collect();
    assert_eq!(rows, [17, 17, 16]);
    assert!(
        months
            .values()
            .all(|month| month["firstAt"] == month["lastAt"])
    );
    let (ended, shown) = source.verify();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert_eq!(source::ended(&shown, "good"), GOOD);
}

#[tokio::test]
async fn a_backup_that_is_there_is_not_replaced_by_accident() {
    let source = Source::create().await;
    source.folder.write("x.dump", "something else");
    let create = ["backup", "create", "-o", "x.dump"];
    let refused = source.run(&create);
    assert_eq!(refused.code, Some(1));
    assert_eq!(
        refused.errors,
        "error: x.dump exists already: choose another name, or use --force to replace it\n"
    );
    assert_eq!(source.read("x.dump"), b"something else");
    let forced = source.run(&[&create[..], &["--force"]].concat());
    assert_eq!(forced.code, Some(0), "{}", forced.errors);
    assert!(source.read("x.dump").starts_with(b"PGDMP"));
    assert_eq!(source.run(&create).code, Some(1));
}

#[tokio::test]
async fn a_manifest_fits_the_dump_whatever_is_written_meanwhile() {
    let source = Source::filled().await;
    let is_over = AtomicBool::new(false);
    let url = source.database.url().to_owned();
    thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let client = connect(&url).await;
                let insert = "insert into audit_logs (action, entity) select 'X', 'y' from generate_series(1, 20)";
                while !is_over.load(Ordering::Relaxed) {
                    client.batch_execute(insert).await.unwrap();
                }
            });
        });
        source.back_up();
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(
        source.manifest()["tables"]["audit_logs"]["rows"]
            .as_i64()
            .unwrap()
            >= 50
    );
    let (ended, shown) = source.verify();
    assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
    assert_eq!(source::ended(&shown, "good"), GOOD);
}

#[tokio::test]
async fn a_backup_restored_by_hand_is_complete() {
    let source = Source::filled().await;
    source.back_up();
    let copy = source.restore().await;
    let variables = [("DATABASE_URL", copy.url())];
    let status = source.folder.run(&["migrate", "status"], &variables);
    assert_eq!(status.code, Some(0), "{}{}", status.output, status.errors);
    let deployed = source.folder.run(&["migrate", "deploy"], &variables);
    assert!(
        deployed.output.starts_with("nothing to apply"),
        "{}",
        deployed.output
    );
    let client = connect(&copy.url_as("usher_app")).await;
    let row = client
        .query_one("select count(*) from users", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 50);
    let refused = client
        .batch_execute("delete from audit_logs")
        .await
        .unwrap_err();
    let refused = refused.as_db_error().unwrap().message().to_owned();
    assert_eq!(refused, "permission denied for table audit_logs");
    let new = "insert into audit_logs (action, entity) values ('X', 'y') returning id";
    let row = client.query_one(new, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 51);
}

#[tokio::test]
async fn a_backup_that_is_stopped_leaves_nothing() {
    let source = Source::filled().await;
    let client = connect(source.database.url()).await;
    // The dump waits for this.
    client
        .batch_execute("begin; lock table users")
        .await
        .unwrap();
    let variables = [("DATABASE_URL", source.database.url())];
    let mut command = source.folder.usher(&["backup", "create"], &variables);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.next().unwrap().unwrap().starts_with("copying "));
    let waiting = "select count(*) from pg_stat_activity
        where application_name = 'usher' and wait_event_type = 'Lock' and datname = current_database()";
    loop {
        let row = client.query_one(waiting, &[]).await.unwrap();
        if row.get::<_, i64>(0) > 0 {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let last = said.map(Result::unwrap).last().unwrap();
    assert_eq!(last, "error: stopped before the end");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(fs::read_dir(source.folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn without_the_client_programs_it_is_told_what_to_install() {
    let source = Source::create().await;
    source.back_up();
    let nowhere = source.folder.path().join("nowhere");
    let variables = [
        ("DATABASE_URL", source.database.url()),
        ("PG_BINDIR", nowhere.to_str().unwrap()),
    ];
    for (arguments, program) in [
        (&["backup", "create"][..], "pg_dump"),
        (&["backup", "verify", "x.dump"], "pg_restore"),
        (&["studio"], "psql"),
    ] {
        let ended = source.folder.run(arguments, &variables);
        assert_eq!(ended.code, Some(1));
        let start = format!(
            "error: {program} is missing, not in {}: install the client",
            nowhere.display()
        );
        assert!(ended.errors.contains(&start), "{}", ended.errors);
    }
}
