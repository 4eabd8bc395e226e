//! Attacks with tokens: each kind at the place of each other one, bent at every character, and signed by the wrong key.

use serde_json::{Value, json};
use usher_tests::{Answer, Authenticator, CRON_SECRET, Caller, PASSWORD, Person, TestApp};

use crate::{
    accounts::{NEW, newest_code, newest_token, register},
    api_keys, challenges, deletion, email_changes,
    enrolled::enrol,
    invitations,
    mail_sign_in::mailed,
    operations, passkeys,
};

/// Something that opens something.
pub(crate) struct Token {
    pub(crate) kind: &'static str,
    pub(crate) value: String,
}

/// Where a token is shown.
pub(crate) struct Place {
    name: &'static str,
    /// The kinds that are good there.
    pub(crate) good: &'static [&'static str],
    path: &'static str,
    caller: Caller,
    /// The form, with `@` where the token stands.
    form: Value,
}

impl Place {
    pub(crate) async fn show(&self, token: &str) -> Answer {
        let text = self.form.to_string();
        let quoted = Value::from(token).to_string();
        let text = text.replace("\"@\"", &quoted);
        self.caller
            .json(&http::Method::POST, self.path, &text)
            .await
    }
}

async fn deleted(t: &TestApp, person: Person) -> String {
    deletion::leave(&t.caller(person)).await.expect(204);
    newest_token(t).await
}

/// Makes one good token of every kind there is, each for somebody whom the others do not touch.
pub(crate) async fn every_kind(t: &TestApp) -> Vec<Token> {
    let mut all = Vec::new();
    let mut add = |kind, value: &str| {
        let value = value.to_owned();
        all.push(Token { kind, value });
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let auditor = enrol(t, Person::Auditor).await;
    add("recovery code", &auditor.codes[0]);
    add("restore", &deleted(t, Person::Helper).await);
    let session = t
        .anonymous()
        .sign_in("admin@example.com", PASSWORD)
        .await
        .expect(200);
    add("access", &text(&session["accessToken"]));
    add("refresh", &text(&session["refreshToken"]));
    add("device", &text(&session["deviceToken"]));
    let (_, key) = api_keys::made(t, Person::Admin, &["users:read"]).await;
    add("API key", &key);
    add("scheduler", CRON_SECRET);
    let any = passkeys::options(&t.anonymous(), "/api/auth/passkey").await;
    add("ceremony of a sign-in", &text(&any["ceremonyToken"]));
    let own = passkeys::options(&t.admin(), "/api/me/passkeys").await;
    add("ceremony of a passkey", &text(&own["ceremonyToken"]));
    let page = t.admin().get("/api/users?limit=1").await.expect(200);
    add("cursor", &text(&page["page"]["nextCursor"]));
    register(t, NEW).await.expect(202);
    add("verification", &newest_token(t).await);
    add("code of a verification", &newest_code(t).await);
    let (_, invitation) = invitations::invited(t, "invited@example.com", &["user"]).await;
    add("invitation", &invitation);
    let links = email_changes::links(t, "new@example.com").await;
    add("old address", &links.old);
    add("new address", &links.new);
    add("cancellation", &links.cancel);
    let link = mailed(t, "member@example.com").await;
    add("link", &link.token);
    add("request", &link.request);
    add("code of a sign-in", &link.code);
    let form = json!({ "email": "member@example.com" });
    t.anonymous()
        .post("/api/auth/password/forgot", form)
        .await
        .expect(202);
    add("reset", &newest_token(t).await);
    add("challenge", &challenges::half(t, Person::Auditor).await);
    add("code of an app", &auditor.code(t).await);
    all
}

pub(crate) fn find<'a>(tokens: &'a [Token], kind: &str) -> &'a str {
    &tokens
        .iter()
        .find(|token| token.kind == kind)
        .unwrap()
        .value
}

/// Returns every place of a body where a token is shown, beside what else is good there.
pub(crate) fn places(t: &TestApp, tokens: &[Token]) -> Vec<Place> {
    let place = |name, good, path, form| Place {
        name,
        good,
        path,
        caller: t.anonymous(),
        form,
    };
    let credential = Authenticator::default().get(&json!({ "publicKey": { "challenge": "AAAA" } }));
    let own = |place: Place| Place {
        caller: t.admin(),
        ..place
    };
    vec![
        place(
            "refresh",
            &["refresh"],
            "/api/auth/refresh",
            json!({ "refreshToken": "@" }),
        ),
        place(
            "challenge",
            &["challenge"],
            "/api/auth/challenge",
            json!({ "challengeToken": "@", "code": find(tokens, "recovery code") }),
        ),
        place(
            "verify",
            &["verification"],
            "/api/auth/verify-email",
            json!({ "token": "@" }),
        ),
        place(
            "reset",
            &["reset"],
            "/api/auth/password/reset",
            json!({ "token": "@", "password": "quite another password" }),
        ),
        place(
            "link",
            &["link"],
            "/api/auth/link/confirm",
            json!({ "token": "@", "requestToken": find(tokens, "request") }),
        ),
        place(
            "request",
            &["request"],
            "/api/auth/link/confirm",
            json!({ "token": find(tokens, "link"), "requestToken": "@" }),
        ),
        place(
            "confirm",
            &["old address", "new address"],
            "/api/auth/email/confirm",
            json!({ "token": "@" }),
        ),
        place(
            "cancel",
            &["cancellation"],
            "/api/auth/email/cancel",
            json!({ "token": "@" }),
        ),
        place(
            "restore",
            &["restore"],
            "/api/auth/restore",
            json!({ "token": "@" }),
        ),
        place(
            "invitation",
            &["invitation"],
            "/api/auth/invitation",
            json!({ "token": "@", "name": "Ada", "password": PASSWORD }),
        ),
        place(
            "passkey",
            &["ceremony of a sign-in"],
            "/api/auth/passkey",
            json!({ "ceremonyToken": "@", "credential": credential }),
        ),
        own(place(
            "new passkey",
            &["ceremony of a passkey"],
            "/api/me/passkeys",
            json!({ "ceremonyToken": "@", "credential": credential, "name": "Key" }),
        )),
        place(
            "password",
            &[],
            "/api/auth/login",
            json!({ "email": "member@example.com", "password": "@" }),
        ),
        own(place(
            "present password",
            &[],
            "/api/auth/reauthenticate",
            json!({ "password": "@" }),
        )),
    ]
}

/// Returns how many sessions there are, how many are over, and how often accounts were changed.
pub(crate) async fn effects(t: &TestApp) -> Value {
    let effects = "select jsonb_build_array(
        (select count(*) from sessions), (select count(*) from sessions where ended_at is not null),
        (select sum(version) from users), (select count(*) from users), (select count(*) from passkeys))";
    t.sql(effects, &[]).await
}

/// Shows each token at its own place once, in an order in which none of them voids a later one.
pub(crate) async fn all_are_good(
    t: &TestApp,
    tokens: &[Token],
    places: &[Place],
    kinds: &[(&str, &str, u16)],
) {
    for (kind, name, status) in kinds {
        let place = places.iter().find(|place| place.name == *name).unwrap();
        let answer = place.show(find(tokens, kind)).await;
        assert_eq!(
            answer.status(),
            *status,
            "{kind} at {name}: {}",
            answer.text()
        );
    }
    for kind in ["access", "API key"] {
        let caller = t.anonymous().with_token(find(tokens, kind));
        caller.get("/api/me").await.expect(200);
    }
    let cursor = find(tokens, "cursor");
    t.admin()
        .get(&format!("/api/users?limit=1&cursor={cursor}"))
        .await
        .expect(200);
}

pub(crate) const IN_ORDER: [(&str, &str, u16); 9] = [
    ("refresh", "refresh", 200),
    ("challenge", "challenge", 200),
    ("verification", "verify", 204),
    ("old address", "confirm", 204),
    ("cancellation", "cancel", 204),
    ("link", "link", 200),
    ("reset", "reset", 204),
    ("invitation", "invitation", 204),
    ("restore", "restore", 204),
];

#[tokio::test]
async fn attack_34_a_token_of_each_kind_at_the_place_of_each_other_opens_nothing() {
    let t = operations::start().await;
    let tokens = every_kind(&t).await;
    let places = places(&t, &tokens);
    let before = effects(&t).await;
    let mut cases = 0;
    for place in &places {
        for token in tokens
            .iter()
            .filter(|token| !place.good.contains(&token.kind))
        {
            let answer = place.show(&token.value).await;
            let what = format!("{} at {}: {}", token.kind, place.name, answer.text());
            assert!([400, 401, 403].contains(&answer.status()), "{what}");
            cases += 1;
        }
    }
    assert_eq!(effects(&t).await, before);
    for token in &tokens {
        let bearer = t.anonymous().with_token(&token.value);
        for operation in operations::all().into_iter().filter(|one| !one.is_open()) {
            let is_good = match token.kind {
                "access" | "API key" => {
                    !matches!(operation.access, usher_http::access::Access::Scheduler)
                }
                "scheduler" => matches!(operation.access, usher_http::access::Access::Scheduler),
                _ => false,
            };
            if !is_good {
                let answer = operation.call(&bearer).await;
                assert_eq!(
                    answer.problem(401),
                    "unauthenticated",
                    "{} at {}",
                    token.kind,
                    operation.name()
                );
                cases += 1;
            }
        }
        if token.kind != "cursor" {
            let path = format!("/api/users?cursor={}", token.value.replace(' ', "%20"));
            assert_eq!(
                t.admin().get(&path).await.faults(),
                ["cursor cursor"],
                "{}",
                token.kind
            );
            cases += 1;
        }
    }
    assert_eq!(effects(&t).await, before);
    all_are_good(&t, &tokens, &places, &IN_ORDER).await;
    operations::enough(cases, 1000);
}

#[tokio::test]
async fn attack_34_a_code_of_each_kind_at_the_place_of_each_other_opens_nothing() {
    let t = operations::start().await;
    let tokens = every_kind(&t).await;
    let codes = [
        "recovery code",
        "code of an app",
        "code of a verification",
        "code of a sign-in",
    ];
    let places = [
        (
            "/api/auth/challenge",
            json!({ "challengeToken": find(&tokens, "challenge"), "code": "@" }),
            &codes[..2],
        ),
        (
            "/api/auth/verify-email",
            json!({ "email": NEW, "code": "@" }),
            &codes[2..3],
        ),
        (
            "/api/auth/link/confirm",
            json!({ "email": "member@example.com", "code": "@", "requestToken": find(&tokens, "request") }),
            &codes[3..],
        ),
    ];
    let before = effects(&t).await;
    for (path, form, good) in &places {
        for kind in codes.iter().filter(|kind| !good.contains(*kind)) {
            let text = form
                .to_string()
                .replace("\"@\"", &format!("\"{}\"", find(&tokens, kind)));
            let answer = t.anonymous().json(&http::Method::POST, path, &text).await;
            assert!(
                [400, 401].contains(&answer.status()),
                "{kind} at {path}: {}",
                answer.text()
            );
        }
    }
    assert_eq!(effects(&t).await, before);
    for (path, form, good) in &places {
        let text = form
            .to_string()
            .replace("\"@\"", &format!("\"{}\"", find(&tokens, good[0])));
        let answer = t.anonymous().json(&http::Method::POST, path, &text).await;
        assert!(answer.status() < 300, "{path}: {}", answer.text());
    }
}
