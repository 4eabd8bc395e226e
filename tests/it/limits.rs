//! Limits on how often something is tried: what is counted, what is answered, and what ends it.

use serde_json::{Value, json};
use usher_tests::{Answer, Caller, PASSWORD, Person, TestApp, connect};

use crate::accounts::newest_token;

pub(crate) const MEMBER: &str = "member@example.com";
pub(crate) const WRONG: &str = "not the password of mine";

pub(crate) async fn sign_in_on(caller: &Caller, device: &Value, password: &str) -> Answer {
    let form = json!({ "email": MEMBER, "password": password, "deviceToken": device });
    caller.post("/api/auth/login", form).await
}

/// Lets the time of all delays pass.
pub(crate) async fn pass_delays(t: &TestApp) {
    t.execute("update credential_tries set open_at = '-infinity' where open_at < 'infinity'")
        .await;
}

/// Makes the delays that there are so long that no slow machine sits them out.
pub(crate) async fn hold_delays(t: &TestApp) {
    t.execute("update credential_tries set open_at = now() + interval '1 hour' where open_at > '-infinity' and open_at < 'infinity'")
        .await;
}

/// Tries five wrong passwords of the member, which leaves none.
pub(crate) async fn exhaust(t: &TestApp) {
    for _ in 0..5 {
        t.anonymous().sign_in(MEMBER, WRONG).await.problem(401);
    }
    hold_delays(t).await;
}

/// Lets strangers everywhere try the password of the member until one of them is refused for it.
pub(crate) async fn besiege(t: &TestApp) {
    for number in 0..=20 {
        let stranger = t.anonymous().at(&format!("198.51.100.{number}"));
        let answer = stranger.sign_in(MEMBER, WRONG).await;
        let expected = if number < 20 { 401 } else { 429 };
        assert_eq!(answer.status(), expected, "{number}");
        if number == 19 {
            hold_delays(t).await;
        }
    }
}

async fn actions(t: &TestApp) -> Vec<Value> {
    let entries = t.audit().await.into_iter();
    entries.map(|entry| entry["action"].clone()).collect()
}

#[tokio::test]
async fn after_five_wrong_passwords_each_try_waits_twice_as_long_as_the_one_before() {
    let t = TestApp::start().await;
    exhaust(&t).await;
    let refused = t.anonymous().sign_in(MEMBER, PASSWORD).await;
    assert_eq!(refused.problem(429), "too-many-requests");
    assert_eq!(refused.header("retry-after"), "3600");
    // The row is over a day after its newest try.
    let delay = "select extract(epoch from open_at - over_at + interval '1 day')::bigint
        from credential_tries
        where over_at < now() + interval '2 days'";
    for wait in [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        pass_delays(&t).await;
        t.anonymous().sign_in(MEMBER, WRONG).await.problem(401);
        assert_eq!(t.count(delay).await, wait);
    }
    pass_delays(&t).await;
    t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200);
    assert_eq!(t.count("select count(*) from credential_tries").await, 0);
    t.anonymous().sign_in(MEMBER, WRONG).await.problem(401);
}

#[tokio::test]
async fn what_is_refused_is_written_down_once_in_an_hour() {
    let t = TestApp::start().await;
    for number in 0..9 {
        t.anonymous().sign_in(MEMBER, WRONG).await;
        t.anonymous().sign_in("nobody@example.com", WRONG).await;
        if number == 4 {
            hold_delays(&t).await;
        }
    }
    let entries = t.audit().await;
    let limited: Vec<_> = entries
        .iter()
        .filter(|entry| entry["action"] == "LIMITED")
        .map(|entry| (&entry["entity_id"], &entry["payload"]))
        .collect();
    let payload = json!({ "limit": "login-pair" });
    assert_eq!(limited, [(&json!(4), &payload), (&Value::Null, &payload)]);
    t.execute("update credential_tries set told_at = told_at - interval '61 minutes', open_at = now() + interval '1 minute'")
        .await;
    t.anonymous().sign_in(MEMBER, WRONG).await.problem(429);
    assert_eq!(actions(&t).await.last().unwrap(), "LIMITED");
    let text = entries.iter().map(Value::to_string).collect::<String>();
    assert!(!text.contains(WRONG));
}

#[tokio::test]
async fn answers_say_what_is_left() {
    let t = TestApp::with(&[("USHER_LIMITS", "login-address=3/30")]).await;
    let right = t.anonymous().sign_in(MEMBER, PASSWORD).await;
    right.expect(200);
    let policy = "\"login-address\";q=3;w=30";
    assert_eq!(right.header("ratelimit-policy"), policy);
    assert_eq!(right.header("ratelimit"), "\"login-address\";r=2;t=10");
    let wrong = t.anonymous().sign_in(MEMBER, WRONG).await;
    wrong.problem(401);
    assert!(
        wrong
            .header("ratelimit")
            .starts_with("\"login-address\";r=1;t=")
    );
    t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200);
    let refused = t.anonymous().sign_in(MEMBER, PASSWORD).await;
    assert_eq!(refused.problem(429), "too-many-requests");
    let wait = refused.header("retry-after").to_owned();
    assert_eq!(refused.header("ratelimit-policy"), policy);
    assert_eq!(
        refused.header("ratelimit"),
        format!("\"login-address\";r=0;t={wait}")
    );
    assert!((8..=10).contains(&wait.parse::<i32>().unwrap()), "{wait}");
    t.anonymous()
        .at("192.0.2.1")
        .sign_in(MEMBER, PASSWORD)
        .await
        .expect(200);
    t.execute("update request_rates set full_at = full_at - interval '10 seconds'")
        .await;
    t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200);
    let unlimited = t.member().get("/api/me").await;
    assert_eq!(unlimited.header("ratelimit"), "");
}

#[tokio::test]
async fn the_present_password_has_five_tries_in_a_session() {
    let t = TestApp::start().await;
    let ask = async |caller: &Caller, current: &str| {
        let form = json!({ "currentPassword": current, "newPassword": "quite another password" });
        caller.post("/api/auth/password", form).await
    };
    for _ in 0..5 {
        assert_eq!(ask(&t.member(), WRONG).await.problem(403), "wrong-password");
    }
    hold_delays(&t).await;
    let refused = ask(&t.member(), PASSWORD).await;
    assert_eq!(refused.problem(429), "too-many-requests");
    let entries = t.audit().await;
    let last = entries.last().unwrap();
    assert_eq!(
        (&last["action"], &last["entity_id"]),
        (&json!("LIMITED"), &json!(4))
    );
    // Who found one session open holds up neither another one nor a sign-in.
    let other = t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200);
    let other = t
        .anonymous()
        .with_token(other["accessToken"].as_str().unwrap());
    ask(&other, PASSWORD).await.expect(204);
    let left = "select count(*) from credential_tries where tries = 5";
    assert_eq!(t.count(left).await, 1);
}

#[tokio::test]
async fn after_a_hundred_wrong_passwords_in_a_row_only_a_mail_or_a_known_device_helps() {
    let t = TestApp::start().await;
    let device = t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200)["deviceToken"].clone();
    let elsewhere = t.anonymous().at("192.0.2.10");
    for helps in ["device", "mail"] {
        t.anonymous().sign_in(MEMBER, WRONG).await.problem(401);
        t.execute("update credential_tries set tries = 99").await;
        let last = t.anonymous().at("192.0.2.9").sign_in(MEMBER, WRONG).await;
        last.problem(401);
        pass_delays(&t).await;
        let refused = elsewhere.sign_in(MEMBER, PASSWORD).await;
        assert_eq!(refused.problem(429), "too-many-requests");
        assert_eq!(refused.header("retry-after"), "86400");
        let endless = "select count(*) from credential_tries where over_at = 'infinity'";
        assert_eq!(t.count(endless).await, 1, "{helps}");
        if helps == "device" {
            sign_in_on(&elsewhere, &device, PASSWORD).await.expect(200);
        } else {
            let form = json!({ "email": MEMBER });
            let forgot = elsewhere.post("/api/auth/password/forgot", form).await;
            forgot.expect(202);
            let form = json!({ "token": newest_token(&t).await, "password": PASSWORD });
            let reset = elsewhere.post("/api/auth/password/reset", form).await;
            reset.expect(204);
        }
        elsewhere.sign_in(MEMBER, PASSWORD).await.expect(200);
    }
}

#[tokio::test]
async fn a_device_token_is_good_for_its_account_until_the_password_changes() {
    let t = TestApp::start().await;
    let session = t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200);
    let form = json!({ "refreshToken": session["refreshToken"] });
    let refreshed = t
        .anonymous()
        .post("/api/auth/refresh", form)
        .await
        .expect(200);
    let other = t
        .anonymous()
        .sign_in("helper@example.com", PASSWORD)
        .await
        .expect(200);
    besiege(&t).await;
    let victim = t.anonymous().at("192.0.2.1");
    for no_help in [
        &other["deviceToken"],
        &json!(""),
        &json!("A".repeat(87)),
        &json!("A".repeat(2000)),
    ] {
        sign_in_on(&victim, no_help, PASSWORD).await.problem(429);
    }
    for broken in [json!("A".repeat(2001)), json!(7), json!([])] {
        sign_in_on(&victim, &broken, PASSWORD).await.problem(400);
    }
    sign_in_on(&victim, &refreshed["deviceToken"], WRONG)
        .await
        .problem(401);
    sign_in_on(&victim, &session["deviceToken"], PASSWORD)
        .await
        .expect(200);
    // It has taken back what the strangers did.
    t.anonymous()
        .at("192.0.2.2")
        .sign_in(MEMBER, PASSWORD)
        .await
        .expect(200);
    t.execute("update users set password_changed_at = now() where id = 4")
        .await;
    besiege(&t).await;
    sign_in_on(&victim, &session["deviceToken"], PASSWORD)
        .await
        .problem(429);
}

#[tokio::test]
async fn a_stolen_device_token_gives_few_guesses() {
    let t = TestApp::start().await;
    let device = t.anonymous().sign_in(MEMBER, PASSWORD).await.expect(200)["deviceToken"].clone();
    let mut guesses = 0;
    for number in 0..40 {
        pass_delays(&t).await;
        let thief = t.anonymous().at(&format!("198.51.100.{number}"));
        let answer = sign_in_on(&thief, &device, WRONG).await;
        guesses += usize::from(answer.status() == 401);
    }
    assert_eq!(guesses, 20);
    let owner = t.anonymous().at("192.0.2.1");
    sign_in_on(&owner, &device, PASSWORD).await.problem(429);
    owner.sign_in(MEMBER, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn counts_outlive_the_instance_and_the_error_that_was_answered() {
    let secret = usher_core::secret::Secret::generate().unwrap();
    let variables = [("USHER_SECRET", secret.as_str())];
    let t = TestApp::with(&variables).await;
    exhaust(&t).await;
    let (_, restarted) = t.beside(&variables);
    restarted.sign_in(MEMBER, PASSWORD).await.problem(429);
    // Nothing that is kept tells of whom it is.
    let kept = "select string_agg(to_jsonb(kept)::text, ' ') from (select key from credential_tries union all select key from request_rates) as kept";
    let kept = t.sql(kept, &[]).await.to_string();
    assert!(
        !kept.contains("member") && !kept.contains("203.0.113"),
        "{kept}"
    );
    let logged = "select relpersistence::text from pg_class where relname = 'credential_tries'";
    assert_eq!(t.sql(logged, &[]).await, "p");
}

#[tokio::test]
async fn what_is_over_is_removed_and_what_counts_is_not() {
    let t = TestApp::with(&[
        ("CRON_SECRET", usher_tests::CRON_SECRET),
        (
            "USHER_LIMITS",
            "login-address=100/36000,everybody=1600/36000",
        ),
    ])
    .await;
    t.anonymous().sign_in(MEMBER, WRONG).await.problem(401);
    t.anonymous()
        .at("192.0.2.1")
        .sign_in("nobody@example.com", WRONG)
        .await
        .problem(401);
    let counts = "select count(*) from (select key from request_rates union all select key from credential_tries) as kept";
    let before = t.count(counts).await;
    t.scheduler().get("/api/cron/mails").await.expect(200);
    assert_eq!(t.count(counts).await, before);
    let app = connect(&t.app_url()).await;
    assert_eq!(
        app.execute("delete from request_rates", &[]).await.unwrap(),
        0
    );
    t.execute("update request_rates set full_at = now() - interval '1 second'")
        .await;
    t.execute("update credential_tries set over_at = now() - interval '1 second'")
        .await;
    t.scheduler().get("/api/cron/mails").await.expect(200);
    assert_eq!(t.count(counts).await, 0);
}

#[tokio::test]
async fn a_right_password_counts_for_nothing_even_where_it_does_not_sign_in() {
    let t = TestApp::start().await;
    for _ in 0..7 {
        let locked = Person::Locked.email();
        t.anonymous().sign_in(&locked, PASSWORD).await.problem(403);
    }
    assert_eq!(t.count("select count(*) from credential_tries").await, 0);
}
