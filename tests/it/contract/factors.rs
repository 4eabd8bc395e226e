//! Second factors: taken, signed in and proved with, and given up, with what fails on the way.

use http::Method;
use serde_json::json;
use usher_tests::{PASSWORD, Person, TestApp};

use crate::{
    challenges::{half, meet},
    enrolled::{CODES, CONFIRM, TOTP, code_of, decode, enrol},
    mail_sign_in,
};

const PROVE: &str = "/api/auth/reauthenticate";

pub(super) async fn visit(t: &TestApp) {
    let enrolled = enrol(t, Person::Member).await;
    let member = t.member();
    member.get("/api/me/factors").await.expect(200);
    let challenge = half(t, Person::Member).await;
    meet(t, &challenge, "nonsense").await.problem(401);
    meet(t, &challenge, &enrolled.codes[0]).await.expect(200);
    by_mail(t, &enrolled.codes[5]).await;
    let challenge = half(t, Person::Member).await;
    meet(t, &challenge, &enrolled.code(t).await)
        .await
        .expect(200);
    let prove = async |code: &str| {
        let form = json!({ "password": PASSWORD, "code": code });
        member.post(PROVE, form).await
    };
    prove("nonsense").await.problem(401);
    prove(&enrolled.codes[1]).await.expect(200);
    prove(&enrolled.code(t).await).await.expect(200);
    let old = "update sessions
        set created_at = now() - interval '1 day', authenticated_at = null
        where user_id = 4";
    t.execute(old).await;
    let refused = member.request_without_body(&Method::POST, CODES).await;
    assert_eq!(refused.problem(401), "reauthentication-required");
    prove(&enrolled.codes[2]).await.expect(200);
    let renewed = member.request_without_body(&Method::POST, CODES).await;
    renewed.expect(200);
    member.delete(TOTP).await.expect(204);
    enrol(t, Person::Member).await;
    let admin = t.admin();
    admin.delete("/api/users/4/factors").await.expect(204);
    with_a_key(t).await;
}

/// Signs in by a link and a code of the second factor, once more since the answer was lost.
async fn by_mail(t: &TestApp, code: &str) {
    let mailed = mail_sign_in::mailed(t, "member@example.com").await;
    let caller = t.anonymous().with_header("idempotency-key", "half-by-mail");
    let path = "/api/auth/link/confirm";
    for _ in 0..2 {
        let question = caller.post(path, mailed.by_link()).await;
        assert_eq!(question.problem(403), "second-factor-required");
    }
    let mailed = mail_sign_in::mailed(t, "member@example.com").await;
    let question = mail_sign_in::confirm(t, mailed.by_code()).await.body();
    let challenge = question["challengeToken"].as_str().unwrap();
    meet(t, challenge, code).await.expect(200);
}

async fn with_a_key(t: &TestApp) {
    let keyed = |key: &str| t.anonymous().with_header("idempotency-key", key);
    let session = keyed("k").sign_in("member@example.com", PASSWORD).await;
    let session = session.expect(200);
    let own = |key: &str| keyed(key).with_token(session["accessToken"].as_str().unwrap());
    let begun = own("begin").request_without_body(&Method::POST, TOTP).await;
    let key = decode(begun.expect(200)["secret"].as_str().unwrap());
    let form = json!({ "code": code_of(&key) });
    let confirmed = own("confirm").post(CONFIRM, form).await;
    let codes = confirmed.expect(200)["recoveryCodes"].clone();
    let question = keyed("ask").sign_in("member@example.com", PASSWORD).await;
    let form = json!({ "challengeToken": question.body()["challengeToken"], "code": codes[0] });
    for _ in 0..2 {
        let session = keyed("meet")
            .post("/api/auth/challenge", form.clone())
            .await;
        session.expect(200);
    }
    let form = json!({ "password": PASSWORD, "code": codes[1] });
    own("prove").post(PROVE, form).await.expect(200);
    let renewed = own("renew")
        .request_without_body(&Method::POST, CODES)
        .await;
    renewed.expect(200);
    own("remove").delete(TOTP).await.expect(204);
}
