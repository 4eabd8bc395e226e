//! Attacks on limits that other products have suffered, each by its name.

use std::env;

use http::Method;
use serde_json::json;
use usher_tests::{Answer, PASSWORD, TestApp};

use crate::{
    accounts::{NEW, newest_code, newest_token, register, verify},
    limits::{MEMBER, WRONG, besiege, exhaust, hold_delays, pass_delays, sign_in_on},
};

/// Returns how many codes are tried; `USHER_LIMIT_CODES=10000` is the long form.
#[expect(clippy::disallowed_methods, reason = "the one setting of a test")]
fn codes() -> usize {
    let text = env::var("USHER_LIMIT_CODES").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(60)
}

/// Returns everything of an answer that somebody could tell it by.
fn whole(answer: &Answer) -> String {
    let names = [
        "content-type",
        "content-length",
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "www-authenticate",
    ];
    let headers = names.map(|name| answer.header(name).to_owned());
    // How much of the time is over says nothing of an account.
    let headers = headers.map(|text| match text.split_once(";r=9") {
        Some((limit, _)) => limit.to_owned(),
        None => text,
    });
    format!("{} {headers:?} {}", answer.status(), answer.text())
}

#[tokio::test]
async fn attack_13_of_ten_thousand_codes_five_are_looked_at() {
    let variables = [(
        "USHER_LIMITS",
        "secret-address=1000000/60,everybody=1000000/60",
    )];
    let t = TestApp::with(&variables).await;
    register(&t, NEW).await.expect(202);
    let (code, token) = (newest_code(&t).await, newest_token(&t).await);
    for number in 0..codes() {
        if number == 5 {
            hold_delays(&t).await;
        }
        // From another address each time, and with a new mail between, which has a new code.
        let guesser = t.anonymous().at(&format!("2001:db8:0:{number:x}::1"));
        let form = json!({ "email": NEW, "code": format!("{number:08}") });
        let answer = guesser.post("/api/auth/verify-email", form).await;
        let expected = if number < 5 {
            (400, "invalid-secret")
        } else {
            (429, "too-many-requests")
        };
        assert_eq!(answer.problem(expected.0), expected.1, "{number}");
    }
    let right = json!({ "email": NEW, "code": code });
    verify(&t, right).await.problem(429);
    verify(&t, json!({ "token": token })).await.expect(204);
}

#[tokio::test]
async fn attack_13_a_new_code_gives_no_new_tries() {
    let t = TestApp::start().await;
    register(&t, NEW).await.expect(202);
    let mut looked_at = 0;
    for number in 0..24 {
        if number % 4 == 0 {
            let form = json!({ "email": NEW });
            t.anonymous()
                .post("/api/auth/resend", form)
                .await
                .expect(202);
        }
        let form = json!({ "email": NEW, "code": format!("{number:08}") });
        looked_at += usize::from(verify(&t, form).await.status() == 400);
        hold_delays(&t).await;
    }
    assert_eq!(looked_at, 5);
}

#[tokio::test]
async fn attack_14_who_is_locked_between_the_mail_and_its_link_stays_out() {
    let t = TestApp::start().await;
    let form = json!({ "email": MEMBER });
    t.anonymous()
        .post("/api/auth/password/forgot", form)
        .await
        .expect(202);
    let token = newest_token(&t).await;
    let lock = json!({ "isActive": false });
    t.admin().patch("/api/users/4", lock).await.expect(200);
    let form = json!({ "token": token, "password": "quite another password" });
    let late = t.anonymous().post("/api/auth/password/reset", form).await;
    assert_eq!(late.problem(400), "invalid-secret");
    t.anonymous()
        .sign_in(MEMBER, "quite another password")
        .await
        .problem(401);
}

#[tokio::test]
async fn attack_14_a_right_password_is_not_looked_at_while_tries_are_closed() {
    let t = TestApp::start().await;
    exhaust(&t).await;
    let (wrong, right) = (
        t.anonymous()
            .with_header("x-request-id", "same")
            .sign_in(MEMBER, WRONG)
            .await,
        t.anonymous()
            .with_header("x-request-id", "same")
            .sign_in(MEMBER, PASSWORD)
            .await,
    );
    assert_eq!(whole(&wrong), whole(&right));
    assert_eq!(
        t.count("select count(*) from sessions where user_id = 4")
            .await,
        1
    );
}

#[tokio::test]
async fn attack_15_a_hundred_bad_passwords_do_not_keep_the_owner_out() {
    let t = TestApp::start().await;
    let device = t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200)["deviceToken"].clone();
    let attacker = t.anonymous().at("203.0.113.200");
    for _ in 0..100 {
        attacker.sign_in(MEMBER, WRONG).await;
    }
    t.anonymous()
        .at("192.0.2.1")
        .sign_in(MEMBER, PASSWORD)
        .await
        .expect(200);
    // The owner's success gives the attacker no new tries.
    let tries =
        "select coalesce(sum(tries), 0)::bigint from credential_tries where open_at > '-infinity'";
    assert!(t.count(tries).await >= 5);
    // Attackers everywhere hold up those who were never here, for a while, and known devices not at all.
    pass_delays(&t).await;
    besiege(&t).await;
    let stranger = t.anonymous().at("192.0.2.2");
    stranger.sign_in(MEMBER, PASSWORD).await.problem(429);
    sign_in_on(&stranger, &device, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn attack_16_all_addresses_of_one_caller_are_one() {
    let variables = [("USHER_LIMITS", "login-address=8/86400")];
    let t = TestApp::with(&variables).await;
    let count = async |addresses: &[&str]| {
        let mut admitted = 0;
        for (number, address) in addresses.iter().cycle().take(16).enumerate() {
            let email = format!("nobody{number}@example.com");
            let answer = t.anonymous().at(address).sign_in(&email, WRONG).await;
            admitted += usize::from(answer.status() == 401);
        }
        admitted
    };
    let network = [
        "2001:db8::1",
        "2001:DB8::2",
        "2001:0db8:0000:0000:ffff:ffff:ffff:fffe",
        "2001:db8:0:0:1::",
    ];
    assert_eq!(count(&network).await, 8);
    assert_eq!(
        count(&["192.0.2.1", "::ffff:192.0.2.1", "::FFFF:C000:0201"]).await,
        8
    );
    assert_eq!(count(&["", "unknown", "::1%eth0", "192.0.2.1:80"]).await, 8);
    assert_eq!(count(&["192.0.2.2"]).await, 8);
    assert_eq!(
        t.count("select count(*) from request_rates where not is_admitted")
            .await,
        4
    );
}

#[tokio::test]
async fn attack_16_an_account_is_one_however_its_address_is_written() {
    let t = TestApp::start().await;
    let mut statuses = Vec::new();
    for email in [
        "member@example.com",
        "MEMBER@example.com",
        " member@EXAMPLE.com ",
        "Member@Example.Com",
        "mEmBeR@example.com",
        MEMBER,
    ] {
        hold_delays(&t).await;
        statuses.push(t.anonymous().sign_in(email, WRONG).await.status());
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
}

#[tokio::test]
async fn attack_17_a_field_that_nobody_reads_changes_no_key() {
    let t = TestApp::start().await;
    exhaust(&t).await;
    for junk in ["username", "Email", "identifier", "address", "user_id"] {
        let form = json!({ "email": MEMBER, "password": WRONG, junk: "fresh@example.com" });
        let answer = t.anonymous().post("/api/auth/login", form).await;
        assert_eq!(answer.problem(400), "validation-failed");
    }
    let doubled = format!(r#"{{"email":"{MEMBER}","email":"fresh@example.com","password":"x"}}"#);
    let answer = t
        .anonymous()
        .json(&Method::POST, "/api/auth/login", &doubled)
        .await;
    answer.problem(400);
    t.anonymous().sign_in(MEMBER, PASSWORD).await.problem(429);
    let fresh = "select count(*) from credential_tries";
    assert_eq!(t.count(fresh).await, 2, "the account, and with the address");
    for path in [
        "register",
        "resend",
        "password/forgot",
        "password/reset",
        "verify-email",
        "refresh",
    ] {
        let form = json!({ "email": NEW, "name": "Ada", "password": PASSWORD, "token": "x", "refreshToken": "x", "junk": 1 });
        let answer = t.anonymous().post(&format!("/api/auth/{path}"), form).await;
        answer.problem(400);
    }
    let kinds = "select count(*) from request_rates";
    assert_eq!(
        t.count(kinds).await,
        2,
        "the sign-ins from one address, and everybody"
    );
}

#[tokio::test]
async fn attack_18_what_a_caller_writes_into_headers_decides_nothing() {
    let t = TestApp::start().await;
    exhaust(&t).await;
    for name in [
        "x-forwarded-for",
        "x-real-ip",
        "forwarded",
        "cf-connecting-ip",
        "true-client-ip",
        "x-client-ip",
        "x-vercel-forwarded-for",
        "x-forwarded-host",
        "fastly-client-ip",
    ] {
        for value in [
            "a",
            "",
            "192.0.2.77",
            "::1",
            "127.0.0.1, 192.0.2.78",
            "for=\"[::1]\"",
            &"9".repeat(4000),
        ] {
            let caller = t.anonymous().with_header(name, value);
            caller.sign_in(MEMBER, PASSWORD).await.problem(429);
        }
    }
    assert_eq!(t.count("select count(*) from request_rates").await, 2);
}

#[tokio::test]
async fn an_account_that_is_not_there_is_limited_as_one_that_is() {
    let t = TestApp::start().await;
    let mut told = Vec::new();
    for (email, network) in [
        (MEMBER, 1),
        ("nobody@example.com", 2),
        ("locked@example.com", 3),
    ] {
        let mut answers = Vec::new();
        for number in 0..30 {
            let caller = t
                .anonymous()
                .at(&format!("2001:db8:{network}:{:x}::", number / 3));
            let caller = caller.with_header("x-request-id", "same");
            let answer = caller.sign_in(email, WRONG).await;
            // The first delay may pass meanwhile.
            answers.push(whole(&answer));
            t.execute("update credential_tries set open_at = 'infinity' where open_at > now()")
                .await;
        }
        told.push(answers);
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
    assert_eq!(
        told[0]
            .iter()
            .filter(|answer| answer.starts_with("401"))
            .count(),
        20
    );
}

#[tokio::test]
async fn nobody_is_bombed_with_mails_and_the_answers_are_the_same_for_all() {
    let t = TestApp::start().await;
    for path in ["/api/auth/password/forgot", "/api/auth/resend"] {
        t.execute("truncate request_rates").await;
        let mut told = Vec::new();
        for (email, network) in [(MEMBER, 1), ("nobody@example.com", 2)] {
            let mut answers = Vec::new();
            for number in 0..14 {
                let caller = t
                    .anonymous()
                    .at(&format!("2001:db8:{network}:{number:x}::"));
                let caller = caller.with_header("x-request-id", "same");
                let answer = caller.post(path, json!({ "email": email })).await;
                answers.push((answer.status(), answer.text().to_owned()));
            }
            told.push(answers);
        }
        assert_eq!(told[0], told[1], "{path}");
        let taken = told[0].iter().filter(|(status, _)| *status == 202);
        assert_eq!(taken.count(), 10, "{path}");
    }
    assert!(t.mails().await.len() <= 20);
}
