//! The search for users: it finds what a scan of all would find, and reads a few thousand rows at most.

use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use tokio_postgres::{Client, SimpleQueryMessage};
use usher_tests::{Caller, TestApp, connect, query_log};

/// The orders of the list, with the columns they are by.
const SORTS: [(&str, &str); 8] = [
    ("-createdAt", "created_at desc, id desc"),
    ("createdAt", "created_at, id"),
    ("-name", "name desc, id desc"),
    ("name", "name, id"),
    ("-email", "email desc"),
    ("email", "email"),
    ("-id", "id desc"),
    ("id", "id"),
];

/// Filters beside the search, as conditions and as parameters.
const FILTERS: [(&str, &str); 6] = [
    ("true", ""),
    ("not is_active", "&isActive=false"),
    ("'auditor' = any(roles)", "&role=auditor"),
    ("email = '20@example.org'", "&email=20@example.org"),
    (
        "created_at >= '2026-01-20Z'",
        "&createdFrom=2026-01-20T00:00:00Z",
    ),
    (
        "is_active and created_at < '2026-01-04Z'",
        "&isActive=true&createdTo=2026-01-04T00:00:00Z",
    ),
];

/// Adds users with names of few letters, some of which mean something in patterns and queries. The oldest quarter has a
/// domain of its own: too many to sort, and a walk from the other end meets none of them for long.
async fn crowd(t: &TestApp, users: u32) {
    t.execute(&format!(
        r"do $do$
        declare
          definition constant text := pg_get_indexdef('users_grams_idx'::regclass);
        begin
          -- What the search did without this index, it does not do with another.
          drop index users_grams_idx, users_search_idx;
          perform setseed(0.5);
          insert into users (name, email, is_active, roles, created_at, deleted_at)
          select
            'N' || array_to_string(array(
              select substr('abcdeABCDE %_\''ßéÉ:&|!*漢', 1 + floor(random() * 24)::integer, 1)
              from generate_series(1, 3 + number % 7)
            ), '') || '.',
            translate(number::text, '67', '_%') || case when number <= {users} / 3 then '@old.example.com' else '@example.org' end,
            number % 9 <> 0,
            case when number % 300 = 7 then '{{user,auditor}}' else '{{user}}' end::text[],
            timestamptz '2026-01-01 00:00:00Z' + make_interval(mins => number * 3 + number * 7919 % 500),
            case when number % 17 = 0 then now() end
          from generate_series(1, {users}) as number;
          execute definition;
        end
        $do$"
    ))
    .await;
    t.execute("vacuum analyze users").await;
}

/// Walks a list for some pages, and returns the ids of its rows with whether that was all.
async fn walk(caller: &Caller, path: &str, pages: usize) -> (Vec<Value>, bool) {
    let (mut ids, mut next) = (Vec::new(), String::new());
    for _ in 0..pages {
        let body = caller.get(&format!("{path}{next}")).await.expect(200);
        let rows = body["data"].as_array().unwrap();
        ids.extend(rows.iter().map(|user| user["id"].clone()));
        let Some(cursor) = body["page"]["nextCursor"].as_str() else {
            return (ids, true);
        };
        let cursor = format!("&cursor={cursor}");
        assert_ne!(next, cursor, "{path} stands still");
        next = cursor;
    }
    (ids, false)
}

fn encoded(text: &str) -> String {
    let bytes = text.bytes().map(|byte| format!("%{byte:02x}"));
    bytes.collect::<Vec<_>>().concat()
}

/// A term: a piece of the text of a user, or one that somebody might try.
#[derive(Debug, Clone)]
enum Term {
    Piece {
        user: prop::sample::Index,
        of_name: bool,
        start: prop::sample::Index,
        length: usize,
        is_upper: bool,
    },
    Given(&'static str),
}

fn term() -> impl Strategy<Value = Term> {
    let index = any::<prop::sample::Index>;
    let piece = (index(), any::<bool>(), index(), 1_usize..12, any::<bool>());
    prop_oneof![
        3 => piece.prop_map(|(user, of_name, start, length, is_upper)| Term::Piece {
            user, of_name, start, length, is_upper,
        }),
        1 => select(vec![
            "example", "EXAMPLE.ORG", "e", "old", "@old.example.com", "%", "_", "\\", "'", "é", "É", "漢", "q", "zq", "%_",
            "a%b", "n", "org@", "1", "00", "999", "example.example", "''''", "\\\\", "& |", ":*", "xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ])
        .prop_map(Term::Given),
    ]
}

impl Term {
    fn text(&self, users: &[(String, String)]) -> String {
        match self {
            Self::Given(text) => (*text).to_owned(),
            Self::Piece {
                user,
                of_name,
                start,
                length,
                is_upper,
            } => {
                let (name, email) = user.get(users);
                let text = if *of_name { name } else { email };
                let start = start.index(text.chars().count());
                let piece = text.chars().skip(start).take(*length);
                let piece: String = piece.collect();
                if *is_upper {
                    piece.to_uppercase()
                } else {
                    piece
                }
            }
        }
    }
}

async fn texts(client: &Client) -> Vec<(String, String)> {
    let rows = client
        .query("select name, email from users order by id", &[])
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn a_search_finds_what_a_scan_finds_in_every_order_and_page_by_page() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (t, owner, users) = runtime.block_on(async {
        let t = TestApp::start().await;
        crowd(&t, 12_000).await;
        let owner = connect(t.url()).await;
        let users = texts(&owner).await;
        (t, owner, users)
    });
    let cases = (
        term(),
        select(&SORTS[..]),
        select(&FILTERS[..]),
        select(vec![3_usize, 20, 100]),
    );
    let config = Config {
        cases: 100,
        failure_persistence: None,
        ..Config::default()
    };
    let admin = t.admin();
    let outcome = TestRunner::new(config).run(&cases, |(term, sort, filter, limit)| {
        let term = term.text(&users).trim().to_owned();
        prop_assume!(!term.is_empty());
        runtime.block_on(async {
            let path = format!("/api/users?q={}&sort={}&limit={limit}{}", encoded(&term), sort.0, filter.1);
            let (found, is_all) = walk(&admin, &path, 12).await;
            let statement = format!(
                "select id from users
                where deleted_at is null and {} and (strpos(lower(name), lower($1)) > 0 or strpos(lower(email), lower($1)) > 0)
                order by {}",
                filter.0, sort.1
            );
            let scan = owner.query(&statement, &[&term]).await.unwrap();
            let scan: Vec<_> = scan.iter().map(|row| json!(row.get::<_, i64>(0))).collect();
            if is_all {
                assert_eq!(found, scan, "{path}");
            } else {
                assert_eq!(found, scan[..found.len()], "{path}");
            }
            let counted = admin.get(&format!("{path}&count=exact")).await.expect(200);
            assert_eq!(counted["page"]["total"], json!(scan.len()), "{path}");
        });
        Ok(())
    });
    outcome.unwrap();
}

/// Every kind of term: of nearly all users, of many, of some, of the oldest alone, of few, of nobody; short and long.
const TERMS: [&str; 16] = [
    "example",
    "EXAMPLE",
    "n",
    "é",
    "a",
    "ab",
    "a.",
    "@old.example.com",
    "b ",
    "1234",
    "39999",
    "zq",
    "~",
    "%_",
    "example.example",
    "nobody-has-a-name-or-an-address-as-long-as-this-one-is@a-domain-that-nobody-has.example.org",
];

/// The parts of the list where a page is asked for: filters with their values, as the statement has them.
const FILTERED: [(&str, &[&str]); 4] = [
    ("", &[]),
    ("&isActive=true", &["true"]),
    ("&role=auditor", &["{auditor}"]),
    (
        "&isActive=false&createdFrom=2026-02-01T00:00:00Z",
        &["2026-02-01T00:00:00Z", "false"],
    ),
];

/// Returns how many rows of users a plan read, whether they were returned or not.
fn rows_read(plan: &Value) -> f64 {
    let number = |key: &str| plan[key].as_f64().unwrap_or_default();
    let is_table = plan["Relation Name"] == "users";
    let own = number("Actual Rows")
        + number("Rows Removed by Filter")
        + number("Rows Removed by Index Recheck");
    let own = if is_table {
        own * number("Actual Loops")
    } else {
        0.0
    };
    let below = plan["Plans"].as_array();
    own + below.map_or(0.0, |plans| plans.iter().map(rows_read).sum())
}

/// Runs a statement with these values, and returns how many rows of users it read.
async fn run(app: &Client, statement: &str, values: &[String]) -> f64 {
    app.batch_execute(&format!("deallocate all; prepare searched {statement}"))
        .await
        .unwrap();
    let values: Vec<_> = values.iter().map(|value| format!("'{value}'")).collect();
    let explain = format!(
        "explain (analyze, timing off, format json) execute searched ({})",
        values.join(", ")
    );
    let lines = app.simple_query(&explain).await.unwrap();
    let SimpleQueryMessage::Row(row) = &lines[1] else {
        panic!("{lines:?}")
    };
    let plans: Value = serde_json::from_str(row.get(0).unwrap()).unwrap();
    rows_read(&plans[0]["Plan"])
}

/// Returns the search since the last look, as something to prepare.
fn searched() -> String {
    let queries = query_log::take();
    let mut searches = queries
        .iter()
        .filter(|query| query.context == "search users");
    let query = searches.next().unwrap();
    format!("({}) as {}", query.types, query.statement)
}

#[tokio::test]
async fn no_search_reads_more_than_some_thousand_rows() {
    let t = TestApp::start().await;
    crowd(&t, 40_000).await;
    let app = connect(&t.app_url()).await;
    query_log::keep();
    for (sort, _) in SORTS {
        let last = match sort.trim_start_matches('-') {
            "name" => vec!["Nc", "20000"],
            "email" => vec!["2"],
            "id" => vec!["20000"],
            _ => vec!["2026-02-10T00:00:00Z", "20000"],
        };
        for (filter, filter_values) in FILTERED {
            let path = format!("/api/users?q=n&limit=1&sort={sort}{filter}");
            let first = t.admin().get(&path).await.expect(200);
            let first_page = searched();
            let cursor = first["page"]["nextCursor"].as_str().unwrap();
            t.admin()
                .get(&format!("{path}&cursor={cursor}"))
                .await
                .expect(200);
            let deep_page = searched();
            for (statement, last) in [(first_page, vec![]), (deep_page, last.clone())] {
                // A page that goes on with a walk goes further.
                let goes_on = statement.contains("when true then 'walk'");
                let most = if goes_on { 18_000.0 } else { 9_000.0 };
                for term in TERMS {
                    let pattern = format!("%{}%", term.replace('%', r"\%").replace('_', r"\_"));
                    let values = filter_values.iter().chain(&last).copied();
                    let values = values.map(str::to_owned).chain([
                        term.to_owned(),
                        pattern,
                        "21".to_owned(),
                    ]);
                    let read = run(&app, &statement, &values.collect::<Vec<_>>()).await;
                    assert!(
                        read < most,
                        "{term} by {sort} with {filter:?} after {last:?}: {read} rows"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_page_that_ends_early_goes_on_to_the_end() {
    let t = TestApp::start().await;
    crowd(&t, 12_000).await;
    let old = "/api/users?q=%40old&limit=100";
    let page = t.admin().get(old).await.expect(200);
    assert_eq!(
        (&page["data"], &page["page"]["hasMore"]),
        (&json!([]), &json!(true))
    );
    let (found, is_all) = walk(&t.admin(), old, 100).await;
    let expected = "select coalesce(jsonb_agg(id order by created_at desc, id desc), '[]') from users where deleted_at is null and email like '%@old%'";
    assert!(is_all);
    assert_eq!(json!(found), t.sql(expected, &[]).await);
    // The other way round they come first.
    let page = t
        .admin()
        .get(&format!("{old}&sort=createdAt"))
        .await
        .expect(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 100);
}
