//! What is no text, tried in every member, path, query and header; and what no answer may show.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use usher_http::access::Access;
use usher_tests::{Person, TestApp};

use crate::{
    endpoint_attacks::{garbage, status_with},
    operations::{self, all, enough, state, with_body},
};

#[tokio::test]
async fn attack_43_a_nul_or_half_a_character_reaches_no_database() {
    let t = operations::start().await;
    let before = state(&t).await;
    let mut cases = 0;
    for (operation, body) in with_body() {
        for member in &body.members {
            let form = body.form_with(member);
            if !form[member].is_string() {
                continue;
            }
            for bad in [
                "\\u0000",
                "a\\u0000b",
                "\\ud800",
                "\\udfff\\ud800",
                "a\\ud83d",
                "\u{0}",
            ] {
                let mut form = form.clone();
                form.insert(member.clone(), json!("@@"));
                let text = Value::from(form).to_string().replace("@@", bad);
                let answer = operation.send(&operation.caller(&t), &text).await;
                let what = format!("{} {text:?}: {}", operation.name(), answer.text());
                let is_nul = bad.contains("0000");
                // A token, a code or a password with a NUL in it is a wrong one; signing out takes any.
                let expected: &[u16] = match operation.route {
                    "/api/auth/logout" if is_nul => &[204],
                    _ if is_nul => &[400, 401, 403, 404],
                    _ => &[400],
                };
                assert!(expected.contains(&answer.status()), "{what}");
                cases += 1;
            }
        }
    }
    for operation in all() {
        let caller = operation.caller(&t);
        for bad in ["%00", "a%00", "%ED%A0%80", "%FF", "%F0%9F"] {
            for (start, end) in operation
                .route
                .match_indices('{')
                .map(|(start, _)| (start, operation.route[start..].find('}').unwrap() + start))
            {
                let path = format!(
                    "{}{bad}{}",
                    &operation.route[..start],
                    &operation.route[end + 1..]
                );
                let answer = operation.call_at(&caller, &path).await;
                assert!(
                    [400, 404].contains(&answer.status()),
                    "{} {path}: {}",
                    operation.name(),
                    answer.text()
                );
                cases += 1;
            }
            if operation.method == Method::GET && !matches!(operation.access, Access::Scheduler) {
                for name in [
                    "search", "email", "cursor", "role", "fields", "sort", "action", "x",
                ] {
                    let path = format!("{}?{name}={bad}", operation.path);
                    let answer = operation.call_at(&caller, &path).await;
                    assert!(
                        [400, 404].contains(&answer.status()),
                        "{path}: {}",
                        answer.text()
                    );
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(state(&t).await, before);
    operations::enough(cases, 500);
}

#[tokio::test]
async fn attack_43_a_header_that_is_no_text_breaks_nothing() {
    let t = operations::start().await;
    let mut cases = 0;
    for operation in all() {
        for name in [
            "idempotency-key",
            "if-match",
            "if-none-match",
            "accept-language",
            "cookie",
            "user-agent",
            "x-request-id",
            "origin",
            "authorization",
            "usher-consistency",
            "accept",
            "traceparent",
        ] {
            for value in garbage() {
                let status = status_with(&operation, &t, name, &value).await;
                assert!(
                    (400..500).contains(&status)
                        || operation.is_open() && status < 300
                        || status == 304,
                    "{} with {name}: {status}",
                    operation.name()
                );
                cases += 1;
            }
        }
    }
    operations::enough(cases, 4000);
}

/// Every value of every secret column as somebody could write it, and whose it is.
async fn canaries(t: &TestApp) -> Vec<(String, String)> {
    let columns = "select coalesce(jsonb_agg(jsonb_build_array(table_name, column_name)), '[]') from information_schema.columns
        where table_schema = current_schema() and data_type = 'bytea'
          and table_name not in (select inhrelid::regclass::text from pg_inherits)";
    let mut all = Vec::new();
    for column in t.sql(columns, &[]).await.as_array().unwrap() {
        let (table, column) = (column[0].as_str().unwrap(), column[1].as_str().unwrap());
        let values = format!("select coalesce(jsonb_agg(distinct form), '[]') from {table},
            lateral (values (encode({column}, 'hex')), (rtrim(translate(encode({column}, 'base64'), E'\\n', ''), '=')),
              (rtrim(translate(encode({column}, 'base64'), E'+/\\n', '-_'), '='))) as forms (form)
            where length({column}) >= 16 and {column} <> '\\x00'::bytea and {column} <> decode(repeat('00', 32), 'hex')");
        for value in t.sql(&values, &[]).await.as_array().unwrap() {
            all.push((
                format!("{table}.{column}"),
                value.as_str().unwrap().to_owned(),
            ));
        }
    }
    let passwords =
        "select jsonb_agg(distinct substr(password, 20)) from users where password is not null";
    for value in t.sql(passwords, &[]).await.as_array().unwrap() {
        all.push((
            "users.password".to_owned(),
            value.as_str().unwrap().to_owned(),
        ));
    }
    all
}

#[tokio::test]
async fn attack_27_no_answer_to_anybody_holds_a_value_of_a_secret_column() {
    let t = operations::start().await;
    let tokens = crate::token_attacks::every_kind(&t).await;
    let canaries = canaries(&t).await;
    let columns: BTreeSet<_> = canaries.iter().map(|(column, _)| column.as_str()).collect();
    for column in [
        "sessions.refresh_hash",
        "one_time_secrets.secret_hash",
        "api_keys.secret_hash",
        "challenges.secret_hash",
        "invitations.token_hash",
        "email_changes.old_hash",
        "passkey_ceremonies.token_hash",
        "account_deletions.restore_hash",
        "totp_factors.sealed",
        "recovery_codes.code_hash",
        "users.password",
    ] {
        assert!(
            columns.contains(column),
            "no value of {column} to look for: {columns:?}"
        );
    }
    let (_, key) = crate::api_keys::made(
        &t,
        Person::Admin,
        &["audit:read", "roles:read", "users:read"],
    )
    .await;
    let mut callers = vec![t.anonymous(), t.scheduler(), t.anonymous().with_token(&key)];
    callers.extend(Person::ALL.map(|person| t.caller(person)));
    let mut cases = 0;
    for operation in all().into_iter().filter(|one| one.method == Method::GET) {
        for caller in &callers {
            let answer = operation.call(caller).await;
            let text = answer.text();
            for (column, value) in &canaries {
                assert!(
                    !text.contains(value.as_str()),
                    "{} shows {column}",
                    operation.name()
                );
            }
            for token in &tokens {
                assert!(
                    !text.contains(token.value.as_str()),
                    "{} shows {}",
                    operation.name(),
                    token.kind
                );
            }
            cases += canaries.len() + tokens.len();
        }
    }
    operations::enough(cases, 5000);
}

#[tokio::test]
async fn attack_52_a_change_accepts_nothing_that_a_new_account_does_not() {
    let t = operations::start().await;
    let admin = t.admin();
    let before = state(&t).await;
    let mut cases = 0;
    let wrong = [
        json!(null),
        json!(1),
        json!(true),
        json!([]),
        json!({}),
        json!(["user"]),
        json!({ "name": "x" }),
        json!(""),
    ];
    let more = [
        ("name", json!(" ")),
        ("name", json!("a\u{202e}b")),
        ("name", json!("a".repeat(1000))),
        ("email", json!("nobody")),
        ("email", json!("a@b")),
        ("email", json!("a".repeat(300))),
        ("avatarUrl", json!("javascript:alert(1)")),
        ("avatarUrl", json!("http://example.com")),
        ("avatarUrl", json!("data:,x")),
        ("roles", json!(["none", "user"])),
        ("roles", json!(["user", 1])),
        ("roles", json!(vec!["user"; 1000])),
        ("roles", json!(["ADMIN "])),
        ("isActive", json!("true")),
    ];
    let all = ["name", "email", "avatarUrl", "roles", "isActive"]
        .iter()
        .flat_map(|name| wrong.iter().map(|value| (*name, value.clone())));
    for (name, value) in all.chain(more) {
        let mut new = json!({ "name": "Ada", "email": "ada@example.com" });
        new[name] = value.clone();
        let created = admin.post("/api/users", new).await;
        if created.status() == 201 {
            // Nothing wrong with it, such as no picture.
            let id = created.body()["id"].clone();
            t.execute(&format!("delete from users where id = {id}"))
                .await;
            continue;
        }
        let form = json!({ name: value });
        let (path, method) = if name == "roles" {
            ("/api/users/4/roles", Method::PUT)
        } else {
            ("/api/users/4", Method::PATCH)
        };
        let changed = admin.json(&method, path, &form.to_string()).await;
        assert_eq!(changed.faults(), created.faults(), "{form}");
        cases += 1;
        if ["name", "avatarUrl"].contains(&name) {
            assert_eq!(
                admin.patch("/api/me", form.clone()).await.faults(),
                created.faults(),
                "{form}"
            );
            cases += 1;
        }
    }
    assert_eq!(state(&t).await, before);
    enough(cases, 50);
}

#[tokio::test]
async fn attack_46_a_password_is_measured_before_it_is_hashed_everywhere() {
    let t = operations::start().await;
    let mut cases = 0;
    for (operation, body) in with_body() {
        for member in body
            .members
            .iter()
            .filter(|name| name.to_lowercase().contains("password"))
        {
            for (length, status) in [(257, 400), (60_000, 400), (1 << 20, 413)] {
                let mut form = body.form_with(member);
                form.insert(member.clone(), "a".repeat(length).into());
                let answer = operation
                    .send(&operation.caller(&t), &Value::from(form).to_string())
                    .await;
                assert_eq!(
                    answer.status(),
                    status,
                    "{} {member} {length}: {}",
                    operation.name(),
                    answer.text()
                );
                if status == 400 {
                    assert!(
                        answer.faults().contains(&format!("/{member} too-long")),
                        "{}",
                        answer.text()
                    );
                }
                cases += 1;
            }
        }
    }
    enough(cases, 30);
}
