//! What a database grows by: bytes of a user, a session and an entry of the audit log with their indexes, and what requests
//! write. The figures of docs/scaling.md are from here.
//!
//! `cargo run -p usher-tests --example growth -- 200000`
//!
//! Users and sessions are made up; entries of the audit log are copies of those that real requests left, for random users.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::{env, fs, time::Duration};

use serde_json::{Value, json};
use usher_tests::{Answer, PASSWORD, TestApp, connect};

const REQUESTS: i64 = 200;

/// What lies in one table.
const SIZES: &str = "
    select
      coalesce(index.relname, 'the rows themselves') as part,
      pg_relation_size(coalesce(index.oid, part.oid))::bigint
        + case when index.oid is null then pg_relation_size(nullif(part.reltoastrelid, 0))::bigint else 0 end as bytes
    from pg_class as part
    left join lateral (
      select index.oid, index.relname from pg_index join pg_class as index on index.oid = indexrelid where indrelid = part.oid
      union all
      select null, null
    ) as index on true
    where part.oid = $1::text::regclass
    order by bytes desc";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let users = env::args()
        .nth(1)
        .map_or(200_000, |count| count.parse().unwrap());
    let t = TestApp::start().await;
    requests(&t).await;
    generate(&t, users).await;
    let month = "(select tableoid::regclass::text from audit_logs limit 1)";
    let partition = t.sql(&format!("select {month}"), &[]).await;
    for (table, what, count) in [
        ("users", "a user", users),
        ("sessions", "a session", users),
        (
            partition.as_str().unwrap(),
            "an entry of the audit log",
            4 * users,
        ),
    ] {
        sizes(&t, table, what, count).await;
    }
    age(&t, users).await;
    memory(&t).await;
}

/// Sends real requests, and prints what one of each leaves.
async fn requests(t: &TestApp) {
    println!(
        "{:38} {:>9} {:>9} {:>9}",
        "request", "WAL", "entries", "sessions"
    );
    let (admin, anonymous) = (t.admin(), t.anonymous());
    let mut token = Value::Null;
    count(t, "a sign-in", async || {
        let answer = anonymous.sign_in("member@example.com", PASSWORD).await;
        token = answer.expect(200)["refreshToken"].clone();
        answer
    })
    .await;
    count(t, "a refresh", async || {
        let form = json!({ "refreshToken": token });
        let answer = anonymous.post("/api/auth/refresh", form).await;
        token = answer.expect(200)["refreshToken"].clone();
        answer
    })
    .await;
    count(t, "a sign-in that fails", async || {
        anonymous
            .sign_in("member@example.com", "not the password")
            .await
    })
    .await;
    let mut number = 0;
    count(t, "another name for a user", async || {
        number += 1;
        let change = json!({ "name": format!("Somebody {number}") });
        admin.patch("/api/users/4", change).await
    })
    .await;
    count(t, "a page of the audit log", async || {
        admin.get("/api/audit-logs").await
    })
    .await;
    count(t, "a page of users", async || admin.get("/api/users").await).await;
}

async fn count(t: &TestApp, what: &str, mut request: impl AsyncFnMut() -> Answer) {
    // Opens connections, and fills caches.
    request().await;
    let before = standing(t).await;
    for _ in 0..REQUESTS {
        request().await;
    }
    let after = standing(t).await;
    let [wal, entries, sessions] =
        std::array::from_fn(|index| (after[index] - before[index]) / REQUESTS);
    println!("{what:38} {wal:>7} B {entries:>9} {sessions:>9}");
}

async fn standing(t: &TestApp) -> [i64; 3] {
    [
        t.count("select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")
            .await,
        t.count("select count(*) from audit_logs").await,
        t.count("select count(*) from sessions").await,
    ]
}

async fn generate(t: &TestApp, users: i64) {
    println!(
        "\nmaking {users} users, as many sessions and {} entries",
        4 * users
    );
    t.execute(&format!(
        "create function syllables(seed bigint, count integer) returns text language sql immutable as $$
          select initcap(string_agg((array['an','be','cor','da','el','fi','go','ha','in','jo','ka','lu','ma','no','or','pe','ri','sa','to','vi'])
            [1 + abs(hashint8(seed * 31 + place)) % 20], '' order by place))
          from generate_series(1, count) as place
        $$;
        insert into users (name, email, password, created_at)
        select
          syllables(number % 400, 2) || ' ' || syllables(number * 7, 3),
          lower(syllables(number % 400, 2) || '.' || syllables(number * 7, 3)) || number || '@example.org',
          '$argon2id$v=19$m=19456,t=2,p=1$' || left(md5(number::text), 22) || '$' || left(md5(number::text) || md5('x' || number), 43),
          now() - make_interval(secs => {users} - number)
        from generate_series(1, {users}) as number",
    ))
    .await;
    println!("users are there");
    t.execute(&format!(
        "insert into sessions (id, user_id, refresh_hash, expires_at, ip, user_agent)
        select gen_random_uuid(), 6 + (random() * ({users} - 1))::bigint, sha256(number::text::bytea),
          now() + make_interval(days => 30, secs => number / 10.0),
          '203.0.113.7'::inet + (number % 200),
          'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'
        from generate_series(1, {users}) as number",
    ))
    .await;
    println!("sessions are there");
    // One in forty is a sign-in, as with somebody who signs in once and refreshes for hours.
    t.execute(&format!(
        "create table entries as
        select distinct on (action) action, entity, payload, request_id from audit_logs
        where action in ('LOGIN', 'REFRESH') and request_id <> 'template';
        insert into audit_logs (actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at)
        select subject, action, entity, subject, payload, '203.0.113.7',
          'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
          request_id, gen_random_uuid(), date_trunc('month', now()) + make_interval(secs => number / 1000.0)
        from (
          select number, 6 + (random() * ({users} - 1))::bigint as subject, case when number % 40 = 0 then 'LOGIN' else 'REFRESH' end as kind
          from generate_series(1, 4 * {users}) as number
        ) as drawn
        join entries on entries.action = drawn.kind",
    ))
    .await;
    t.execute("vacuum analyze").await;
}

async fn sizes(t: &TestApp, table: &str, what: &str, count: i64) {
    let client = connect(t.url()).await;
    let rows = client.query(SIZES, &[&table]).await.unwrap();
    let parts: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let total: i64 = parts.iter().map(|(_, bytes)| bytes).sum();
    println!("\n{what:38} {:>7} B", total / count);
    for (part, bytes) in parts {
        println!("  {part:36} {:>7} B", bytes / count);
    }
}

/// Refreshes every session three times in random order, a hundredth of them at a time, and prints what that leaves.
async fn age(t: &TestApp, users: i64) {
    let updates = "select n_tup_upd from pg_stat_user_tables where relname = 'sessions'";
    let before = t.count(updates).await;
    for _ in 0..300 {
        t.execute(
            "update sessions
            set refresh_hash = sha256(refresh_hash), refresh_counter = refresh_counter + 1, refreshed_at = now()
            where random() < 0.01",
        )
        .await;
    }
    // A connection reports what it did some seconds later.
    while t.count(updates).await < before + 29 * users / 10 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let in_place = t
        .count("select 100 * n_tup_hot_upd / n_tup_upd from pg_stat_user_tables where relname = 'sessions'")
        .await;
    println!(
        "\nafter three refreshes of each, {in_place} % of which touched no index, and no vacuum:"
    );
    sizes(t, "sessions", "a session", users).await;
}

/// Prints what a connection of the product takes of the memory of the server, which this machine has to run.
async fn memory(t: &TestApp) {
    t.admin().get("/api/users?q=cor").await.expect(200);
    let process = t
        .count("select max(pid)::bigint from pg_stat_activity where usename = 'usher_app' and datname = current_database()")
        .await;
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    let private: u64 = text
        .lines()
        .filter(|line| line.starts_with("Private_"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum();
    println!("\na connection takes {private} kB of the server's memory for itself");
}
