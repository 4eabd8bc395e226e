//! `usher migrate adopt` on a database of Prisma with 100,000 users: what is asked, what is kept, and who can sign in.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;
use usher_devdb::{TestDatabase, test_cluster};

use crate::support::{Ended, Folder, Running, connect, database};

const PRISMA: &str = include_str!("../../../migrate/tests/it/adopt/prisma.sql");

/// 100,000 users and audit entries of 28 months. User 7 is an admin with the password below, hashed by another program.
const ROWS: &str = "
    insert into users (name, email, password, roles, \"isActive\", \"createdAt\", \"updatedAt\", \"avatarUrl\")
    select
      'Person ' || n,
      'Person' || n || '@Example.com',
      '$argon2id$v=19$m=65536,t=3,p=4$Jc6ipI/pRA/xFGPhlGaNKw$cy9oVPs8TSwjN2Z+oi66aQRzJO+ALb1DUvU4wyF6j0Y',
      case when n = 7 then '{user,admin}'::text[] else '{user}' end,
      n % 20 <> 0,
      '2024-01-01'::timestamp + n * interval '8 minutes',
      '2025-06-01'::timestamp + n * interval '1 second',
      case when n % 3 = 0 then 'https://example.com/' || n || '.png' end
    from generate_series(1, 100000) as n;
    insert into audit_logs (\"actorId\", action, entity, \"entityId\", payload, \"createdAt\")
    select
      1 + n * 7919 % 100000,
      (array['CREATE', 'UPDATE', 'DELETE', 'LOGIN'])[1 + n % 4],
      'User',
      n,
      jsonb_build_object('after', jsonb_build_object('name', 'Person ' || n)),
      '2024-06-01'::timestamp + n * interval '12 minutes'
    from generate_series(1, 100000) as n";

const PASSWORD: &str = "correct horse battery staple";

async fn prisma(rows: &str) -> (Folder, TestDatabase) {
    let (folder, database) = (Folder::create(), database().await);
    let client = connect(database.url()).await;
    client.batch_execute(PRISMA).await.unwrap();
    client.batch_execute(rows).await.unwrap();
    (folder, database)
}

fn migrate(folder: &Folder, url: &str, arguments: &[&str]) -> Ended {
    let server = test_cluster().url("postgres");
    let all = [&["migrate"], arguments].concat();
    folder.run(
        &all,
        &[("DATABASE_URL", url), ("SHADOW_DATABASE_URL", &server)],
    )
}

async fn ask(url: &str, question: &str) -> String {
    let client = connect(url).await;
    client.query_one(question, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_hundred_thousand_users_are_taken_over_and_the_product_works_on_them() {
    let (folder, database) = prisma(ROWS).await;
    let url = database.url();
    let asked = migrate(&folder, url, &["adopt"]);
    assert_eq!(asked.code, Some(1));
    for said in [
        "note: the address is put in lower case, without space around: 100000 users\n",
        "note: an active admin may do everything: 1 user\n",
        "100000 users and 100000 audit entries of 28 months of ",
        "nothing was done, since nobody is there to ask",
    ] {
        assert!(asked.errors.contains(said), "{said}: {}", asked.errors);
    }
    let adopted = migrate(&folder, url, &["adopt", "--yes"]);
    assert_eq!(adopted.code, Some(0), "{}", adopted.errors);
    let expected = "adopted 100000 users and 100000 audit entries of 28 months\n";
    assert!(adopted.output.starts_with(expected), "{}", adopted.output);
    assert!(
        adopted.errors.contains("\ncopying the users\n"),
        "{}",
        adopted.errors
    );
    for command in ["status", "drift"] {
        let ended = migrate(&folder, url, &[command]);
        assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
    }
    let again = migrate(&folder, url, &["adopt", "--yes"]);
    assert_eq!(again.code, Some(1));
    assert!(
        again
            .errors
            .contains("there is a history of migrations already"),
        "{}",
        again.errors
    );
    assert_eq!(
        ask(url, "select count(*)::text from prisma.users").await,
        "100000"
    );
    product_works(&folder, &database.url_as("usher_app"));
}

/// Signs in as somebody who was adopted, and looks at what was there before.
fn product_works(folder: &Folder, url: &str) {
    let arguments = ["dev", "--port", "0", "--data-dir", "data"];
    let running = Running::start(folder.usher(&arguments, &[("DATABASE_URL", url)]));
    let token = running.sign_in("Person7@example.com", PASSWORD);
    let get = |path: &str| -> Value {
        let (status, body) = running.ask("GET", path, Some(&token), "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    };
    let user = get("/api/users/30");
    assert_eq!(user["email"], "person30@example.com");
    assert_eq!(user["createdAt"], "2024-01-01T04:00:00Z");
    assert_eq!(user["updatedAt"], "2025-06-01T00:00:30Z");
    assert_eq!(user["avatarUrl"], "https://example.com/30.png");
    let listed = get("/api/users?q=person9999&count=exact");
    assert_eq!(listed["page"]["total"], 11);
    let entries = get("/api/audit-logs?actorId=7920&to=2025-01-01T00:00:00Z");
    let entry = &entries["data"][0];
    assert_eq!(
        (&entry["id"], &entry["action"]),
        (&1.into(), &"UPDATE".into())
    );
    assert_eq!(entry["createdAt"], "2024-06-01T00:12:00Z");
    assert_eq!(entry["payload"]["after"]["name"], "Person 1");
    // Somebody who was adopted can be changed, and newcomers get ids behind the last one.
    let (status, body) = running.ask("PATCH", "/api/users/30", Some(&token), r#"{"name":"Ada"}"#);
    assert_eq!(status, 200, "{body}");
    let new = r#"{"name":"Ada","email":"ada@example.com"}"#;
    let (status, body) = running.ask("POST", "/api/users", Some(&token), new);
    assert_eq!(status, 201, "{body}");
    assert!(body.contains("\"id\":100001,"), "{body}");
}

#[tokio::test]
async fn a_dry_run_shows_the_statements_and_changes_nothing() {
    let (folder, database) = prisma("").await;
    let shown = migrate(&folder, database.url(), &["adopt", "--dry-run"]);
    assert_eq!(shown.code, Some(0), "{}", shown.errors);
    for part in [
        "begin;\n\n-- locking the tables\n",
        "\nlock table users, audit_logs in access exclusive mode;\n",
        "\n-- copying the users\ninsert into users (",
        "\nINSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (20261123100000, 'users_and_roles',",
        "\ncommit;\n",
    ] {
        assert!(shown.output.contains(part), "{part}: {}", shown.output);
    }
    let tables = "select string_agg(relname, ' ' order by relname) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace";
    assert_eq!(
        ask(database.url(), tables).await,
        "_prisma_migrations audit_logs users"
    );
}

#[tokio::test]
async fn what_is_in_the_way_is_told_with_what_to_do() {
    let rows = "
        insert into users (name, email, password, roles, \"updatedAt\", \"avatarUrl\")
        values
          (E'A\\u202eda', 'ada', '$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy', '{Owner}', now(), '/ada.png');
        create index more on users (name)";
    let (folder, database) = prisma(rows).await;
    for arguments in [&["adopt", "--yes"][..], &["adopt", "--dry-run"]] {
        let refused = migrate(&folder, database.url(), arguments);
        assert_eq!((refused.code, refused.output.as_str()), (Some(1), ""));
        for said in [
            "error: nothing was changed, since this is in the way:\n",
            "\n  index more (CREATE INDEX more ON users USING btree (name)) is not of that schema: drop it\n",
            "\n  name must not contain control characters or text direction marks, correct it with",
            "\n  email must be an e-mail address such as ada@example.com, in ASCII, correct it with",
            "\n  roles must be a lower-case letter followed by",
            "\n  avatarUrl must be an absolute http or https URL",
            "\n  password must be an argon2 hash that can be checked here, set it to ''",
            "\n  the role Owner is not known here, take it away or use --create-roles",
            ": 1 user (id 1)\n",
        ] {
            assert!(refused.errors.contains(said), "{said}: {}", refused.errors);
        }
        assert!(
            !refused.errors.contains("ada.png") && !refused.errors.contains("N9qo8"),
            "{}",
            refused.errors
        );
    }
}

#[tokio::test]
async fn an_adoption_that_is_killed_leaves_everything_as_it_was() {
    let (folder, database) = prisma(ROWS).await;
    let variables = [("DATABASE_URL", database.url())];
    let mut command = folder.usher(&["migrate", "adopt", "--yes"], &variables);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap() == "copying the audit log"));
    child.kill().unwrap();
    child.wait().unwrap();
    // Waits until the server has noticed.
    let tables = "select concat_ws(' ', count(*), (select count(*) from audit_logs), to_regclass('roles'), to_regnamespace('prisma'))
        from users where \"isActive\" is not null";
    assert_eq!(ask(database.url(), tables).await, "100000 100000");
    let adopted = migrate(&folder, database.url(), &["adopt", "--yes"]);
    assert_eq!(adopted.code, Some(0), "{}", adopted.errors);
}
