//! What second factors count against, and what seals their secrets.

use serde_json::json;
use usher_core::{factors, secret::Secret};
use usher_tests::{PASSWORD, Person, TestApp};

use crate::{
    challenges::{PATH, enrolled, half, meet, sign_in},
    enrolled::{enrol, wrong_code},
};

#[tokio::test]
async fn whoever_knows_the_password_alone_runs_out_of_challenges() {
    let (t, enrolled) = enrolled().await;
    for _ in 0..5 {
        let challenge = half(&t, Person::Member).await;
        let wrong = meet(&t, &challenge, &wrong_code(&enrolled.key)).await;
        assert_eq!(wrong.problem(401), "invalid-code");
    }
    let question = sign_in(&t, Person::Member).await;
    assert_eq!(question.problem(429), "too-many-requests");
}

#[tokio::test]
async fn a_right_code_takes_the_tries_at_the_password_back() {
    let (t, enrolled) = enrolled().await;
    let tries = "select count(*) from credential_tries";
    half(&t, Person::Member).await;
    let challenge = half(&t, Person::Member).await;
    assert_eq!(t.count(tries).await, 2);
    let code = enrolled.code(&t).await;
    meet(&t, &challenge, &code).await.expect(200);
    assert_eq!(t.count(tries).await, 0);
}

#[tokio::test]
async fn the_secrets_of_those_who_stay_away_are_sealed_with_the_newest_secret_too() {
    let [old, new] = [(); 2].map(|()| Secret::generate().unwrap());
    let t = TestApp::with(&[("USHER_SECRET", &old)]).await;
    let enrolled = enrol(&t, Person::Member).await;
    let reseal = async |secrets: &str| {
        let (app, _) = t.beside(&[("USHER_SECRET", secrets)]);
        let connection = app.database.connection().await.unwrap();
        factors::reseal(&connection, &app.secret).await.unwrap()
    };
    assert_eq!(reseal(&old).await, 0);
    assert_eq!(reseal(&format!("{new},{old}")).await, 1);
    assert_eq!(reseal(&format!("{new},{old}")).await, 0);
    let code = enrolled.code(&t).await;
    let (_, caller) = t.beside(&[("USHER_SECRET", &new)]);
    let question = caller.sign_in("member@example.com", PASSWORD).await;
    let challenge = question.expect(403)["challengeToken"].clone();
    let form = json!({ "challengeToken": challenge, "code": code });
    caller.post(PATH, form).await.expect(200);
}
