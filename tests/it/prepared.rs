//! Statements under names: learnt beside what is asked, bound from then on, and given up without an error when lost.

use http::Method;
use serde_json::json;
use usher_tests::{Asked, PASSWORD, TestApp, Wire};

const USER: &str = "/api/users/4";

/// Has a session lose all its names when it changes a user.
const FORGET: &str = "
    create function forget() returns trigger language plpgsql as $$ begin deallocate all; return null; end $$;
    create trigger forget after update on users for each statement execute function forget()";

/// Reads a user, and returns what that asked of the server.
async fn read(t: &TestApp, wire: &Wire) -> Asked {
    t.admin().get(USER).await.expect(200);
    wire.take()
}

/// Changes the user, and returns what that asked of the server.
async fn change(t: &TestApp, wire: &Wire, name: &str) -> Asked {
    let answer = t.admin().patch(USER, json!({ "name": name })).await;
    assert_eq!(answer.expect(200)["name"], name);
    wire.take()
}

/// Waits, statements that got a name, and statements that were sent without one.
fn sent(asked: Asked) -> (usize, usize, usize) {
    (asked.waits, asked.named, asked.unnamed)
}

#[tokio::test]
async fn a_direct_connection_is_recognised_and_names_cost_no_wait() {
    let (t, wire) = TestApp::on_a_wire().await;
    // The check of the caller, the user, and which process it is that answers.
    assert_eq!(sent(read(&t, &wire).await), (1, 0, 3));
    assert_eq!(sent(read(&t, &wire).await), (1, 2, 2));
    assert_eq!(sent(read(&t, &wire).await), (1, 0, 0));
    // The change, and the user with the permissions before it.
    assert_eq!(sent(change(&t, &wire, "One").await), (2, 2, 2));
    assert_eq!(sent(change(&t, &wire, "Two").await), (2, 0, 0));
}

#[tokio::test]
async fn what_depends_on_its_values_is_planned_for_them_each_time() {
    let (t, wire) = TestApp::on_a_wire().await;
    for _ in 0..2 {
        read(&t, &wire).await;
    }
    for filter in ["isActive=true", "role=user", "q=member"] {
        for _ in 0..2 {
            let list = t.admin().get(&format!("/api/users?{filter}")).await;
            list.expect(200);
            assert_eq!(sent(wire.take()), (1, 0, 1), "{filter}");
        }
    }
}

#[tokio::test]
async fn the_connection_string_has_the_last_word() {
    for (more, expected) in [
        ("prepared_statements=false", [(1, 0, 2), (1, 0, 2)]),
        ("pgbouncer=true", [(1, 0, 2), (1, 0, 2)]),
        ("prepared_statements=true", [(1, 2, 2), (1, 0, 0)]),
    ] {
        let (t, wire) = TestApp::on_a_wire_with(more).await;
        for expected in expected {
            assert_eq!(sent(read(&t, &wire).await), expected, "{more}");
        }
    }
}

#[tokio::test]
async fn names_that_somebody_discarded_are_given_up_without_an_error() {
    let (t, wire) = TestApp::on_a_wire().await;
    t.execute(FORGET).await;
    read(&t, &wire).await;
    read(&t, &wire).await;
    change(&t, &wire, "One").await;
    // The check and the user are both asked for again, without a name.
    assert_eq!(sent(read(&t, &wire).await), (2, 0, 2));
    assert_eq!(sent(read(&t, &wire).await), (1, 0, 2));
    assert_eq!(sent(change(&t, &wire, "Two").await), (2, 0, 3));
    let changes = "select count(*) from audit_logs where action = 'UPDATE' and entity_id = 4";
    assert_eq!(t.count(changes).await, 2);
}

#[tokio::test]
async fn a_change_whose_name_was_discarded_is_made_once() {
    let (t, wire) = TestApp::on_a_wire().await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let session = t.anonymous().sign_in("member@example.com", PASSWORD).await;
        sessions.push(session.expect(200));
    }
    for (number, session) in sessions.iter().enumerate() {
        if number == 2 {
            t.execute(FORGET).await;
            change(&t, &wire, "One").await;
        }
        wire.take();
        let token = session["accessToken"].as_str().unwrap();
        let caller = t.anonymous().with_token(token);
        let path = "/api/auth/logout";
        let ended = caller.request_without_body(&Method::POST, path).await;
        assert_eq!(ended.status(), 204);
    }
    assert_eq!(sent(wire.take()), (2, 0, 1));
    let changes = "select count(*) from audit_logs where action = 'LOGOUT'";
    assert_eq!(t.count(changes).await, 3);
}

#[tokio::test]
async fn a_migration_that_changes_a_type_under_a_kept_plan_costs_nobody_an_error() {
    let (t, wire) = TestApp::on_a_wire().await;
    read(&t, &wire).await;
    for name in ["One", "Two"] {
        change(&t, &wire, name).await;
        read(&t, &wire).await;
    }
    t.execute("alter table users alter column avatar_url type varchar(500)")
        .await;
    assert_eq!(sent(change(&t, &wire, "Three").await), (4, 0, 3));
    let changes = "select count(*) from audit_logs where action = 'UPDATE' and entity_id = 4";
    assert_eq!(t.count(changes).await, 3);
    assert_eq!(sent(change(&t, &wire, "Four").await), (2, 3, 3));
    assert_eq!(sent(change(&t, &wire, "Five").await), (2, 0, 0));
}

#[tokio::test]
async fn more_shapes_of_lists_than_are_kept_do_no_harm() {
    let (t, wire) = TestApp::on_a_wire().await;
    read(&t, &wire).await;
    for sort in ["name", "-name"] {
        for limit in 1..=60 {
            let path = format!("/api/users?sort={sort}&limit={limit}");
            t.admin().get(&path).await.expect(200);
        }
    }
    let first = sent(read(&t, &wire).await);
    assert!(first.1 > 100, "{first:?}");
    read(&t, &wire).await;
    assert_eq!(sent(read(&t, &wire).await), (1, 0, 0));
}
