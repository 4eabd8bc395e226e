//! Whatever is wrong with a dump is found, or it is said that it cannot be told.

use std::fs;

use serde_json::json;

use super::source::{GOOD, Source, ended, found};

/// What is changed in a copy, and what the checks tell of it.
const CHANGES: [(&str, &[(&str, &str)]); 6] = [
    (
        "delete from sessions where user_id = 7",
        &[("rows", "sessions has 49 instead of 50")],
    ),
    (
        "update users set name = 'Mallory' where id = 7",
        &[(
            "contents",
            "users has the number of rows, and other values in them",
        )],
    ),
    (
        "update audit_logs set action = 'LOGOUT' where id = 6",
        &[
            (
                "contents",
                "audit_logs has the number of rows, and other values in them",
            ),
            ("audit-log", "<month>: an entry was changed"),
        ],
    ),
    (
        "delete from audit_logs where id = 9",
        &[
            ("rows", "audit_logs has 49 instead of 50"),
            ("audit-log", "<month>: 15 entries instead of 16"),
        ],
    ),
    (
        "select setval('audit_logs_id_seq', 3)",
        &[("sequences", "audit_logs_id_seq stands at 3 instead of 50")],
    ),
    (
        "drop trigger users_end_sessions on users; grant delete on users to usher_app",
        &[
            (
                "schema",
                "~ grant table users to usher_app\n    - INSERT, SELECT\n    + DELETE, INSERT, SELECT",
            ),
            (
                "schema",
                "- trigger users.users_end_sessions: CREATE TRIGGER users_end_sessions AFTER UPDATE OF is_active, \
                 deleted_at ON users FOR EACH ROW WHEN (old.is_active AND old.deleted_at IS NULL AND NOT \
                 (new.is_active AND new.deleted_at IS NULL)) EXECUTE FUNCTION users_end_sessions()",
            ),
        ],
    ),
];

#[tokio::test]
async fn a_file_that_was_cut_or_altered_is_found_and_not_restored() {
    let source = Source::filled().await;
    source.back_up();
    let whole = source.read("x.dump");
    let mut altered = whole.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    for (bytes, lines) in [(&whole[..whole.len() - 1], 2), (&altered[..], 1), (&[], 2)] {
        fs::write(source.folder.path().join("x.dump"), bytes).unwrap();
        let (ended, shown) = source.verify();
        assert_eq!(ended.code, Some(6), "{}", ended.errors);
        assert_eq!(shown["state"], "differs");
        assert_eq!(self::ended(&shown, "differs"), ["file"]);
        assert_eq!(self::ended(&shown, "not-checked"), GOOD[1..]);
        assert_eq!(found(&shown, "file").len(), lines);
        assert!(!ended.errors.contains("restoring"), "{}", ended.errors);
    }
    let told = source.run(&["backup", "verify", "x.dump"]);
    assert_eq!(told.code, Some(6));
    let size = format!(
        "differs      file\n    it has 0 bytes instead of {}\n",
        whole.len()
    );
    assert!(told.output.starts_with(&size), "{}", told.output);
}

#[tokio::test]
async fn a_dump_of_other_contents_is_found_even_with_its_own_sum() {
    let source = Source::filled().await;
    for (change, expected) in CHANGES {
        let made = source.run(&["backup", "create", "-o", "x.dump", "--force"]);
        assert_eq!(made.code, Some(0), "{}", made.errors);
        let manifest = source.manifest();
        let months = manifest["auditLogs"].as_object().unwrap();
        let month = months.keys().next_back().unwrap();
        source.replace_with_changed_copy(change).await;
        let (ended, shown) = source.verify();
        assert_eq!(ended.code, Some(6), "{change}: {}", ended.errors);
        assert_eq!(self::ended(&shown, "differs"), ["file"], "{change}");
        source.forge_sum();
        let (ended, shown) = source.verify();
        assert_eq!(ended.code, Some(6), "{change}: {}", ended.errors);
        let told = |name| {
            let lines = found(&shown, name).into_iter();
            lines.map(move |line| (name, line.replace(month, "<month>")))
        };
        let all: Vec<_> = GOOD.into_iter().flat_map(told).collect();
        let all: Vec<_> = all.iter().map(|(name, line)| (*name, &**line)).collect();
        assert_eq!(all, expected, "{change}");
    }
}

#[tokio::test]
async fn a_dump_of_a_newer_program_cannot_be_told() {
    let source = Source::create().await;
    source.back_up();
    let mut bytes = source.read("x.dump");
    // The version of the form of the file follows PGDMP.
    bytes[6] = 99;
    fs::write(source.folder.path().join("x.dump"), &bytes).unwrap();
    assert_eq!(source.verify().0.code, Some(6));
    source.forge_sum();
    let (ended, _) = source.verify();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .errors
            .contains("unsupported version (1.99) in file header")
            && ended
                .errors
                .contains("made by a newer pg_dump: install the client programs of that version"),
        "{}",
        ended.errors
    );
    source.change_manifest(|manifest| manifest["pgDump"] = json!({"version": "99.1", "major": 99}));
    let (ended, _) = source.verify();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.errors.contains(
            "and the dump was made by pg_dump 99.1: a pg_restore of version 99 or newer is needed"
        ),
        "{}",
        ended.errors
    );
    source.change_manifest(|manifest| manifest["format"] = json!(2));
    let (ended, _) = source.verify();
    assert_eq!(
        ended.errors,
        "error: x.dump.json is of a newer usher: use that one\n"
    );
    fs::remove_file(source.folder.path().join("x.dump.json")).unwrap();
    let (ended, _) = source.verify();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .errors
            .starts_with("error: cannot read x.dump.json, which"),
        "{}",
        ended.errors
    );
}

#[tokio::test]
async fn a_dump_of_a_newer_server_cannot_be_told() {
    let source = Source::create().await;
    source.back_up();
    source.change_manifest(|manifest| manifest["server"] = json!({"version": "99.1", "major": 99}));
    let (ended, _) = source.verify();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.errors.contains(
            "error: the dump is of PostgreSQL 99.1, and the server of the scratch database is "
        ),
        "{}",
        ended.errors
    );
}
