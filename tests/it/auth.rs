//! Signing in and out, and what access tokens are worth.

use http::Method;
use serde_json::json;
use time::Duration;
use usher_core::tokens;
use usher_tests::{PASSWORD, Person, TestApp};

async fn assert_turned_away(t: &TestApp, email: &str, password: &str) {
    let answer = t.anonymous().sign_in(email, password).await;
    assert_eq!(answer.problem(401), "invalid-credentials");
}

#[tokio::test]
async fn somebody_signs_in_and_is_known() {
    let t = TestApp::start().await;
    let answer = t
        .anonymous()
        .sign_in(" Member@Example.com ", PASSWORD)
        .await;
    let session = answer.expect(200);
    assert_eq!(
        (&session["tokenType"], &session["expiresIn"]),
        (&json!("Bearer"), &json!(300))
    );
    assert_eq!(session["user"]["email"], "member@example.com");
    let me = t
        .anonymous()
        .with_token(session["accessToken"].as_str().unwrap())
        .get("/api/me")
        .await
        .expect(200);
    assert_eq!(me["id"], 4);
    let entry = &t.audit().await[0];
    assert_eq!(
        (&entry["action"], &entry["actor_id"], &entry["entity_id"]),
        (&json!("LOGIN"), &json!(4), &json!(4))
    );
    assert_eq!(entry["payload"]["sessionId"], me["sessionId"]);
    assert_eq!(
        (&entry["ip"], &entry["user_agent"]),
        (&json!("203.0.113.7"), &json!("test/1"))
    );
}

#[tokio::test]
async fn an_unknown_account_and_a_wrong_password_are_one_answer() {
    let t = TestApp::start().await;
    let anonymous = t.anonymous().with_header("x-request-id", "same");
    let wrong = anonymous
        .sign_in("member@example.com", "not the password of all")
        .await;
    let unknown = anonymous
        .sign_in("nobody@example.com", "not the password of all")
        .await;
    let inactive = anonymous
        .sign_in("locked@example.com", "not the password of all")
        .await;
    assert_eq!(wrong.problem(401), "invalid-credentials");
    assert_eq!(
        (wrong.text(), wrong.text()),
        (unknown.text(), inactive.text())
    );
    let reasons: Vec<_> = t
        .audit()
        .await
        .iter()
        .map(|entry| {
            (
                entry["action"].clone(),
                entry["payload"]["reason"].clone(),
                entry["entity_id"].clone(),
            )
        })
        .collect();
    assert_eq!(
        json!(reasons),
        json!([
            ["LOGIN_FAILED", "wrong-password", 4],
            ["LOGIN_FAILED", "unknown-account", null],
            ["LOGIN_FAILED", "wrong-password", 5],
        ])
    );
}

#[tokio::test]
async fn an_inactive_account_is_told_so_after_the_right_password_only() {
    let t = TestApp::start().await;
    assert_eq!(
        t.anonymous()
            .sign_in("locked@example.com", PASSWORD)
            .await
            .problem(403),
        "account-inactive"
    );
    assert_eq!(t.audit().await[0]["payload"]["reason"], "inactive-account");
}

#[tokio::test]
async fn an_account_without_a_password_cannot_sign_in() {
    let t = TestApp::start().await;
    t.execute("update users set password = null where id = 4")
        .await;
    assert_turned_away(&t, "member@example.com", PASSWORD).await;
}

#[tokio::test]
async fn a_corrupt_stored_hash_is_no_way_in_and_no_crash() {
    let t = TestApp::start().await;
    for hash in [
        "",
        "x",
        "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo",
        "$2y$10$abcdefghijklmnopqrstuv",
    ] {
        t.execute(&format!(
            "update users set password = '{hash}' where id = 4"
        ))
        .await;
        assert_turned_away(&t, "member@example.com", PASSWORD).await;
    }
}

#[tokio::test]
async fn a_hash_of_another_cost_is_renewed_at_sign_in() {
    let t = TestApp::with(&[("USHER_ARGON2", "m=12288,t=3,p=1")]).await;
    t.anonymous()
        .sign_in("member@example.com", PASSWORD)
        .await
        .expect(200);
    assert_eq!(
        t.count("select count(*) from users where id = 4 and password like '%m=12288,t=3,p=1%'")
            .await,
        1
    );
    t.anonymous()
        .sign_in("member@example.com", PASSWORD)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_password_of_any_size_costs_no_more_than_its_hash() {
    let t = TestApp::start().await;
    let faults = t
        .anonymous()
        .sign_in("member@example.com", &"a".repeat(257))
        .await
        .faults();
    assert_eq!(faults, ["/password too-long"]);
    let answer = t
        .anonymous()
        .sign_in("member@example.com", &"a".repeat(1 << 20))
        .await;
    assert_eq!(answer.problem(413), "body-too-large");
}

#[tokio::test]
async fn a_session_that_was_ended_is_refused_at_the_next_request() {
    let t = TestApp::start().await;
    let member = t.member();
    assert_eq!(
        member
            .request_without_body(&Method::POST, "/api/auth/logout")
            .await
            .status(),
        204
    );
    assert_eq!(member.get("/api/me").await.problem(401), "unauthenticated");
    let entry = &t.audit().await[0];
    assert_eq!(
        (&entry["action"], &entry["actor_id"]),
        (&json!("LOGOUT"), &json!(4))
    );
}

#[tokio::test]
async fn a_refresh_token_alone_signs_out() {
    let t = TestApp::start().await;
    let session = t
        .anonymous()
        .sign_in("member@example.com", PASSWORD)
        .await
        .expect(200);
    let access = session["accessToken"].as_str().unwrap();
    let body = json!({ "refreshToken": session["refreshToken"] });
    assert_eq!(
        t.anonymous()
            .post("/api/auth/logout", body.clone())
            .await
            .status(),
        204
    );
    assert_eq!(
        t.anonymous()
            .with_token(access)
            .get("/api/me")
            .await
            .problem(401),
        "unauthenticated"
    );
    assert_eq!(
        t.anonymous()
            .post("/api/auth/refresh", body.clone())
            .await
            .problem(401),
        "invalid-refresh-token"
    );
    // Signing out twice, or with anything at all, is the same (RFC 7009, section 2.2).
    assert_eq!(
        t.anonymous().post("/api/auth/logout", body).await.status(),
        204
    );
    assert_eq!(
        t.anonymous()
            .post("/api/auth/logout", json!({ "refreshToken": "x" }))
            .await
            .status(),
        204
    );
    assert_eq!(t.audit().await.len(), 2);
}

#[tokio::test]
async fn signing_out_needs_one_token() {
    let t = TestApp::start().await;
    assert_eq!(
        t.anonymous()
            .request_without_body(&Method::POST, "/api/auth/logout")
            .await
            .problem(401),
        "unauthenticated"
    );
    let both = t
        .member()
        .post("/api/auth/logout", json!({ "refreshToken": "x" }))
        .await;
    assert_eq!(both.problem(400), "validation-failed");
}

#[tokio::test]
async fn an_access_token_runs_out() {
    let t = TestApp::start().await;
    let member = |seconds| t.caller_since(Person::Member, Duration::seconds(seconds));
    member(320).get("/api/me").await.expect(200);
    // Neither is one of the future good.
    for seconds in [331, -40] {
        let answer = member(seconds).get("/api/me").await;
        assert_eq!(answer.problem(401), "unauthenticated");
        let answer = member(seconds).post("/api/auth/logout", json!({})).await;
        assert_eq!(answer.problem(401), "unauthenticated");
    }
    member(320)
        .post("/api/auth/logout", json!({}))
        .await
        .expect(204);
}

#[tokio::test]
async fn a_token_of_another_deployment_or_for_somebody_else_is_refused() {
    let (t, other) = tokio::join!(TestApp::start(), TestApp::start());
    let now = usher_domain::Clock::default().now();
    let proof = usher_domain::Proof::by(usher_domain::Method::Password, now);
    let principal = usher_core::tokens::Principal {
        user: usher_domain::UserId::new(Person::Admin.id()),
        session: usher_domain::SessionId::new(Person::Member.session()),
    };
    let foreign = other.app.tokens.issue(principal, &proof, now).unwrap();
    let mixed = t.app.tokens.issue(principal, &proof, now).unwrap();
    for token in [foreign.as_str(), mixed.as_str(), "", "x", "a.b.c"] {
        let answer = t.anonymous().with_token(token).get("/api/me").await;
        assert_eq!(answer.problem(401), "unauthenticated");
        assert!(answer.header("www-authenticate").starts_with("Bearer "));
    }
}

#[tokio::test]
async fn credentials_come_once_and_as_a_bearer_token() {
    let t = TestApp::start().await;
    let session = t
        .anonymous()
        .sign_in("member@example.com", PASSWORD)
        .await
        .expect(200);
    let token = session["accessToken"].as_str().unwrap();
    for value in [format!("bearer {token}"), format!("BEARER {token}")] {
        t.anonymous()
            .with_header("authorization", &value)
            .get("/api/me")
            .await
            .expect(200);
    }
    for value in [
        format!("Basic {token}"),
        token.to_owned(),
        format!("Bearer  {token}"),
        format!("Bearer {token} "),
        format!("Bearer {token}, Bearer {token}"),
    ] {
        assert_eq!(
            t.anonymous()
                .with_header("authorization", &value)
                .get("/api/me")
                .await
                .problem(401),
            "unauthenticated",
            "{value}"
        );
    }
    let twice = t.anonymous().with_token(token).with_token(token);
    assert_eq!(twice.get("/api/me").await.problem(401), "unauthenticated");
    assert_eq!(
        t.anonymous()
            .get(&format!("/api/me?access_token={token}"))
            .await
            .problem(401),
        "unauthenticated"
    );
    assert_eq!(
        t.anonymous()
            .with_header("cookie", &format!("access_token={token}"))
            .get("/api/me")
            .await
            .problem(401),
        "unauthenticated"
    );
}

#[tokio::test]
async fn the_public_keys_are_published_at_both_paths() {
    let t = TestApp::start().await;
    let answer = t.anonymous().get("/api/auth/jwks").await;
    let key = &answer.expect(200)["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
        (
            &json!("EC"),
            &json!("P-256"),
            &json!("ES256"),
            &json!("sig")
        )
    );
    assert!(key.get("d").is_none(), "the private half stays here");
    let seconds = tokens::CACHING.whole_seconds();
    assert_eq!(
        answer.header("cache-control"),
        format!("public, max-age={seconds}")
    );
    assert_eq!(
        t.anonymous().get("/.well-known/jwks.json").await.text(),
        answer.text()
    );
}

#[tokio::test]
async fn a_request_without_credentials_is_told_how_to_send_them() {
    let t = TestApp::start().await;
    let missing = t.anonymous().get("/api/me").await;
    assert_eq!(missing.header("www-authenticate"), "Bearer realm=\"usher\"");
    assert!(
        missing.expect(401)["detail"]
            .as_str()
            .unwrap()
            .contains("Authorization: Bearer")
    );
    let wrong = t.anonymous().with_token("x").get("/api/me").await;
    assert!(
        wrong
            .header("www-authenticate")
            .ends_with("error=\"invalid_token\"")
    );
}

#[tokio::test]
async fn an_empty_object_signs_out_as_no_body_does() {
    let t = TestApp::start().await;
    assert_eq!(
        t.member()
            .post("/api/auth/logout", json!({}))
            .await
            .status(),
        204
    );
    assert_eq!(
        t.anonymous()
            .post("/api/auth/logout", json!({}))
            .await
            .problem(401),
        "unauthenticated"
    );
}
