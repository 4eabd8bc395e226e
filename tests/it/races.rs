//! Sixteen at once: what must happen once happens once.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use usher_tests::{Answer, PASSWORD, TestApp};

use crate::sixteen::{can_be_lost, rounds};

/// How often they try, usually.
const ROUNDS: usize = 20;

/// Runs all at the same time and counts the statuses of their answers.
async fn race(
    requests: impl IntoIterator<Item = impl Future<Output = Answer> + Send + 'static>,
) -> (BTreeMap<u16, usize>, Vec<Answer>) {
    let mut running: JoinSet<Answer> = requests.into_iter().collect();
    let mut answers = Vec::new();
    while let Some(answer) = running.join_next().await {
        answers.push(answer.unwrap());
    }
    let mut statuses = BTreeMap::new();
    for answer in &answers {
        *statuses.entry(answer.status()).or_default() += 1;
    }
    (statuses, answers)
}

async fn sixteen_admins(t: &TestApp) {
    t.execute(
        "insert into users (id, name, email, roles)
        select number, 'Admin ' || number, 'admin' || number || '@example.com', '{admin}' from generate_series(100, 115) as number;
        update users set roles = '{user}' where id = 1",
    )
    .await;
    t.execute("insert into sessions (id, user_id, refresh_hash, expires_at) select gen_random_uuid(), id, sha256('x'), now() + interval '1 day' from users where id >= 100").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_admins_who_leave_at_once_one_stays() {
    for round in 0..6 {
        let t = TestApp::start().await;
        sixteen_admins(&t).await;
        let callers = t
            .callers("select user_id, id from sessions where user_id >= 100")
            .await;
        let (statuses, _) = race(callers.into_iter().map(|(id, caller)| async move {
            match round % 3 {
                0 => {
                    caller
                        .put(
                            &format!("/api/users/{id}/roles"),
                            json!({ "roles": ["user"] }),
                        )
                        .await
                }
                1 => {
                    caller
                        .patch(&format!("/api/users/{id}"), json!({ "isActive": false }))
                        .await
                }
                _ => caller.delete(&format!("/api/users/{id}")).await,
            }
        }))
        .await;
        let done = statuses.get(&200).or(statuses.get(&204)).copied();
        assert_eq!(
            (done, statuses.get(&409)),
            (Some(15), Some(&1)),
            "round {round}: {statuses:?}"
        );
        let left = "select count(*) from users where roles @> '{admin}' and is_active and deleted_at is null";
        assert_eq!(t.count(left).await, 1);
        assert_eq!(t.audit().await.len(), 15);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn admins_who_demote_each_other_leave_at_least_one() {
    for _ in 0..4 {
        let t = TestApp::start().await;
        sixteen_admins(&t).await;
        let callers = t
            .callers("select user_id, id from sessions where user_id >= 100")
            .await;
        race(callers.into_iter().map(|(id, caller)| async move {
            let victim = 100 + (id - 99) % 16;
            caller
                .put(
                    &format!("/api/users/{victim}/roles"),
                    json!({ "roles": ["user"] }),
                )
                .await
        }))
        .await;
        let left = t.count("select count(*) from users where roles @> '{admin}' and is_active and deleted_at is null").await;
        assert!(left >= 1);
        let entries = i64::try_from(t.audit().await.len()).unwrap();
        assert_eq!(left + entries, 16, "one entry for each demotion");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_address_makes_one_user() {
    let t = TestApp::start().await;
    let (statuses, _) = race((0..16).map(|index| {
        let admin = t.admin();
        let email = if index % 2 == 0 {
            "ada@example.com"
        } else {
            " ADA@Example.COM"
        };
        async move {
            admin
                .post("/api/users", json!({ "name": "Ada", "email": email }))
                .await
        }
    }))
    .await;
    assert_eq!(statuses, BTreeMap::from([(201, 1), (409, 15)]));
    assert_eq!(t.audit().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_refresh_token_has_one_successor() {
    let t = TestApp::with(&[("USHER_LIMITS", "refresh-address=1000000/1")]).await;
    let session = t
        .anonymous()
        .sign_in("member@example.com", PASSWORD)
        .await
        .expect(200);
    let mut token = session["refreshToken"].clone();
    for _ in 0..rounds(ROUNDS) {
        let (statuses, answers) = race((0..16).map(|_| {
            let (caller, token) = (t.anonymous(), token.clone());
            async move {
                caller
                    .post("/api/auth/refresh", json!({ "refreshToken": token }))
                    .await
            }
        }))
        .await;
        assert_eq!(statuses, BTreeMap::from([(200, 16)]));
        let next = answers[0].body()["refreshToken"].clone();
        assert!(
            answers
                .iter()
                .all(|answer| answer.body()["refreshToken"] == next)
        );
        token = next;
    }
    assert_eq!(
        t.count("select count(*) from audit_logs where action = 'REFRESH'")
            .await,
        i64::try_from(rounds(ROUNDS)).unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_the_refresh_token_first_and_writes_afterwards_makes_more_than_one_successor()
{
    let t = TestApp::start().await;
    can_be_lost(
        &t,
        "update sessions set refresh_hash = sha256('x') where user_id = 4",
        "select refresh_hash = sha256('x') from sessions where user_id = 4",
        "update sessions set refresh_hash = sha256(gen_random_uuid()::text::bytea) where user_id = 4",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_change_is_lost_among_sixteen() {
    let t = TestApp::start().await;
    let (statuses, _) = race((0..16).map(|index| {
        let admin = t.admin();
        async move {
            match index % 2 {
                0 => {
                    admin
                        .patch("/api/users/4", json!({ "name": format!("Member {index}") }))
                        .await
                }
                _ => {
                    admin
                        .patch(
                            "/api/users/4",
                            json!({ "avatarUrl": format!("https://example.com/{index}") }),
                        )
                        .await
                }
            }
        }
    }))
    .await;
    let done = statuses.get(&200).copied().unwrap_or_default();
    assert_eq!(
        done + statuses.get(&409).copied().unwrap_or_default(),
        16,
        "{statuses:?}"
    );
    assert!(done >= 1);
    let user = t.admin().get("/api/users/4").await.expect(200);
    assert_eq!(user["version"], json!(1 + done));
    // Each entry starts from what the one before left.
    let entries = t.audit().await;
    assert_eq!(entries.len(), done);
    let mut current = json!({ "name": "member", "avatarUrl": null });
    for entry in &entries {
        for (field, before) in entry["payload"]["before"].as_object().unwrap() {
            assert_eq!(&current[field], before);
            current[field] = entry["payload"]["after"][field].clone();
        }
    }
    assert_eq!(
        (&user["name"], &user["avatarUrl"]),
        (&current["name"], &current["avatarUrl"])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sign_in_that_races_with_a_deactivation_leaves_no_session() {
    let t = TestApp::start().await;
    for _ in 0..10 {
        let deactivate = {
            let admin = t.admin();
            async move {
                admin
                    .patch("/api/users/4", json!({ "isActive": false }))
                    .await
            }
        };
        let caller = t.anonymous();
        let sign_ins = (0..4).map(|_| {
            let caller = caller.clone();
            async move { caller.sign_in("member@example.com", PASSWORD).await }
        });
        let mut requests: Vec<std::pin::Pin<Box<dyn Future<Output = Answer> + Send>>> =
            vec![Box::pin(deactivate)];
        requests.extend(sign_ins.map(|request| Box::pin(request) as _));
        race(requests).await;
        assert_eq!(
            t.count("select count(*) from sessions where user_id = 4 and ended_at is null")
                .await,
            0
        );
        t.admin()
            .patch("/api/users/4", json!({ "isActive": true }))
            .await
            .expect(200);
    }
}

/// What an admin who is losing the rights tries to save, and how the rights are lost while the body arrives.
#[tokio::test]
async fn who_loses_the_rights_while_a_body_arrives_changes_nothing() {
    let accomplice = json!({ "name": "Eve", "email": "eve@example.com", "roles": ["admin"], "password": PASSWORD });
    let cases: [(&Method, &str, Value, &str, u16); 7] = [
        (&Method::POST, "/api/users", accomplice.clone(), "ban", 401),
        (
            &Method::POST,
            "/api/users",
            accomplice.clone(),
            "removal",
            401,
        ),
        (&Method::POST, "/api/users", accomplice, "demotion", 403),
        (
            &Method::PATCH,
            "/api/users/50",
            json!({ "name": "me", "isActive": true }),
            "ban",
            401,
        ),
        (
            &Method::PUT,
            "/api/users/50/roles",
            json!({ "roles": ["admin", "user"] }),
            "demotion",
            403,
        ),
        (
            &Method::PATCH,
            "/api/me",
            json!({ "name": "after all" }),
            "logout",
            401,
        ),
        (
            &Method::PATCH,
            "/api/users/4",
            json!({ "name": "after all" }),
            "another address",
            401,
        ),
    ];
    for (method, path, body, loss, expected) in cases {
        let t = TestApp::start().await;
        t.execute(
            "insert into users (id, name, email, roles) values (50, 'Bad', 'bad@example.com', '{admin}');
            insert into sessions (id, user_id, refresh_hash, expires_at)
            values (gen_random_uuid(), 50, sha256('x'), now() + interval '1 day')",
        )
        .await;
        let (_, bad) = t
            .callers("select user_id, id from sessions where user_id = 50")
            .await
            .remove(0);
        let lose = async {
            let admin = t.admin();
            let done = match loss {
                "ban" => {
                    admin
                        .patch("/api/users/50", json!({ "isActive": false }))
                        .await
                }
                "removal" => admin.delete("/api/users/50").await,
                "demotion" => {
                    admin
                        .put("/api/users/50/roles", json!({ "roles": ["user"] }))
                        .await
                }
                "logout" => bad.post("/api/auth/logout", json!({})).await,
                _ => {
                    admin
                        .patch("/api/users/50", json!({ "email": "new@example.com" }))
                        .await
                }
            };
            assert!(done.status() < 300, "{}", done.text());
        };
        let answer = bad.send_late(method, path, body, lose).await;
        answer.problem(expected);
        let entries = t.audit().await;
        assert_eq!(
            entries.len(),
            1,
            "{method} {path} after a {loss}: {entries:?}"
        );
        let admins = "select count(*) from users where roles @> '{admin}' and is_active and deleted_at is null";
        let left = if matches!(loss, "logout" | "another address") {
            2
        } else {
            1
        };
        assert_eq!(
            t.count(admins).await,
            left,
            "{method} {path} after a {loss}"
        );
        assert_eq!(
            t.count("select count(*) from users where name in ('me', 'after all')")
                .await,
            0
        );
    }
}

#[tokio::test]
async fn a_body_that_comes_late_is_taken_from_who_kept_the_rights() {
    let t = TestApp::start().await;
    let rename = async {
        t.admin()
            .patch("/api/users/1", json!({ "name": "Boss" }))
            .await
            .expect(200);
    };
    let body = json!({ "name": "Mem" });
    let answer = t
        .admin()
        .send_late(&Method::PATCH, "/api/users/4", body, rename)
        .await;
    answer.expect(200);
}
