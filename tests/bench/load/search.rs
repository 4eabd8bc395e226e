//! How long a search takes, for every kind of term in every order.

use std::time::Duration;

use usher_tests::TestApp;

use crate::callers::busy;

const SORTS: [&str; 8] = [
    "-createdAt",
    "createdAt",
    "-name",
    "name",
    "-email",
    "email",
    "-id",
    "id",
];

/// Terms by how many users have them.
const TERMS: [(&str, &str); 16] = [
    ("everybody", "example"),
    ("everybody, one letter", "a"),
    ("a fifth, two letters", "an"),
    ("a thirtieth", "william"),
    ("the oldest twentieth", "@old."),
    ("some thousands", "yolanda"),
    ("some thousands, one letter", "q"),
    ("a thousand", "er.a"),
    ("some hundreds", "lindar"),
    ("one", ".smith4711@"),
    ("nobody", "xxyyzz"),
    ("nobody, two letters", "zq"),
    ("nobody, one letter", "~"),
    ("nobody, of common pieces", "example@example"),
    ("nobody, a pattern", "%25_"),
    (
        "nobody, a hundred letters",
        "maria.smith.maria.smith.maria.smith.maria.smith.maria.smith.maria.smith.maria.smith.maria.smith.mari",
    ),
];

/// Filters by how many users meet them.
const FILTERS: [(&str, &str); 4] = [
    ("", ""),
    ("a fiftieth", "&isActive=false"),
    ("a thousandth", "&role=auditor"),
    (
        "a month",
        "&createdFrom=2026-06-01T00:00:00Z&createdTo=2026-07-01T00:00:00Z",
    ),
];

/// Prints the middle time and that of the slowest hundredth, in milliseconds.
pub(crate) async fn run(t: &TestApp, duration: Duration) {
    println!("median / 99 % in ms for the first page; + where it ends early");
    for (part, filter) in FILTERS {
        print!("\n{:28}", format!("filter: {part}"));
        for sort in SORTS {
            print!("{sort:>15}");
        }
        println!();
        for (name, term) in TERMS {
            print!("{name:28}");
            for sort in SORTS {
                show(t, duration, &format!("q={term}&sort={sort}{filter}")).await;
            }
            println!();
        }
    }
}

async fn show(t: &TestApp, duration: Duration, query: &str) {
    let path = format!("/api/users?{query}");
    let page = t.admin().get(&path).await.expect(200);
    let is_early = page["page"]["hasMore"] == true && page["data"].as_array().unwrap().len() < 20;
    let times = busy(&t.admin(), duration, move |caller, _| {
        let path = path.clone();
        async move { caller.get(&path).await }
    })
    .await;
    let figures = format!(
        "{:.1}/{:.1}{}",
        times.percentile(0.5),
        times.percentile(0.99),
        if is_early { "+" } else { "" }
    );
    print!("{figures:>15}");
}
