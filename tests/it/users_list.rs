//! Lists of users: every order in both directions, every filter, page by page.

use serde_json::{Value, json};
use usher_tests::{Caller, TestApp};

/// Adds 57 users, with equal names and equal times among them.
async fn crowd(t: &TestApp) {
    t.execute(
        "insert into users (name, email, is_active, roles, created_at)
        select
          'Person ' || number % 7,
          'person' || number || '@example.org',
          number % 3 <> 0,
          case when number % 10 = 0 then '{user,auditor}' else '{user}' end::text[],
          timestamptz '2026-01-01 00:00:00Z' + make_interval(mins => number / 5)
        from generate_series(1, 57) as number",
    )
    .await;
}

/// Walks a list to its end, and returns all rows.
async fn walk(caller: &Caller, path: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut next = path.to_owned();
    loop {
        let answer = caller.get(&next).await;
        let body = answer.expect(200);
        rows.extend(body["data"].as_array().unwrap().clone());
        if body["page"]["hasMore"] == false {
            assert_eq!(
                (&body["page"]["nextCursor"], answer.header("link")),
                (&Value::Null, "")
            );
            return rows;
        }
        let link = answer
            .header("link")
            .strip_prefix('<')
            .unwrap()
            .strip_suffix(">; rel=\"next\"")
            .unwrap();
        assert!(
            link.ends_with(&format!(
                "cursor={}",
                body["page"]["nextCursor"].as_str().unwrap()
            )),
            "{link}"
        );
        link.clone_into(&mut next);
    }
}

#[tokio::test]
async fn every_order_is_walked_without_gap_or_double() {
    let t = TestApp::start().await;
    crowd(&t).await;
    for key in ["createdAt", "name", "email", "id"] {
        let up = walk(&t.admin(), &format!("/api/users?sort={key}&limit=7")).await;
        let mut down = walk(&t.admin(), &format!("/api/users?limit=9&sort=-{key}")).await;
        assert_eq!(up.len(), 62, "{key}");
        down.reverse();
        assert_eq!(up, down, "{key}");
        let column = match key {
            "createdAt" => "created_at",
            other => other,
        };
        let expected = t
            .sql(
                &format!("select jsonb_agg(id order by {column}, id) from users"),
                &[],
            )
            .await;
        let ids: Vec<_> = up.iter().map(|user| user["id"].clone()).collect();
        assert_eq!(json!(ids), expected, "{key}");
    }
}

#[tokio::test]
async fn a_list_begins_with_the_newest_twenty() {
    let t = TestApp::start().await;
    crowd(&t).await;
    let page = t.admin().get("/api/users").await.expect(200);
    let rows = page["data"].as_array().unwrap();
    assert_eq!(rows.len(), 20);
    assert_eq!(rows[0]["email"], "locked@example.com");
    assert!(page["page"].get("total").is_none());
}

#[tokio::test]
async fn filters_hold_together() {
    let t = TestApp::start().await;
    crowd(&t).await;
    let filters = [
        ("isActive=true", "is_active"),
        ("isActive=false", "not is_active"),
        ("role=auditor", "'auditor' = any(roles)"),
        ("email=PERSON7@example.org", "email = 'person7@example.org'"),
        (
            "createdFrom=2026-01-01T00:05:00Z",
            "created_at >= '2026-01-01 00:05:00Z'",
        ),
        (
            "createdTo=2026-01-01T01:05:00%2B01:00",
            "created_at < '2026-01-01 00:05:00Z'",
        ),
        ("q=PERSON+3", "name ilike '%person 3%'"),
        ("q=person3", "email ilike '%person3%'"),
        ("q=nobody+at+all", "false"),
        ("role=wizard", "false"),
        (
            "isActive=true&role=auditor&q=person&createdTo=2026-01-01T00:08:00Z",
            "is_active and 'auditor' = any(roles) and created_at < '2026-01-01 00:08:00Z' and email like 'person%'",
        ),
    ];
    for (query, condition) in filters {
        let rows = walk(&t.admin(), &format!("/api/users?{query}&limit=5&sort=id")).await;
        let ids: Vec<_> = rows.iter().map(|user| user["id"].clone()).collect();
        let expected = t
            .sql(
                &format!(
                    "select coalesce(jsonb_agg(id order by id), '[]') from users where {condition}"
                ),
                &[],
            )
            .await;
        assert_eq!(json!(ids), expected, "{query}");
        let counted = t
            .admin()
            .get(&format!("/api/users?{query}&count=exact&limit=1"))
            .await
            .expect(200);
        assert_eq!(counted["page"]["total"], json!(ids.len()), "{query}");
    }
    let estimated = t
        .admin()
        .get("/api/users?q=person&count=estimated")
        .await
        .expect(200);
    assert!(estimated["page"]["total"].is_number(), "{estimated}");
}

#[tokio::test]
async fn a_search_takes_every_character_as_it_is() {
    let t = TestApp::start().await;
    t.execute("insert into users (name, email) values ('100% _under\\ O''Brien', 'x@example.org')")
        .await;
    for term in ["0%25", "_u", "r%5C", "'B", "%25+_"] {
        assert_eq!(
            walk(&t.admin(), &format!("/api/users?q={term}"))
                .await
                .len(),
            1,
            "{term}"
        );
    }
    assert_eq!(walk(&t.admin(), "/api/users?q=%25%25").await.len(), 0);
}

#[tokio::test]
async fn a_cursor_fits_its_own_list_and_order_alone() {
    let t = TestApp::start().await;
    crowd(&t).await;
    let page = t
        .admin()
        .get("/api/users?limit=1&sort=name")
        .await
        .expect(200);
    let cursor = page["page"]["nextCursor"].as_str().unwrap();
    t.admin()
        .get(&format!("/api/users?sort=name&cursor={cursor}"))
        .await
        .expect(200);
    let bent = format!("{}A", &cursor[..cursor.len() - 1]);
    for path in [
        format!("/api/users?sort=-name&cursor={cursor}"),
        format!("/api/users?cursor={cursor}"),
        format!("/api/audit-logs?cursor={cursor}"),
        format!("/api/users?sort=name&cursor={bent}"),
        "/api/users?cursor=x".to_owned(),
        "/api/users?cursor=".to_owned(),
    ] {
        assert_eq!(
            t.admin().get(&path).await.faults(),
            ["cursor cursor"],
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_bad_parameter_is_named_at_once() {
    let t = TestApp::start().await;
    let query = "limit=0&sort=password&isActive=1&role=A&email=x&createdFrom=yesterday&q=+&count=all&fields=hash&offset=3";
    assert_eq!(
        t.admin().get(&format!("/api/users?{query}")).await.faults(),
        [
            "count count",
            "createdFrom date-time",
            "email email",
            "fields fields",
            "isActive type",
            "limit limit",
            "offset unknown",
            "q blank",
            "role role-name",
            "sort sort",
        ]
    );
    for (query, fault) in [
        ("limit=101", "limit limit"),
        ("limit=5&limit=6", "limit duplicate"),
        ("limit=1e1", "limit limit"),
        ("q=a%00b", "q unprintable"),
    ] {
        assert_eq!(
            t.admin().get(&format!("/api/users?{query}")).await.faults(),
            [fault]
        );
    }
    assert_eq!(
        t.admin().get("/api/users?q=%ff").await.problem(400),
        "malformed-query"
    );
}

#[tokio::test]
async fn only_the_wanted_members_are_listed() {
    let t = TestApp::start().await;
    let page = t
        .admin()
        .get("/api/users?fields=id,name&sort=id&limit=1")
        .await
        .expect(200);
    assert_eq!(page["data"], json!([{ "id": 1, "name": "admin" }]));
}

#[tokio::test]
async fn the_link_to_the_next_page_has_one_cursor_however_the_last_was_spelled() {
    let t = TestApp::start().await;
    let first = t.admin().get("/api/users?limit=1").await.expect(200);
    let cursor = first["page"]["nextCursor"].as_str().unwrap();
    let second = t
        .admin()
        .get(&format!("/api/users?limit=1&%63ursor={cursor}"))
        .await;
    second.expect(200);
    let link = second.header("link");
    let next = link.trim_start_matches('<').split('>').next().unwrap();
    t.admin().get(next).await.expect(200);
}
