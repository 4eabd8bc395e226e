//! What forms make of values that look right and are not.

use serde_json::json;
use usher_tests::TestApp;

#[tokio::test]
async fn a_time_that_there_is_not_everywhere_is_refused() {
    let t = TestApp::start().await;
    for time in ["9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z"] {
        let users = t
            .admin()
            .get(&format!("/api/users?createdFrom={time}"))
            .await;
        assert_eq!(users.faults(), ["createdFrom date-time"], "{time}");
        let entries = t.admin().get(&format!("/api/audit-logs?to={time}")).await;
        assert_eq!(entries.faults(), ["to date-time"], "{time}");
    }
}

#[tokio::test]
async fn every_unknown_field_is_named_by_its_pointer() {
    let t = TestApp::start().await;
    let mut body = json!({ "a/b~c": 1 });
    for number in 0..50 {
        body[format!("x{number}")] = json!(1);
    }
    let faults = t.admin().patch("/api/users/4", body).await.faults();
    assert_eq!(faults.len(), 51);
    assert_eq!(faults[0], "/a~1b~0c unknown");
}

#[tokio::test]
async fn a_name_that_nobody_sees_is_refused() {
    let t = TestApp::start().await;
    for name in [
        "\u{200b}",
        "\u{3164}",
        "Ada\u{61c}",
        "A\u{2060}da",
        "\u{200d}",
    ] {
        let answer = t
            .admin()
            .patch("/api/users/4", json!({ "name": name }))
            .await;
        assert!(answer.faults()[0].starts_with("/name "), "{name:?}");
    }
}
