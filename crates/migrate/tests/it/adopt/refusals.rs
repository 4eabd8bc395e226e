//! What is refused, and that then nothing was changed.

use usher_migrate::{AdoptOptions, Candidate, Error, Migrations, Objection};

use super::{
    faults::{ROWS, SHAPES},
    source::{Source, options},
};
use crate::support::{ask, connect, database, deploy};

/// Stands for the types that users are read into.
fn judge(user: &Candidate<'_>) -> Vec<Objection> {
    let faults = [
        (user.name.is_empty(), "name", "is empty"),
        (user.email.len() < 3, "email", "is short"),
        (user.avatar_url == Some("/a.png"), "avatarUrl", "is strange"),
    ];
    let found = faults.into_iter().filter(|(is_so, ..)| *is_so);
    found
        .map(|(_, column, rule)| Objection {
            column,
            rule: rule.to_owned(),
        })
        .collect()
}

async fn refusal(source: &mut Source) -> Vec<String> {
    let strict = AdoptOptions {
        judge: &judge,
        ..options()
    };
    match source.adopt_with(&strict).await {
        Err(Error::Unadoptable(faults)) => faults,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tables_that_are_not_recognised_are_named_and_nothing_is_changed() {
    all_are_refused(&SHAPES).await;
}

#[tokio::test]
async fn rows_that_have_no_place_are_named_and_nothing_is_changed() {
    all_are_refused(&ROWS).await;
}

async fn all_are_refused(faults: &[(&str, &str)]) {
    for (change, said) in faults {
        let mut source = Source::filled().await;
        source.execute(change).await;
        let before = source.all().await;
        let faults = refusal(&mut source).await;
        let is_said = faults.len() == 1 && faults[0].starts_with(said);
        assert!(is_said, "{change}: {faults:#?}");
        assert_eq!(source.all().await, before, "{change}");
    }
}

#[tokio::test]
async fn everything_that_is_in_the_way_is_named_at_once() {
    let mut source = Source::filled().await;
    source
        .execute("create index more on users (name); update audit_logs set action = ''; update users set roles = '{x}'")
        .await;
    assert_eq!(refusal(&mut source).await.len(), 3);
}

#[tokio::test]
async fn another_database_is_told_from_one_of_prisma() {
    let empty = database().await;
    let client = connect(empty.url()).await;
    let mut source = Source {
        database: empty,
        client,
    };
    let faults = refusal(&mut source).await;
    assert_eq!(
        faults[0],
        "there is no table users: this is no database of that schema"
    );
    deploy(&Migrations::embedded().unwrap(), &mut source.client)
        .await
        .unwrap();
    let faults = refusal(&mut source).await;
    assert!(
        faults[0].starts_with("there is a history of migrations already"),
        "{faults:?}"
    );
}

#[tokio::test]
async fn tables_of_another_role_are_left_to_it() {
    let source = Source::filled().await;
    let owner = ask(&source.client, "select current_user::text")
        .await
        .unwrap();
    let foreign = format!("table users belongs to {owner}: connect as that role");
    let role = format!("other_{}", source.database.name());
    let grants =
        format!("create role \"{role}\" login; grant select on users, audit_logs to \"{role}\"");
    source.execute(&grants).await;
    let mut other = connect(&source.database.url_as(&role)).await;
    let migrations = Migrations::embedded().unwrap();
    let survey = migrations.survey(&mut other, &options()).await.unwrap();
    for said in [
        &foreign,
        "this role may not create schemas: let an administrator run `grant create on database",
        "this role may not create tables: let an administrator run `grant create on schema public to",
    ] {
        assert!(
            survey.faults.iter().any(|fault| fault.starts_with(said)),
            "{said}: {:#?}",
            survey.faults
        );
    }
    drop(other);
    let leaving = format!("drop owned by \"{role}\"; drop role \"{role}\"");
    source.execute(&leaving).await;
}

#[tokio::test]
async fn a_failure_in_the_middle_leaves_everything_as_it_was() {
    for (moment, step) in [
        (
            "'CREATE EXTENSION'",
            "applying V20261123100000__users_and_roles",
        ),
        ("'CREATE INDEX'", "making users_email_key"),
        (
            "'CREATE TRIGGER') and (to_regclass('public.users_search_idx') is not null",
            "making users_check_roles",
        ),
    ] {
        let mut source = Source::filled().await;
        let before = source.all().await;
        let trap = format!(
            "create schema trap;
            create function trap.fall() returns event_trigger language plpgsql as $$
            begin
              if tg_tag in ({moment}) then
                raise exception 'no space left';
              end if;
            end
            $$;
            create event trigger fall on ddl_command_end execute function trap.fall()"
        );
        source.execute(&trap).await;
        let error = source.adopt().await.unwrap_err();
        let Error::AdoptionFailed { step: failed, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(failed, step);
        assert!(
            error.to_string().contains("and nothing was changed"),
            "{error}"
        );
        source
            .execute("drop event trigger fall; drop schema trap cascade")
            .await;
        assert_eq!(source.all().await, before);
        let schemas = "select count(*)::text from pg_namespace where nspname = 'prisma'";
        assert_eq!(ask(&source.client, schemas).await.unwrap(), "0");
        // The lock is free and the connection can go on.
        source.adopt().await.unwrap();
        assert_eq!(source.drift().await, [""; 0]);
    }
}

#[tokio::test]
async fn the_roles_that_are_known_are_those_that_the_migrations_register() {
    let mut source = Source::filled().await;
    source
        .execute("update users set roles = '{user,auditor,admin}'")
        .await;
    source.adopt().await.unwrap();
    let roles = "select string_agg(name, ' ' order by name) from roles";
    assert_eq!(
        ask(&source.client, roles).await.unwrap(),
        "admin auditor user"
    );
}
