//! Attacks on what is done in steps: a step without what it needs, one proof in place of two, and codes that are guessed.

use std::env;

use http::Method;
use serde_json::{Map, Value, json};
use usher_tests::{Answer, Authenticator, Caller, PASSWORD, Person, TestApp};

use crate::{
    accounts::{NEW, newest_code, newest_token, register},
    challenges::half,
    deletion, email_changes,
    enrolled::{begin, enrol, wrong_code},
    invitations, limits,
    mail_sign_in::mailed,
    operations::{self, PATIENT, enough},
    passkeys,
    token_attacks::effects,
};

/// The last step of everything that has more than one.
const STEPS: [&str; 11] = [
    "/api/auth/verify-email",
    "/api/auth/password/reset",
    "/api/auth/link/confirm",
    "/api/auth/challenge",
    "/api/auth/passkey",
    "/api/auth/email/confirm",
    "/api/auth/email/cancel",
    "/api/auth/restore",
    "/api/auth/invitation",
    "/api/me/passkeys",
    "/api/me/factors/totp/confirm",
];

/// Takes all steps but the last, and returns who takes that one, with a form that is good.
async fn ready(t: &TestApp, path: &str) -> (Caller, Value) {
    let form = match path {
        "/api/auth/verify-email" => {
            register(t, NEW).await.expect(202);
            json!({ "email": NEW, "code": newest_code(t).await })
        }
        "/api/auth/password/reset" => {
            let form = json!({ "email": "member@example.com" });
            let forgot = t.anonymous().post("/api/auth/password/forgot", form).await;
            forgot.expect(202);
            json!({ "token": newest_token(t).await, "password": "quite another password" })
        }
        "/api/auth/link/confirm" => mailed(t, "member@example.com").await.by_code(),
        "/api/auth/challenge" => {
            let enrolled = enrol(t, Person::Auditor).await;
            json!({ "challengeToken": half(t, Person::Auditor).await, "code": enrolled.codes[0] })
        }
        "/api/auth/passkey" => {
            let mut phone = Authenticator::default();
            passkeys::add(&t.member(), &mut phone, "Phone")
                .await
                .expect(201);
            passkeys::answer(&t.anonymous(), &mut phone).await
        }
        "/api/auth/email/confirm" => {
            json!({ "token": email_changes::links(t, "new@example.com").await.old })
        }
        "/api/auth/email/cancel" => {
            json!({ "token": email_changes::links(t, "new@example.com").await.cancel })
        }
        "/api/auth/restore" => json!({ "token": deletion::restore_token(t).await }),
        "/api/auth/invitation" => {
            let (_, token) = invitations::invited(t, invitations::NEW, &["user"]).await;
            json!({ "token": token, "name": "Ada", "password": PASSWORD })
        }
        "/api/me/passkeys" => {
            passkeys::made(&t.member(), &mut Authenticator::default(), "Key").await
        }
        _ => json!({ "code": crate::enrolled::code_of(&begin(&t.member()).await) }),
    };
    let is_own = path.starts_with("/api/me");
    (if is_own { t.member() } else { t.anonymous() }, form)
}

/// Returns the form with every choice of members left out, null, empty, or of another type: all but itself.
fn lessened(form: &Map<String, Value>) -> Vec<Value> {
    let mut all = vec![Map::new()];
    for (name, value) in form {
        let ways = [
            Some(value.clone()),
            None,
            Some(Value::Null),
            Some(json!("")),
            Some(json!({})),
            Some(json!([value])),
            Some(json!(true)),
        ];
        let longer = |form: &Map<String, Value>| {
            let form = form.clone();
            ways.clone().into_iter().map(move |way| {
                let mut form = form.clone();
                form.extend(way.map(|value| (name.clone(), value)));
                form
            })
        };
        all = all.iter().flat_map(longer).collect();
    }
    all.retain(|other| other != form);
    all.into_iter().map(Value::Object).collect()
}

#[tokio::test]
async fn attack_01_a_last_step_without_what_it_needs_is_not_taken() {
    let mut cases = 0;
    for path in STEPS {
        let t = operations::start().await;
        let (caller, good) = ready(&t, path).await;
        let before = (
            effects(&t).await,
            t.sql("select jsonb_agg(password order by id) from users", &[])
                .await,
        );
        let mut forms = lessened(good.as_object().unwrap());
        // The answer to a challenge may be wrong once, so that this comes last.
        forms.sort_by_key(|form| form["credential"] == json!({}));
        for form in forms {
            let answer = caller.post(path, form.clone()).await;
            let what = format!("{path} {form}: {}", answer.text());
            assert!([400, 401, 404].contains(&answer.status()), "{what}");
            cases += 1;
        }
        let after = (
            effects(&t).await,
            t.sql("select jsonb_agg(password order by id) from users", &[])
                .await,
        );
        assert_eq!(before, after, "{path}");
        let (caller, good) = if path.contains("passkey") {
            ready(&t, path).await
        } else {
            (caller, good)
        };
        let answer = caller.post(path, good).await;
        assert!(answer.status() < 300, "{path}: {}", answer.text());
    }
    enough(cases, 900);
}

#[tokio::test]
async fn attack_01_steps_in_another_order_lead_nowhere() {
    let t = operations::start().await;
    let before = effects(&t).await;
    // What a first step gives its caller is not what the mail holds, whichever step it is shown at.
    let asked = t
        .anonymous()
        .post("/api/auth/link", json!({ "email": "member@example.com" }))
        .await;
    let request = asked.expect(202)["requestToken"].clone();
    let challenge =
        passkeys::options(&t.anonymous(), "/api/auth/passkey").await["ceremonyToken"].clone();
    let forgot = json!({ "email": "member@example.com" });
    let mut cases = 0;
    for is_asked in [false, true] {
        if is_asked {
            t.anonymous()
                .post("/api/auth/password/forgot", forgot.clone())
                .await
                .expect(202);
        }
        for token in [
            &request,
            &challenge,
            &json!("member@example.com"),
            &json!("4"),
            &json!("0"),
            &json!("null"),
        ] {
            for path in STEPS
                .into_iter()
                .filter(|path| path.starts_with("/api/auth"))
            {
                let form = json!({ "token": token, "password": "quite another password" });
                for form in [
                    form,
                    json!({ "token": token }),
                    json!({ "token": token, "requestToken": token }),
                    json!({ "challengeToken": token, "code": "000000" }),
                ] {
                    let answer = t.anonymous().post(path, form).await;
                    assert!(
                        [400, 401].contains(&answer.status()),
                        "{path}: {}",
                        answer.text()
                    );
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(effects(&t).await, before);
    t.anonymous()
        .sign_in("member@example.com", PASSWORD)
        .await
        .expect(200);
    enough(cases, 400);
}

#[tokio::test]
async fn attack_10_one_factor_in_two_shapes_is_one() {
    let t = operations::start().await;
    let enrolled = enrol(&t, Person::Member).await;
    let before = effects(&t).await;
    // The mailbox alone, and twice; the password twice; two codes without the password.
    let link = mailed(&t, "member@example.com").await;
    let confirm = "/api/auth/link/confirm";
    let first = t.anonymous().post(confirm, link.by_link()).await;
    assert_eq!(first.problem(403), "second-factor-required");
    let refused = t.anonymous().post(confirm, link.by_code()).await;
    assert_eq!(refused.problem(400), "invalid-secret");
    let link = mailed(&t, "member@example.com").await;
    for code in [&link.code, &link.token, PASSWORD] {
        let form = json!({ "challengeToken": first.body()["challengeToken"], "code": code });
        t.anonymous()
            .post("/api/auth/challenge", form)
            .await
            .problem(401);
    }
    let request = json!(link.request);
    let code = enrolled.code(&t).await;
    for code in [PASSWORD, &enrolled.codes[0], &code] {
        let form = json!({ "email": "member@example.com", "code": code, "requestToken": request });
        t.anonymous()
            .post("/api/auth/link/confirm", form)
            .await
            .problem(400);
    }
    for password in [&enrolled.codes[0], &code] {
        t.anonymous()
            .sign_in("member@example.com", password)
            .await
            .problem(401);
    }
    let challenge = half(&t, Person::Member).await;
    for code in [PASSWORD, &link.code, ""] {
        let form = json!({ "challengeToken": challenge, "code": code });
        t.anonymous()
            .post("/api/auth/challenge", form)
            .await
            .problem(401);
    }
    let other = half(&t, Person::Member).await;
    let form = json!({ "challengeToken": challenge, "code": other });
    t.anonymous()
        .post("/api/auth/challenge", form)
        .await
        .problem(401);
    // A link to choose another password leaves the second factor.
    let forgot = json!({ "email": "member@example.com" });
    t.anonymous()
        .post("/api/auth/password/forgot", forgot)
        .await
        .expect(202);
    let reset = json!({ "token": newest_token(&t).await, "password": "quite another password" });
    assert_eq!(effects(&t).await, before);
    t.anonymous()
        .post("/api/auth/password/reset", reset)
        .await
        .expect(204);
    let question = t
        .anonymous()
        .sign_in("member@example.com", "quite another password")
        .await;
    assert_eq!(question.problem(403), "second-factor-required");
}

/// How many codes are tried at each place; `USHER_LIMIT_CODES=10000` is the long form.
#[expect(clippy::disallowed_methods, reason = "the one setting of a test")]
fn guesses() -> usize {
    let text = env::var("USHER_LIMIT_CODES").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(40)
}

/// Sends another wrong code each time, and returns how many of them were looked at: answered as a wrong one.
async fn looked_at(
    t: &TestApp,
    wrong: &str,
    guess: impl AsyncFn(usize, String) -> Answer,
) -> usize {
    let mut count = 0;
    for number in 0..guesses() {
        let code = if number == 0 {
            wrong.to_owned()
        } else {
            format!("{number:0width$}", width = wrong.len())
        };
        let answer = guess(number, code).await;
        // On a busy machine one may be put off.
        let is_refused = (400..500).contains(&answer.status()) || answer.status() == 503;
        assert!(is_refused, "{}", answer.text());
        let code = answer.body()["code"].clone();
        count += usize::from(code == "invalid-code" || code == "invalid-secret");
        limits::hold_delays(t).await;
    }
    count
}

#[tokio::test]
async fn attack_13_at_no_place_are_more_than_a_few_codes_looked_at() {
    // The limits of addresses are out of the way, those of codes are the usual ones.
    let rates = PATIENT.split(",login-pair").next().unwrap();
    let t = TestApp::with(&[("USHER_LIMITS", rates)]).await;
    crate::api_keys::sign_in_anew(&t).await;
    let from = |number: usize| t.anonymous().at(&format!("2001:db8:0:{number:x}::1"));
    register(&t, NEW).await.expect(202);
    let verify = looked_at(&t, "99999999", async |number, code| {
        let form = json!({ "email": NEW, "code": code });
        from(number).post("/api/auth/verify-email", form).await
    });
    let mut told = vec![("verify-email", verify.await)];
    let link = mailed(&t, "helper@example.com").await;
    let link = looked_at(&t, "99999999", async |number, code| {
        let form =
            json!({ "email": "helper@example.com", "code": code, "requestToken": link.request });
        from(number).post("/api/auth/link/confirm", form).await
    });
    told.push(("link/confirm", link.await));
    let own = t.member();
    let key = begin(&own).await;
    let wrong = wrong_code(&key);
    let confirm = looked_at(&t, &wrong, async |_, code| {
        own.post("/api/me/factors/totp/confirm", json!({ "code": code }))
            .await
    });
    told.push(("totp/confirm", confirm.await));
    let auditor = enrol(&t, Person::Auditor).await;
    let caller = auditor.caller(&t).await;
    let wrong = wrong_code(&auditor.key);
    let again = looked_at(&t, &wrong, async |_, code| {
        caller
            .post(
                "/api/auth/reauthenticate",
                json!({ "password": PASSWORD, "code": code }),
            )
            .await
    });
    told.push(("reauthenticate", again.await));
    // Who knows the password begins another challenge whenever one is used up.
    let challenge = looked_at(&t, &wrong, async |number, code| {
        let question = from(number).sign_in("auditor@example.com", PASSWORD).await;
        let Some(token) = question.body()["challengeToken"]
            .as_str()
            .map(str::to_owned)
        else {
            return question;
        };
        from(number)
            .post(
                "/api/auth/challenge",
                json!({ "challengeToken": token, "code": code }),
            )
            .await
    });
    told.push(("challenge", challenge.await));
    for (place, count) in &told {
        // At a challenge those count who know the password: 20 for an account from anywhere, as for the password itself.
        let most = if *place == "challenge" { 20 } else { 5 };
        assert!((1..=most).contains(count), "{told:?}");
    }
    enough(told.len() * guesses(), 200);
    t.anonymous()
        .request_without_body(&Method::GET, "/api/health/live")
        .await
        .expect(200);
}
