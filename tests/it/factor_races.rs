//! Sixteen at once with the same code: one gets there. Who looks first and writes afterwards lets more through.

use usher_core::{
    accounts,
    factors::{self, Ask, Redemption},
    limits::Charge,
    one_time::Token,
};
use usher_domain::UserId;
use usher_http::App;
use usher_tests::{Person, TestApp};

use crate::{
    enrolled::{CONFIRM, begin, code_of, enrol},
    secret_races::origin,
    sixteen::{MANY, can_be_lost, rounds, winners},
};

/// Takes the factors of the member away, who has just signed in.
const WITHOUT_FACTORS: &str = "delete from recovery_codes; delete from totp_factors;
    update users set second_factors = '{}' where id = 4;
    update sessions set methods = '{pwd}', authenticated_at = now() where user_id = 4";

/// Takes the first step of a sign-in.
async fn ask(app: &App) -> Token {
    let connection = app.database.connection().await.unwrap();
    let checked = accounts::find_password(&connection, member())
        .await
        .unwrap();
    let ask = Ask {
        user: member(),
        checked: checked.as_ref().unwrap(),
        rehashed: None,
        attempt: None,
        charge: &Charge::new(&app.secret, &app.limits),
    };
    let challenge = factors::ask(&connection, &origin(), &ask).await.unwrap();
    challenge.unwrap().token
}

/// Takes the second step, and tells whether it led to a session.
async fn meet(app: App, token: Token, code: String) -> bool {
    let connection = app.database.connection().await.unwrap();
    let tried = factors::count_challenge_try(&connection, &token, None)
        .await
        .unwrap();
    let Some(tried) = tried else {
        return false;
    };
    let Some(used) = tried.check(&app.secret, &code).unwrap() else {
        return false;
    };
    let redemption = Redemption {
        token: &token,
        used: &used,
        attempt: None,
        mail: None,
    };
    let session = factors::redeem(&connection, &origin(), &app.secret, &redemption).await;
    session.unwrap().is_some()
}

fn member() -> UserId {
    UserId::new(4)
}

async fn tokens(app: &App) -> Vec<Token> {
    let mut tokens = Vec::new();
    for _ in 0..MANY {
        tokens.push(ask(app).await);
    }
    tokens
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_of_sixteen_with_the_same_code_at_as_many_challenges_one_gets_in() {
    let t = TestApp::start().await;
    let enrolled = enrol(&t, Person::Member).await;
    for round in 0..rounds(25) {
        let tokens = tokens(&t.app).await;
        let code = enrolled.code(&t).await;
        let count = winners(|number| {
            let token = tokens[number].clone();
            meet(t.app.clone(), token, code.clone())
        })
        .await;
        assert_eq!(count, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_of_sixteen_with_the_same_recovery_code_one_gets_in() {
    let t = TestApp::start().await;
    let enrolled = enrol(&t, Person::Member).await;
    for round in 0..rounds(25) {
        let tokens = tokens(&t.app).await;
        t.execute("alter table recovery_codes disable trigger user; update recovery_codes set used_at = null")
            .await;
        let count = winners(|number| {
            let token = tokens[number].clone();
            meet(t.app.clone(), token, enrolled.codes[0].clone())
        })
        .await;
        assert_eq!(count, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_of_sixteen_at_the_same_challenge_one_gets_in_and_one_code_is_used() {
    let t = TestApp::start().await;
    let enrolled = enrol(&t, Person::Member).await;
    for round in 0..rounds(25) {
        t.execute("update recovery_codes set used_at = null").await;
        let token = ask(&t.app).await;
        let code = enrolled.code(&t).await;
        let count = winners(|number| {
            let codes = [&code, &enrolled.codes[number % 10]];
            meet(t.app.clone(), token.clone(), codes[number % 2].clone())
        })
        .await;
        assert_eq!(count, 1, "round {round}");
        let used = "select (select count(*) from recovery_codes where used_at is not null)
            + (select count(*) from totp_factors where last_step > 0)";
        assert_eq!(t.count(used).await, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_confirm_the_same_app_one_gets_recovery_codes() {
    let t = TestApp::start().await;
    for round in 0..rounds(10) {
        t.execute(WITHOUT_FACTORS).await;
        let member = t.member();
        let code = code_of(&begin(&member).await);
        let count = winners(|_| {
            let member = member.clone();
            let form = serde_json::json!({ "code": code });
            async move { member.post(CONFIRM, form).await.status() == 200 }
        })
        .await;
        assert_eq!(count, 1, "round {round}");
        let codes = t.count("select count(*) from recovery_codes").await;
        assert_eq!(codes, 10, "round {round}");
    }
}

/// A sign-in that began before the factor was there must not end as a session without it.
#[tokio::test(flavor = "multi_thread")]
async fn attack_a_sign_in_races_with_the_first_code() {
    let t = TestApp::start().await;
    for round in 0..rounds(10) {
        t.execute(WITHOUT_FACTORS).await;
        let member = t.member();
        let code = code_of(&begin(&member).await);
        let form = serde_json::json!({ "code": code });
        let (confirmed, ..) = tokio::join!(
            member.post(CONFIRM, form),
            crate::challenges::sign_in(&t, Person::Member),
            crate::challenges::sign_in(&t, Person::Member),
        );
        confirmed.expect(200);
        let weak = "select count(*) from sessions where user_id = 4 and ended_at is null and not methods @> '{otp}'";
        assert_eq!(t.count(weak).await, 0, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_the_step_first_and_writes_afterwards_lets_more_than_one_through() {
    let t = TestApp::start().await;
    enrol(&t, Person::Member).await;
    can_be_lost(
        &t,
        "alter table totp_factors disable trigger user; update totp_factors set last_step = 0",
        "select last_step < 1 from totp_factors",
        "update totp_factors set last_step = 1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_a_recovery_code_first_and_writes_afterwards_lets_more_than_one_through() {
    let t = TestApp::start().await;
    enrol(&t, Person::Member).await;
    can_be_lost(
        &t,
        "alter table recovery_codes disable trigger user; delete from recovery_codes
        where code_hash <> (select code_hash from recovery_codes order by code_hash limit 1);
        update recovery_codes set used_at = null",
        "select used_at is null from recovery_codes",
        "update recovery_codes set used_at = now()",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_a_challenge_first_and_writes_afterwards_lets_more_than_one_through() {
    let t = TestApp::start().await;
    enrol(&t, Person::Member).await;
    ask(&t.app).await;
    can_be_lost(
        &t,
        "alter table challenges disable trigger user; update challenges set used_at = null",
        "select used_at is null from challenges",
        "update challenges set used_at = now()",
    )
    .await;
}
