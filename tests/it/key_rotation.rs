//! Keys and secrets that are changed while instances of several stages of the rollout serve.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use usher_core::{secret::Secret, tokens::SigningKeys};
use usher_domain::Clock;
use usher_tests::{Answer, Caller, PASSWORD, TestApp};

use crate::accounts::{NEW, newest_code};

/// The values of a variable from one deploy to the next.
struct Stages([String; 4]);

impl Stages {
    fn of(old: &str, new: &str) -> Self {
        Self([
            old.to_owned(),
            format!("{old},{new}"),
            format!("{new},{old}"),
            new.to_owned(),
        ])
    }

    fn of_secrets() -> Self {
        Self::of(&Secret::generate().unwrap(), &Secret::generate().unwrap())
    }

    /// Returns each two that serve at the same time, in both orders.
    fn pairs(&self) -> impl Iterator<Item = [&str; 2]> {
        let neighbours = self.0.windows(2).map(|pair| [&*pair[0], &*pair[1]]);
        neighbours.flat_map(|[before, after]| [[before, after], [after, before]])
    }
}

fn with_secret(t: &TestApp, secret: &str) -> Caller {
    t.beside(&[("USHER_SECRET", secret)]).1
}

async fn sign_in(caller: &Caller) -> Value {
    caller
        .sign_in("member@example.com", PASSWORD)
        .await
        .expect(200)
}

async fn admin(t: &TestApp, secret: &str) -> Caller {
    let caller = with_secret(t, secret);
    let session = caller.sign_in("admin@example.com", PASSWORD).await;
    let session = session.expect(200);
    caller.with_token(session["accessToken"].as_str().unwrap())
}

async fn next_page(caller: &Caller) -> String {
    let page = caller.get("/api/users?limit=2").await.expect(200);
    let cursor = page["page"]["nextCursor"].as_str().unwrap();
    format!("/api/users?limit=2&cursor={cursor}")
}

async fn refresh(caller: &Caller, session: &Value) -> Answer {
    let form = json!({ "refreshToken": session["refreshToken"] });
    caller.post("/api/auth/refresh", form).await
}

#[tokio::test]
async fn a_session_goes_on_at_another_instance_and_a_lost_answer_is_given_again_there() {
    let t = TestApp::start().await;
    let stages = Stages::of_secrets();
    for [one, other] in stages.pairs() {
        let [here, there] = [one, other].map(|secret| with_secret(&t, secret));
        let session = sign_in(&here).await;
        let once = refresh(&here, &session).await.expect(200);
        let again = refresh(&there, &session).await.expect(200);
        assert_eq!(once["refreshToken"], again["refreshToken"]);
        let third = refresh(&there, &again).await.expect(200);
        refresh(&here, &third).await.expect(200);
        // A token of long ago is known for what it is, also there.
        let stolen = refresh(&there, &session).await;
        assert_eq!(stolen.problem(401), "invalid-refresh-token");
    }
    let entries = t.audit().await;
    let thefts = entries.iter().filter(|e| e["action"] == "REFRESH_REUSE");
    assert_eq!(thefts.count(), 6);
}

#[tokio::test]
async fn a_session_of_a_secret_that_was_taken_out_ends_and_can_be_signed_out() {
    let t = TestApp::start().await;
    let Stages([old, .., new]) = Stages::of_secrets();
    let [before, after] = [old, new].map(|secret| with_secret(&t, &secret));
    let session = sign_in(&before).await;
    for _ in 0..2 {
        let refused = refresh(&after, &session).await;
        assert_eq!(refused.problem(401), "invalid-refresh-token");
    }
    let form = json!({ "refreshToken": session["refreshToken"] });
    after.post("/api/auth/logout", form).await.expect(204);
    let refused = refresh(&before, &session).await;
    assert_eq!(refused.problem(401), "invalid-refresh-token");
}

#[tokio::test]
async fn a_list_does_not_go_on_without_the_secret_it_was_begun_with() {
    let t = TestApp::start().await;
    let Stages([old, .., new]) = Stages::of_secrets();
    let (before, after) = (admin(&t, &old).await, admin(&t, &new).await);
    let next = next_page(&before).await;
    before.get(&next).await.expect(200);
    after.get(&next).await.problem(400);
}

#[tokio::test]
async fn a_request_that_comes_again_is_done_once_whichever_instance_gets_it() {
    let t = TestApp::start().await;
    for (number, [one, other]) in Stages::of_secrets().pairs().enumerate() {
        let key = format!("key-{number}");
        let [here, there] =
            [one, other].map(|secret| with_secret(&t, secret).with_header("idempotency-key", &key));
        let first = sign_in(&here).await;
        let again = sign_in(&there).await;
        assert_eq!(first["refreshToken"], again["refreshToken"], "{number}");
        let form = json!({ "email": "admin@example.com", "password": PASSWORD });
        there.post("/api/auth/login", form).await.expect(200);
    }
    let mine = "select count(*) from audit_logs where action = 'LOGIN' and entity_id = 4";
    assert_eq!(t.count(mine).await, 6);
}

#[tokio::test]
async fn two_at_once_with_one_key_on_instances_of_two_stages_have_one_effect() {
    let t = TestApp::start().await;
    let stages = Stages::of_secrets();
    for round in 0..20 {
        let key = format!("key-{round}");
        let caller = |secret| with_secret(&t, secret).with_header("idempotency-key", &key);
        let [here, there] = [&stages.0[1], &stages.0[2]].map(|secret| caller(secret));
        let (one, other) = tokio::join!(sign_in(&here), sign_in(&there));
        assert_eq!(one["refreshToken"], other["refreshToken"]);
    }
    let mine = "select count(*) from audit_logs where action = 'LOGIN' and entity_id = 4";
    assert_eq!(t.count(mine).await, 20);
}

#[tokio::test]
async fn a_code_is_good_at_all_instances_that_serve_together() {
    let stages = Stages::of_secrets();
    for [one, other] in stages.pairs() {
        // The mail is opened by an instance that knows both.
        let t = TestApp::with(&[("USHER_SECRET", &stages.0[1])]).await;
        let [here, there] = [one, other].map(|secret| with_secret(&t, secret));
        let form = json!({ "name": "Ada", "email": NEW, "password": PASSWORD });
        here.post("/api/auth/register", form).await.expect(202);
        let code = newest_code(&t).await;
        let form = json!({ "email": NEW, "code": code });
        let answer = there.post("/api/auth/verify-email", form).await;
        answer.expect(204);
    }
}

#[tokio::test]
async fn a_new_code_takes_the_place_of_one_of_an_older_secret() {
    let stages = Stages::of_secrets();
    let t = TestApp::with(&[("USHER_SECRET", &stages.0[1])]).await;
    let form = json!({ "name": "Ada", "email": NEW, "password": PASSWORD });
    t.anonymous()
        .post("/api/auth/register", form)
        .await
        .expect(202);
    let older = newest_code(&t).await;
    let after = with_secret(&t, &stages.0[2]);
    let form = json!({ "email": NEW });
    after.post("/api/auth/resend", form).await.expect(202);
    let newer = newest_code(&t).await;
    let verify = async |code: &str| {
        let form = json!({ "email": NEW, "code": code });
        after.post("/api/auth/verify-email", form).await
    };
    assert_eq!(verify(&older).await.problem(400), "invalid-secret");
    verify(&newer).await.expect(204);
}

#[tokio::test]
async fn a_list_goes_on_at_another_instance() {
    let t = TestApp::start().await;
    for [one, other] in Stages::of_secrets().pairs() {
        let (here, there) = (admin(&t, one).await, admin(&t, other).await);
        let next = next_page(&here).await;
        there.get(&next).await.expect(200);
    }
}

/// A date for a list, this far from now.
fn date(ahead: Duration) -> String {
    let date: OffsetDateTime = Clock::default().now() + ahead;
    date.format(&Rfc3339).unwrap()
}

fn with_keys(t: &TestApp, keys: &str) -> Caller {
    t.beside(&[("USHER_SIGNING_KEYS", keys)]).1
}

/// Returns the names of the published keys.
async fn published(caller: &Caller) -> Vec<Value> {
    let set = caller.get("/.well-known/jwks.json").await.expect(200);
    let keys = set["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].clone()).collect()
}

async fn access_token(caller: &Caller) -> String {
    let session = sign_in(caller).await;
    session["accessToken"].as_str().unwrap().to_owned()
}

/// Returns the name of the key that a token is signed with.
fn signer(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].clone()
}

/// Returns two signing keys with their names.
async fn signing_keys(t: &TestApp) -> [(String, Value); 2] {
    let [old, new] = [(); 2].map(|()| SigningKeys::generate().unwrap());
    let names = [
        published(&with_keys(t, &old)).await.remove(0),
        published(&with_keys(t, &new)).await.remove(0),
    ];
    let [old_name, new_name] = names;
    [(old, old_name), (new, new_name)]
}

#[tokio::test]
async fn a_key_to_come_is_published_and_accepted_before_it_signs() {
    let t = TestApp::start().await;
    let [(old, old_name), (new, new_name)] = signing_keys(&t).await;
    let before = with_keys(&t, &format!("{new}@{},{old}", date(Duration::hours(1))));
    assert_eq!(
        published(&before).await,
        [&old_name, &new_name].map(Value::clone)
    );
    let token = access_token(&before).await;
    assert_eq!(signer(&token), old_name);
    // An instance whose list is the same, and whose date has come.
    let after = with_keys(&t, &format!("{new}@{},{old}", date(-Duration::MINUTE)));
    assert_eq!(
        published(&after).await,
        [&new_name, &old_name].map(Value::clone)
    );
    let newer = access_token(&after).await;
    assert_eq!(signer(&newer), new_name);
    for (caller, token) in [(&before, &newer), (&after, &token), (&after, &newer)] {
        caller
            .clone()
            .with_token(token)
            .get("/api/me")
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn a_token_of_a_key_that_was_taken_out_is_refused() {
    let t = TestApp::start().await;
    let [(old, old_name), (new, _)] = signing_keys(&t).await;
    let token = access_token(&with_keys(&t, &old)).await;
    let both = with_keys(&t, &format!("{new}@{},{old}", date(-Duration::HOUR)));
    both.with_token(&token).get("/api/me").await.expect(200);
    let after = with_keys(&t, &format!("{new}@{}", date(-Duration::HOUR)));
    assert!(!published(&after).await.contains(&old_name));
    let refused = after.with_token(&token).get("/api/me").await;
    assert_eq!(refused.problem(401), "unauthenticated");
}
