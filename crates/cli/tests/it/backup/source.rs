//! A database to back up, its dump, and what `usher backup verify` says of it.

use std::{fmt::Write, fs, process::Command};

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use usher_devdb::{TestDatabase, test_cluster};

use crate::support::{Ended, Folder, connect, database};

pub(super) const GOOD: [&str; 6] = [
    "file",
    "schema",
    "rows",
    "contents",
    "sequences",
    "audit-log",
];

/// Rows in every table that people fill, and an audit log of three months.
const ROWS: &str = "
    insert into users (name, email, roles)
    select 'User ' || number, number || '@example.com', '{user}' from generate_series(1, 50) as number;
    insert into sessions (id, user_id, refresh_hash, expires_at)
    select gen_random_uuid(), id, sha256(email::bytea), now() from users;
    insert into audit_logs (actor_id, action, entity, payload, created_at)
    select id, 'LOGIN', 'auth', jsonb_build_object('n', id), date_trunc('month', now()) - id % 3 * interval '1 month'
    from users";

/// A database with the schema, and a folder to back it up into.
pub(super) struct Source {
    pub(super) folder: Folder,
    pub(super) database: TestDatabase,
}

impl Source {
    pub(super) async fn create() -> Self {
        let (folder, database) = (Folder::create(), database().await);
        let source = Self { folder, database };
        let deployed = source.run(&["migrate", "deploy"]);
        assert_eq!(deployed.code, Some(0), "{}", deployed.errors);
        source
    }

    pub(super) async fn filled() -> Self {
        let source = Self::create().await;
        source.execute(ROWS).await;
        source
    }

    pub(super) async fn execute(&self, statements: &str) {
        let client = connect(self.database.url()).await;
        client.batch_execute(statements).await.unwrap();
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Ended {
        let variables = [("DATABASE_URL", self.database.url())];
        self.folder.run(arguments, &variables)
    }

    /// Makes the backup `x.dump`.
    pub(super) fn back_up(&self) {
        let made = self.run(&["backup", "create", "--output", "x.dump"]);
        assert_eq!(made.code, Some(0), "{}", made.errors);
    }

    /// Verifies `x.dump` on the server of the tests.
    pub(super) fn verify(&self) -> (Ended, Value) {
        let server = test_cluster().url("postgres");
        let ended = self.run(&[
            "backup",
            "verify",
            "x.dump",
            "--json",
            "--shadow-url",
            &server,
        ]);
        let shown = serde_json::from_str(&ended.output).unwrap_or_default();
        (ended, shown)
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).unwrap()
    }

    pub(super) fn manifest(&self) -> Value {
        serde_json::from_slice(&self.read("x.dump.json")).unwrap()
    }

    pub(super) fn change_manifest(&self, change: impl FnOnce(&mut Value)) {
        let mut manifest = self.manifest();
        change(&mut manifest);
        self.folder.write("x.dump.json", &manifest.to_string());
    }

    /// Makes the manifest say what the file is now.
    pub(super) fn forge_sum(&self) {
        let bytes = self.read("x.dump");
        let digest = digest(&SHA256, &bytes);
        let mut sum = String::new();
        for byte in digest.as_ref() {
            write!(sum, "{byte:02x}").unwrap();
        }
        self.change_manifest(|manifest| {
            manifest["file"]["size"] = json!(bytes.len());
            manifest["file"]["sha256"] = json!(sum);
        });
    }

    /// Restores `x.dump` in the way that the help tells.
    pub(super) async fn restore(&self) -> TestDatabase {
        let copy = database().await;
        let script = "set -eu
            pg_restore -l x.dump | grep -v 'SCHEMA - public' > list
            pg_restore --no-owner --single-transaction -L list -d \"$1\" x.dump";
        let restored = Command::new("sh")
            .args(["-c", script, "sh", copy.url()])
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(restored.status.success(), "{restored:?}");
        copy
    }

    /// Puts a dump of a restored copy, after these statements, in the place of the dump.
    pub(super) async fn replace_with_changed_copy(&self, statements: &str) {
        let copy = self.restore().await;
        let client = connect(copy.url()).await;
        // Without the triggers that refuse it.
        let all = format!("set session_replication_role = replica; {statements}");
        client.batch_execute(&all).await.unwrap();
        let dumped = Command::new("pg_dump")
            .args([
                "-Fc",
                "-n",
                "public",
                "-e",
                "pg_trgm",
                "-f",
                "x.dump",
                copy.url(),
            ])
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(dumped.status.success(), "{dumped:?}");
    }
}

/// Returns the names of the checks that ended in a way.
pub(super) fn ended(shown: &Value, state: &str) -> Vec<String> {
    let checks = shown["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["state"] == state)
        .map(|check| check["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Returns what a check found.
pub(super) fn found<'a>(shown: &'a Value, name: &str) -> Vec<&'a str> {
    let mut checks = shown["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["name"] == name).unwrap();
    let differences = check["differences"].as_array().unwrap();
    differences
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect()
}
