//! `usher perf`: what it reports, how it ends, and what it keeps its hands off.

use std::fs;

use serde_json::Value;

use crate::support::{Ended, Folder, connect, database};

/// A small run: few users, few calls, a server that forgets.
fn run(folder: &Folder, more: &[&str]) -> Ended {
    let small = [
        "perf",
        "--users",
        "1000",
        "--seconds",
        "0.05",
        "--throw-away",
    ];
    folder.run(&[&small[..], more].concat(), &[])
}

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.output)
        .unwrap_or_else(|_| panic!("{}{}", ended.output, ended.errors))
}

fn measurement<'a>(report: &'a Value, name: &str) -> &'a Value {
    let all = report["measurements"].as_array().unwrap();
    let found = all.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("{name}: {all:?}"))
}

#[test]
fn calls_are_reported_for_programs_and_as_a_page_of_its_own() {
    let folder = Folder::create();
    let only = [
        "user by id",
        "page by name, any",
        "search, a",
        "search, one",
        "activity of any",
        "update a user",
        "refresh",
    ];
    let only = only.iter().flat_map(|text| ["--only", text]);
    let more: Vec<_> = only
        .chain(["--budget-factor", "1000", "--json", "--html", "perf.html"])
        .collect();
    let ended = run(&folder, &more);
    let report = report(&ended);
    assert_eq!(ended.code, Some(0), "{report:#}");
    assert_eq!(report["isWithinBudget"], true);
    assert_eq!(report["data"]["users"], 1000);
    assert_eq!(report["data"]["sessions"], 1000);
    assert_eq!(report["server"]["role"], "usher_app");
    assert_eq!(report["server"]["isDurable"], false);
    assert_eq!(report["build"], "debug");

    check_levels(measurement(&report, "user by id"));
    for name in [
        "user by id",
        "page by name, any depth",
        "search, an absent name",
        "update a user",
        "refresh a session",
    ] {
        let one = measurement(&report, name);
        assert!(
            one["bare"]["p50"].as_f64().unwrap() > 0.0 && one["ratio"].as_f64().unwrap() > 0.0,
            "{one}"
        );
        assert_eq!(one["over"], serde_json::json!([]), "{one}");
    }
    // What is written is not explained, and a ratio is for a durable server.
    let update = measurement(&report, "update a user");
    assert_eq!(
        (&update["plan"], &update["budget"]["ratio"]),
        (&Value::Null, &Value::Null)
    );
    let one_letter = &measurement(&report, "search, one letter")["plan"];
    assert!(one_letter["rows"].as_u64().unwrap() > 0, "{one_letter}");

    check_page(
        &fs::read_to_string(folder.path().join("perf.html")).unwrap(),
        "user by id",
    );
}

/// The calls of a lookup by many connections have times, and no failures.
fn check_levels(by_id: &Value) {
    let levels = by_id["levels"].as_array().unwrap();
    let connections: Vec<_> = levels
        .iter()
        .map(|level| level["connections"].as_u64().unwrap())
        .collect();
    assert_eq!(connections, [1, 10, 50, 200]);
    for level in levels {
        let [p50, p95, p99] = ["p50", "p95", "p99"].map(|name| level[name].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p95 && p95 <= p99, "{level}");
        assert_eq!(level["failures"], 0, "{level}");
    }
    assert_eq!(by_id["budget"]["promised"], 10_000.0);
    assert_eq!(by_id["plan"]["rows"], 1);
}

/// A page has what it needs, nothing from elsewhere, and every element is closed.
fn check_page(page: &str, row: &str) {
    assert!(
        page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">")
            && page.contains(&format!("<td>{row}</td>"))
    );
    assert!(
        page.contains("<svg ") && page.contains("<line class=\"budget\"")
            || page.contains("<polyline ")
    );
    for foreign in [
        "http://", "https://", "//", "src=", "href=", "url(", "@import", "<script",
    ] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let mut open = Vec::new();
    for (_, rest) in page.match_indices('<').map(|(at, _)| page.split_at(at + 1)) {
        let (tag, _) = rest.split_once('>').unwrap();
        let name = tag
            .trim_start_matches('/')
            .split([' ', '/'])
            .next()
            .unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') && !tag.starts_with('!') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn what_is_over_budget_is_said_and_ends_with_1() {
    let folder = Folder::create();
    let ended = run(
        &folder,
        &[
            "--only",
            "session with",
            "--budget-factor",
            "0.000001",
            "--json",
        ],
    );
    assert_eq!(ended.code, Some(1), "{}", ended.errors);
    let report = report(&ended);
    assert_eq!(report["isWithinBudget"], false);
    let over = measurement(&report, "session with its user")["over"]
        .as_array()
        .unwrap();
    assert_eq!(over.len(), 2, "{over:?}");
    assert!(over[0].as_str().unwrap().ends_with("promised"), "{over:?}");

    let ended = run(&folder, &["--only", "no such thing"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .errors
            .ends_with("has no such thing in its name: correct --only\n"),
        "{}",
        ended.errors
    );
}

#[test]
fn routes_are_measured_over_http_beside_pgbench() {
    let folder = Folder::create();
    let more = [
        "--http",
        "--only",
        "GET /api/users/{user_id}",
        "--only",
        "PATCH",
        "--json",
        "--html",
        "perf.html",
    ];
    let ended = run(&folder, &more);
    let report = report(&ended);
    assert_eq!(ended.code, Some(0), "{report:#}");
    let routes = report["http"]["routes"].as_array().unwrap();
    assert_eq!(routes.len(), 2);
    let has_pgbench = !report["http"]["pgbench"]
        .as_str()
        .unwrap()
        .contains("missing");
    for route in routes {
        let levels = route["levels"].as_array().unwrap();
        let connections: Vec<_> = levels
            .iter()
            .map(|level| level["connections"].as_u64().unwrap())
            .collect();
        assert_eq!(connections, [1, 10, 50]);
        for level in levels {
            assert!(
                level["calls"].as_u64().unwrap() > 0 && level["failures"] == 0,
                "{level}"
            );
            assert!(level["perSecond"].as_f64().unwrap() > 0.0, "{level}");
            assert_eq!(
                level["pgbench"]["perSecond"].as_f64().is_some(),
                has_pgbench,
                "{level}"
            );
            assert_eq!(level["ratio"].as_f64().is_some(), has_pgbench, "{level}");
            #[cfg(target_os = "linux")]
            for name in ["serverCpu", "databaseCpu", "serverMemory", "databaseMemory"] {
                assert!(level[name].as_f64().is_some(), "{name}: {level}");
            }
        }
    }
    check_page(
        &fs::read_to_string(folder.path().join("perf.html")).unwrap(),
        "PATCH /api/users/{user_id}",
    );
}

#[tokio::test]
async fn a_database_that_is_named_is_filled_once_and_keeps_its_indexes() {
    let (folder, database) = (Folder::create(), database().await);
    let url = database.url();
    let deployed = folder.run(&["migrate", "deploy"], &[("DATABASE_URL", url)]);
    assert_eq!(deployed.code, Some(0), "{}", deployed.errors);
    let client = connect(url).await;
    let ask = async |statement: &str| -> String {
        client.query_one(statement, &[]).await.unwrap().get(0)
    };
    // Those of the partitions, too: each has as many as the others, and all are in use.
    let indexes = "select concat_ws(e'\\n',
        (select string_agg(indexdef, e'\\n' order by indexdef) from pg_indexes
          where tablename in ('users', 'sessions', 'audit_logs')),
        (select string_agg(distinct concat_ws(' ', number, is_valid), e'\\n') from (
          select count(*) as number, bool_and(indisvalid) as is_valid
          from pg_index
          where indrelid in (select relid from pg_partition_tree('audit_logs'))
          group by indrelid) as of_each))";
    let before = ask(indexes).await;
    let measure = |url: &str, users: &str| {
        let more = [
            "perf",
            "--database-url",
            url,
            "--users",
            users,
            "--seconds",
            "0.05",
            "--only",
            "user by id",
            "--budget-factor",
            "1000",
        ];
        folder.run(&more, &[])
    };
    let first = measure(url, "1000");
    assert_eq!(first.code, Some(0), "{}{}", first.output, first.errors);
    assert_eq!(ask(indexes).await, before);
    let counts = "select concat_ws(' ', (select count(*) from users where email not like '%@perf.example'),
        (select count(*) from sessions join users on users.id = user_id where user_agent <> 'usher perf'),
        (select count(*) from audit_logs join users on users.id = entity_id where user_agent <> 'usher perf'),
        (select count(*) from audit_logs_default))";
    assert_eq!(ask(counts).await, "1000 1000 1000 0");
    let second = measure(url, "1000");
    assert_eq!(second.code, Some(0), "{}", second.errors);
    assert!(
        second.errors.contains("users of an earlier run"),
        "{}",
        second.errors
    );
    assert_eq!(ask(counts).await, "1000 1000 1000 0");
    let more = measure(url, "2000");
    assert_eq!(more.code, Some(1));
    assert!(
        more.errors.contains("ask for no more by --users"),
        "{}",
        more.errors
    );
}

#[tokio::test]
async fn real_users_are_left_alone_unless_it_is_said() {
    let (folder, database) = (Folder::create(), database().await);
    let variables = [
        ("DATABASE_URL", database.url()),
        ("SEED_ADMIN_EMAIL", "ada@example.org"),
        ("SEED_ADMIN_PASSWORD", "four words in a row"),
    ];
    for command in [&["migrate", "deploy"][..], &["seed"]] {
        let ended = folder.run(command, &variables);
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
    }
    let client = connect(database.url()).await;
    let state = "select concat_ws(' ', (select count(*) from users), (select count(*) from audit_logs),
        (select string_agg(concat_ws(' ', email, version, password), '') from users where email not like '%.example'))";
    let ask = async || -> String { client.query_one(state, &[]).await.unwrap().get(0) };
    let before = ask().await;
    let small = [
        "perf",
        "--users",
        "1000",
        "--seconds",
        "0.05",
        "--only",
        "session with",
        "--budget-factor",
        "1000",
    ];

    // A variable never names the database.
    let elsewhere = folder.run(&[&small[..], &["--throw-away"]].concat(), &variables);
    assert_eq!(elsewhere.code, Some(0), "{}", elsewhere.errors);
    assert_eq!(ask().await, before);

    let named = [&small[..], &["--database-url", database.url()]].concat();
    let refused = folder.run(&named, &[]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused
            .errors
            .contains("holds real users, so that nothing was done")
            && !refused.errors.contains("ada@"),
        "{}",
        refused.errors
    );
    assert_eq!(ask().await, before);

    let said = folder.run(&[&named[..], &["--beside-real-users"]].concat(), &[]);
    assert_eq!(said.code, Some(0), "{}{}", said.output, said.errors);
    let after = ask().await;
    let kept = before.split_once(" ada@").unwrap().1;
    assert!(
        after.starts_with("1021 ") && after.ends_with(kept),
        "{after}"
    );
}
