//! A database on another machine: spoken to by TLS, with its certificate and its name verified, or not at all.

use serde_json::json;
use usher_tests::{
    PASSWORD, TestApp, Wire,
    processes::{
        authority::Authority,
        server::{self, NAME},
    },
};

/// Returns why the database is away, as the report of development has it.
async fn refusal(t: &TestApp) -> String {
    let answer = t.anonymous().get("/api/health").await;
    assert_eq!(answer.problem(503), "database-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    answer.body()["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_server_with_the_certificate_of_a_named_authority_is_trusted() {
    let (server, authority) = server::with_tls().await;
    let file = authority.file();
    for more in [
        "sslmode=verify-full",
        "sslmode=require&channel_binding=require",
        "sslmode=disable",
    ] {
        let more = format!("{more}&sslrootcert={}", file.display());
        let t = server
            .instance(|database| server.remote_url(database, NAME, &more), &[])
            .await;
        t.anonymous()
            .sign_in("member@example.com", PASSWORD)
            .await
            .expect(200);
        let change = json!({ "name": "Somebody" });
        t.admin().patch("/api/users/4", change).await.expect(200);
        let encrypted = "select bool_and(ssl) and count(*) > 0
            from pg_stat_ssl join pg_stat_activity using (pid)
            where application_name = 'usher' and datname = current_database()";
        assert_eq!(t.sql(encrypted, &[]).await, true, "{more}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_prove_who_it_is_is_refused() {
    let (server, authority) = server::with_tls().await;
    // It bears the same name as the one that signed.
    let stranger = Authority::create("stranger");
    let (known, unknown) = (authority.file(), stranger.file());
    for (host, more, reason) in [
        (
            NAME,
            format!("sslrootcert={}", unknown.display()),
            "invalid peer certificate",
        ),
        (
            NAME,
            "sslmode=verify-full".to_owned(),
            "invalid peer certificate",
        ),
        (
            "other.internal",
            format!("sslrootcert={}", known.display()),
            "not valid for name",
        ),
        (
            "other.internal",
            format!("sslmode=require&sslrootcert={}", known.display()),
            "not valid for name",
        ),
    ] {
        let t = server
            .instance(|database| server.remote_url(database, host, &more), &[])
            .await;
        let refusal = refusal(&t).await;
        assert!(refusal.contains(reason), "{host} {more}: {refusal}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_tls_is_refused_unless_that_is_allowed() {
    let server = server::plain().await;
    let allowed = [("USHER_ALLOW_PLAINTEXT_DATABASE", "true")];
    for (more, variables) in [
        ("", &[][..]),
        ("sslmode=disable", &[]),
        ("sslmode=prefer", &[]),
        // It is allowed, but not asked for.
        ("", &allowed),
        ("sslmode=require", &allowed),
    ] {
        let url = |database: &_| server.remote_url(database, NAME, more);
        let t = server.instance(url, variables).await;
        let refusal = refusal(&t).await;
        assert!(refusal.contains("TLS"), "{more}: {refusal}");
    }
    for more in ["sslmode=disable", "sslmode=prefer"] {
        let url = |database: &_| server.remote_url(database, NAME, more);
        let t = server.instance(url, &allowed).await;
        t.admin().get("/api/me").await.expect(200);
    }
}

#[tokio::test]
async fn an_address_of_this_machine_needs_no_tls_unless_it_is_asked_for() {
    let server = server::plain().await;
    let host = server.address.to_string();
    let url = |database: &_| server.remote_url(database, &host, "");
    let t = server.instance(url, &[]).await;
    t.admin().get("/api/me").await.expect(200);
    let url = |database: &_| server.remote_url(database, &host, "sslmode=verify-full");
    let t = server.instance(url, &[]).await;
    assert!(refusal(&t).await.contains("TLS"));
}

#[tokio::test]
async fn a_new_connection_with_a_password_waits_three_times() {
    let server = server::plain().await;
    let (database, host) = (server.database().await, server.address.to_string());
    let url = server.remote_url(&database, &host, "");
    let (url, _) = url.split_once('?').unwrap();
    let wire = Wire::to(url).await;
    let t = TestApp::on(database, &[("DATABASE_URL", &wire.along(url))]).await;
    t.admin().get("/api/me").await.expect(200);
    let asked = wire.take();
    assert_eq!(
        (asked.connections, asked.to_connect, asked.waits),
        (1, 3, 1)
    );
}
