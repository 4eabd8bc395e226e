//! `usher seed`: once, audited, and with a known password in development alone.

use tokio_postgres::NoTls;

use crate::support::{Folder, database};

const SIGN_IN: [(&str, &str); 2] = [
    ("SEED_ADMIN_EMAIL", "Ada@example.com"),
    ("SEED_ADMIN_PASSWORD", "four words in a row"),
];

/// Returns how many users and how many entries of the audit log there are.
async fn count(url: &str) -> (i64, i64) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let ask = async {
        let statement =
            "select (select count(*) from users) as users, (select count(*) from audit_logs
                         where action = 'CREATE' and entity = 'User') as entries";
        let row = client.query_one(statement, &[]).await.unwrap();
        drop(client);
        (row.get("users"), row.get("entries"))
    };
    tokio::join!(ask, connection).0
}

#[tokio::test]
async fn an_admin_is_made_once_with_an_audit_entry() {
    let (folder, database) = (Folder::create(), database().await);
    let variables = [&SIGN_IN[..], &[("DATABASE_URL", database.url())]].concat();
    let early = folder.run(&["seed"], &variables);
    assert_eq!(
        early.errors,
        "error: the database lacks tables of this build: run `usher migrate deploy` first\n"
    );
    assert_eq!(folder.run(&["migrate", "deploy"], &variables).code, Some(0));
    let first = folder.run(&["seed"], &variables);
    assert_eq!(
        first.output, "created ada@example.com with the roles admin and user\n",
        "{}",
        first.errors
    );
    let second = folder.run(&["seed"], &variables);
    assert_eq!(second.code, Some(0));
    assert_eq!(
        second.output,
        "ada@example.com is there already; nothing was changed\n"
    );
    assert_eq!(count(database.url()).await, (1, 1));
}

#[tokio::test]
async fn the_known_password_is_refused_outside_of_development_and_among_users() {
    let (folder, database) = (Folder::create(), database().await);
    let url = ("DATABASE_URL", database.url());
    assert_eq!(folder.run(&["migrate", "deploy"], &[url]).code, Some(0));
    let production = folder.run(&["seed"], &[url]);
    assert_eq!(production.code, Some(1));
    assert!(
        production
            .errors
            .contains("SEED_ADMIN_PASSWORD are missing"),
        "{}",
        production.errors
    );
    assert_eq!(count(database.url()).await, (0, 0));
    let variables = [&SIGN_IN[..], &[url]].concat();
    assert_eq!(folder.run(&["seed"], &variables).code, Some(0));
    let development = [url, ("USHER_ENV", "development")];
    let among = folder.run(&["seed"], &development);
    assert_eq!(among.code, Some(1));
    assert!(
        among.errors.contains("has users already"),
        "{}",
        among.errors
    );
    assert_eq!(count(database.url()).await, (1, 1));
}
