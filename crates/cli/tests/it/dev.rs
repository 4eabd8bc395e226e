//! `usher dev`: what it serves, what it keeps, and that it leaves nothing running.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use serde_json::Value;

use crate::support::{Folder, Running, database, is_alive};

const ADMIN: (&str, &str) = ("admin@example.com", "correct horse battery staple");
const DEV: [&str; 5] = ["dev", "--port", "0", "--data-dir", "data"];

fn users(running: &Running, token: &str) -> Value {
    let (status, body) = running.ask("GET", "/api/users", Some(token), "");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn everything_is_there_from_an_empty_folder_and_nothing_runs_afterwards() {
    let folder = Folder::create();
    folder.write("public/robots.txt", "a file");
    let running = Running::start(folder.usher(&DEV, &[]));
    let servers = running.servers();
    assert_eq!(servers.len(), 1, "{}", running.said);
    let (status, body) = running.ask("GET", "/api/health", None, "");
    assert!(status == 200 && body.contains(r#""status":"ok""#), "{body}");
    let token = running.sign_in(ADMIN.0, ADMIN.1);
    let listed = users(&running, &token);
    assert_eq!(
        listed["data"][0]["roles"],
        serde_json::json!(["admin", "user"])
    );
    let ended = running.stop("INT");
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(
        ended
            .output
            .ends_with("stopped, and the database with it\n"),
        "{}",
        ended.output
    );
    assert!(ended.errors.contains("usher::sql"), "{}", ended.errors);
    assert!(!is_alive(servers[0]));
}

#[test]
fn files_are_served_beside_the_api_and_nothing_else_is() {
    let folder = Folder::create();
    folder.write("public/robots.txt", "a file");
    folder.write("public/api/users", "no file");
    folder.write("secret", "not public");
    let running = Running::start(folder.usher(&DEV, &[]));
    assert_eq!(
        running.ask("GET", "/robots.txt", None, ""),
        (200, "a file".to_owned())
    );
    assert_eq!(running.ask("HEAD", "/robots.txt", None, "").0, 200);
    assert_eq!(running.ask("GET", "/api/users", None, "").0, 401);
    for (method, path) in [
        ("GET", "/nothing"),
        ("POST", "/robots.txt"),
        ("GET", "/api/robots.txt"),
        ("GET", "/../secret"),
        ("GET", "/%2e%2e/secret"),
    ] {
        let (status, body) = running.ask(method, path, None, "");
        assert!(
            status == 404 && body.contains(r#""code":"not-found""#),
            "{method} {path}: {status} {body}"
        );
    }
    assert_eq!(running.stop("TERM").code, Some(0));
}

#[test]
fn a_second_start_keeps_users_and_sessions_and_a_fresh_one_does_not() {
    let folder = Folder::create();
    let running = Running::start(folder.usher(&DEV, &[]));
    let token = running.sign_in(ADMIN.0, ADMIN.1);
    let secrets = folder.path().join("data/secrets.env");
    assert_eq!(
        fs::metadata(&secrets).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let kept = fs::read_to_string(&secrets).unwrap();
    let refused = folder.run(&[&DEV[..], &["--fresh"]].concat(), &[]);
    assert!(
        refused.errors.contains("another usher command uses data"),
        "{}",
        refused.errors
    );
    // The issuer names the port, so the token needs the same one.
    let port = running.port.to_string();
    running.stop("INT");
    let again = Running::start(folder.usher(&["dev", "--port", &port, "--data-dir", "data"], &[]));
    assert!(again.said.contains("is there already"), "{}", again.said);
    assert_eq!(users(&again, &token)["data"].as_array().unwrap().len(), 1);
    again.stop("INT");
    let fresh = Running::start(folder.usher(&[&DEV[..], &["--fresh"]].concat(), &[]));
    assert!(fresh.said.contains("created the admin"), "{}", fresh.said);
    assert_ne!(fs::read_to_string(&secrets).unwrap(), kept);
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let folder = Folder::create();
    folder.write("data/thesis", "all of it");
    for arguments in [&DEV[..], &[&DEV[..], &["--fresh"]].concat()] {
        let ended = folder.run(arguments, &[]);
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.errors.contains("data was not made by usher"),
            "{}",
            ended.errors
        );
    }
    assert!(folder.path().join("data/thesis").is_file());
}

#[test]
fn a_port_in_use_is_said_at_once() {
    let folder = Folder::create();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = folder.run(&["dev", "--port", &port, "--data-dir", "data"], &[]);
    assert_eq!(ended.code, Some(1));
    let expected = format!(
        "error: port {port} is in use: choose another one with --port, or end what uses it\n"
    );
    assert_eq!(ended.errors, expected);
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn a_database_that_is_named_is_used_and_no_server_started() {
    let (folder, database) = (Folder::create(), database().await);
    folder.write(".env", &format!("DATABASE_URL='{}'\n", database.url()));
    let running = Running::start(folder.usher(&DEV, &[]));
    assert!(
        running
            .said
            .contains("from DATABASE_URL; no server is started"),
        "{}",
        running.said
    );
    assert!(running.servers().is_empty());
    assert!(!folder.path().join("data/postgres").exists());
    running.sign_in(ADMIN.0, ADMIN.1);
    let ended = running.stop("INT");
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(!ended.output.contains(database.url()), "{}", ended.output);
}

#[tokio::test]
async fn no_admin_with_a_known_password_is_made_among_users() {
    let (folder, database) = (Folder::create(), database().await);
    let named = [
        ("DATABASE_URL", database.url()),
        ("SEED_ADMIN_EMAIL", "ada@example.com"),
        ("SEED_ADMIN_PASSWORD", "four words in a row"),
    ];
    let running = Running::start(folder.usher(&DEV, &named));
    assert!(!running.said.contains("four words"), "{}", running.said);
    let token = running.sign_in("ada@example.com", "four words in a row");
    running.stop("INT");
    let running = Running::start(folder.usher(&DEV, &named[..1]));
    assert!(running.said.contains("no admin made"), "{}", running.said);
    let body = format!(r#"{{"email":"{}","password":"{}"}}"#, ADMIN.0, ADMIN.1);
    assert_eq!(running.ask("POST", "/api/auth/login", None, &body).0, 401);
    drop(token);
}

#[test]
fn a_new_user_finds_the_mail_at_the_page_for_it_and_signs_in() {
    let folder = Folder::create();
    let running = Running::start(folder.usher(&DEV, &[]));
    assert!(running.said.contains("/dev/mail"), "{}", running.said);
    let new = r#"{"name":"Ada","email":"ada@example.com","password":"a few words of my own"}"#;
    let (status, body) = running.ask("POST", "/api/auth/register", None, new);
    assert_eq!(status, 202, "{body}");
    let mail = newest_mail(&running);
    assert_eq!(mail["to"], "ada@example.com");
    let (status, page) = running.ask("GET", "/dev/mail", None, "");
    assert!(
        status == 200 && page.contains("ada@example.com") && page.contains("/account/verify.html#"),
        "{page}"
    );
    let text = mail["text"].as_str().unwrap();
    let token = text.split("#token=").nth(1).unwrap();
    let token = token.split_whitespace().next().unwrap();
    let form = format!(r#"{{"token":"{token}"}}"#);
    let (status, body) = running.ask("POST", "/api/auth/verify-email", None, &form);
    assert_eq!(status, 204, "{body}");
    running.sign_in("ada@example.com", "a few words of my own");
    assert_eq!(running.stop("INT").code, Some(0));
}

/// Waits for a mail, which is sent after the answer, for ten seconds at most.
fn newest_mail(running: &Running) -> Value {
    for _ in 0..200 {
        let (_, body) = running.ask("GET", "/dev/mail.json", None, "");
        let mails: Value = serde_json::from_str(&body).unwrap();
        if mails["data"][0].is_object() {
            return mails["data"][0].clone();
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("no mail came");
}
