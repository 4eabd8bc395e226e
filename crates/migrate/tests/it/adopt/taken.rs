//! What becomes of the rows, the names and the history.

use std::sync::Mutex;

use refinery::Runner;
use usher_migrate::{AdoptOptions, Back, Error, Migrations};

use super::source::{PRISMA, ROWS, Source, options};
use crate::support::{ask, connect, database, deploy};

#[tokio::test]
async fn every_row_keeps_its_id_and_its_values() {
    let mut source = Source::filled().await;
    let adopted = source.adopt().await.unwrap();
    assert_eq!(
        adopted.survey.to_string(),
        "3 users and 4 audit entries of 4 months"
    );
    assert_eq!(
        adopted.survey.notes,
        [
            "space around the name is taken away: 1 user",
            "the address is put in lower case, without space around: 1 user",
            "the password is empty, and there will be none: 1 user",
            "no role is held, and the role user is given, which allows nothing: 1 user",
            "the avatar URL is empty, and there will be none: 1 user",
            "an active admin may do everything: 1 user",
        ]
    );
    let users = "select string_agg(concat_ws('|', id, name, email, coalesce(password, '-'), roles, is_active, version,
            coalesce(avatar_url, '-'), to_char(created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS'),
            to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS'), coalesce(deleted_at::text, '-')), E'\n' order by id)
        from users";
    assert_eq!(
        ask(&source.client, users).await.unwrap(),
        "1|Ada Lovelace|ada@example.com|$argon2id$a|{admin,user}|t|1|https://example.com/ada.png|2024-02-29 23:59:59.999|\
         2025-03-30 02:30:00.001|-\n\
         2|Grace\tHopper|grace@example.com|-|{user}|t|1|-|2023-12-31 23:30:00.000|2024-01-01 00:00:00.000|-\n\
         3|Zoë|zoe@example.com|$argon2i$z|{auditor,user}|f|1|-|2024-01-01 00:00:00.000|2024-01-02 00:00:00.000|-"
    );
    let entries = "select string_agg(concat_ws('|', id, coalesce(actor_id::text, '-'), action, entity, coalesce(entity_id::text, '-'),
            coalesce(payload::text, '-'), to_char(created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS'), tableoid::regclass), E'\n' order by id)
        from audit_logs";
    assert_eq!(
        ask(&source.client, entries).await.unwrap(),
        "1|1|CREATE|User|2|{\"after\": {\"name\": \"Grace\"}}|2023-12-31 23:30:00.123|audit_logs_2023_12\n\
         2|-|LOGIN|User|1|-|2024-01-31 23:59:59.999|audit_logs_2024_01\n\
         3|3|UPDATE|Role|-|null|2024-02-01 00:00:00.000|audit_logs_2024_02\n\
         4|1|DELETE|User|4|[1]|1969-07-20 20:17:00.000|audit_logs_1969_07"
    );
    // Ids that were given away are not given again, their rows being gone or not.
    let next = "with u as (insert into users (name, email) values ('New', 'new@example.com') returning id),
          a as (insert into audit_logs (action, entity) values ('X', 'y') returning id)
        select concat_ws(' ', u.id, a.id) from u, a";
    assert_eq!(ask(&source.client, next).await.unwrap(), "5 78");
}

#[tokio::test]
async fn afterwards_it_is_a_database_like_any_other() {
    let mut source = Source::filled().await;
    source.adopt().await.unwrap();
    assert_eq!(source.drift().await, [""; 0]);
    let migrations = Migrations::embedded().unwrap();
    let again = deploy(&migrations, &mut source.client).await.unwrap();
    assert_eq!(again.applied, [""; 0]);
    let stock: Vec<_> = migrations
        .iter()
        .map(|each| refinery::Migration::unapplied(each.name(), each.sql()).unwrap())
        .collect();
    let report = Runner::new(&stock)
        .set_abort_divergent(true)
        .set_abort_missing(true)
        .run_async(&mut source.client)
        .await
        .unwrap();
    assert!(report.applied_migrations().is_empty());
    let app = connect(&source.database.url_as("usher_app")).await;
    assert_eq!(
        ask(&app, "select count(*)::text from users").await.unwrap(),
        "3"
    );
    let refused = app
        .batch_execute("select from prisma.users")
        .await
        .unwrap_err();
    let refused = refused.as_db_error().unwrap().message();
    assert_eq!(refused, "permission denied for schema prisma");
}

#[tokio::test]
async fn the_statements_that_are_shown_are_the_ones_that_are_run() {
    let mut source = Source::filled().await;
    let migrations = Migrations::embedded().unwrap();
    let survey = migrations
        .survey(&mut source.client, &options())
        .await
        .unwrap();
    let before = source.all().await;
    let steps = migrations.adoption(&survey, &options()).await.unwrap();
    assert_eq!(source.all().await, before);
    let script: String = steps.into_iter().map(|step| step.sql + "\n").collect();
    source.execute(&format!("begin; {script}; commit")).await;
    deploy(&migrations, &mut source.client).await.unwrap();
    assert_eq!(source.drift().await, [""; 0]);
    assert_eq!(
        ask(&source.client, "select count(*)::text from audit_logs")
            .await
            .unwrap(),
        "4"
    );
}

#[tokio::test]
async fn what_is_not_needed_may_be_missing() {
    let mut source = Source::filled().await;
    source
        .execute(
            "drop table _prisma_migrations; drop index users_email_key, users_email_idx, \"audit_logs_actorId_idx\";
            alter table audit_logs drop constraint \"audit_logs_actorId_fkey\";
            create table refinery_schema_history (version int8 primary key, name varchar(255), applied_on varchar(255), checksum varchar(255))",
        )
        .await;
    source.adopt().await.unwrap();
    assert_eq!(source.drift().await, [""; 0]);
}

#[tokio::test]
async fn a_database_without_rows_is_adopted_too() {
    let database = database().await;
    let client = connect(database.url()).await;
    let mut source = Source { database, client };
    source
        .execute(&format!(
            "{PRISMA}; create extension citext; grant select on users to pg_monitor"
        ))
        .await;
    let adopted = source.adopt().await.unwrap();
    assert_eq!(
        adopted.survey.notes,
        [
            "SELECT on table users to pg_monitor stays with the old tables: grant it anew if it is still needed",
            "no active user holds the role admin: `usher seed` makes one afterwards",
        ]
    );
    let first =
        "insert into users (name, email) values ('New', 'new@example.com') returning id::text";
    assert_eq!(ask(&source.client, first).await.unwrap(), "1");
    assert_eq!(source.drift().await, ["+ extension citext"]);
}

#[tokio::test]
async fn roles_and_passwords_of_another_kind_are_taken_when_that_is_agreed_to() {
    let mut source = Source::filled().await;
    source
        .execute("update users set roles = '{moderator,user}', password = '$2b$10$x' where id = 3")
        .await;
    let agreed = AdoptOptions {
        creates_roles: true,
        drops_passwords: true,
        ..options()
    };
    let adopted = source.adopt_with(&agreed).await.unwrap();
    for note in [
        "the password is no argon2 hash and is left out, so that another one is needed: 1 user",
        "the role moderator is registered and allows nothing yet: 1 user",
    ] {
        let is_told = adopted
            .survey
            .notes
            .iter()
            .any(|told| told.starts_with(note));
        assert!(is_told, "{note}: {:?}", adopted.survey.notes);
    }
    let question = "select concat_ws(' ', roles.name, permissions, is_built_in, coalesce(password, '-'), (select password from users where id = 1))
        from roles join users on users.id = 3 where roles.name = 'moderator'";
    assert_eq!(
        ask(&source.client, question).await.unwrap(),
        "moderator {} f - $argon2id$a"
    );
    assert_eq!(source.drift().await, [""; 0]);
}

#[tokio::test]
async fn the_old_tables_stay_and_are_the_way_back() {
    let mut source = Source::filled().await;
    let before = source.all().await;
    source.adopt().await.unwrap();
    let migrations = Migrations::embedded().unwrap();
    migrations
        .rollback(&mut source.client, Back::To(0), &|_| {})
        .await
        .unwrap();
    source
        .execute(
            "alter table prisma.users set schema public; alter table prisma.audit_logs set schema public;
            alter table prisma._prisma_migrations set schema public; drop schema prisma; drop table refinery_schema_history",
        )
        .await;
    assert_eq!(source.all().await, before);
}

#[tokio::test]
async fn tables_that_others_use_are_waited_for() {
    let mut source = Source::filled().await;
    let other = connect(source.database.url()).await;
    other
        .batch_execute("begin; update users set name = name")
        .await
        .unwrap();
    let other = Mutex::new(Some(other));
    let told = Mutex::new(Vec::new());
    let progress = |line: &str| {
        if line.starts_with("others use the tables") {
            other.lock().unwrap().take();
        }
        told.lock().unwrap().push(line.to_owned());
    };
    let patient = AdoptOptions {
        progress: &progress,
        ..options()
    };
    source.adopt_with(&patient).await.unwrap();
    let told = told.into_inner().unwrap();
    let waiting = "others use the tables, trying again (9 tries left)";
    assert!(told.contains(&waiting.to_owned()), "{told:?}");
    assert!(told.contains(&"copying the users".to_owned()), "{told:?}");
}

#[tokio::test]
async fn migrations_that_came_later_find_the_rows_there() {
    let mut source = Source::filled().await;
    let embedded = Migrations::embedded().unwrap();
    let parts = embedded.iter().map(|each| (each.name(), each.sql(), ""));
    let later =
        "alter table users add column initial text; update users set initial = left(name, 1)";
    let parts: Vec<_> = parts
        .chain([("V29990101000000__initials", later, "")])
        .collect();
    let migrations = Migrations::from_parts(&parts).unwrap();
    let survey = migrations
        .survey(&mut source.client, &options())
        .await
        .unwrap();
    let steps = migrations.adoption(&survey, &options()).await.unwrap();
    assert!(steps.iter().all(|step| !step.sql.contains("initial")));
    let adopted = migrations
        .adopt(&mut source.client, &survey, &options())
        .await
        .unwrap();
    assert_eq!(
        adopted.deployed.applied.last().unwrap(),
        "V29990101000000__initials"
    );
    assert!(migrations.status(&source.client).await.unwrap().is_clean());
    let initials = "select string_agg(initial, '' order by id) from users";
    assert_eq!(ask(&source.client, initials).await.unwrap(), "AGZ");
}

#[tokio::test]
async fn a_schema_of_another_name_is_adopted() {
    let database = database().await;
    let client = connect(database.url()).await;
    let mut source = Source { database, client };
    source
        .execute("create schema \"Our users\"; set search_path = \"Our users\"")
        .await;
    source.execute(PRISMA).await;
    source.execute(ROWS).await;
    let adopted = source.adopt().await.unwrap();
    assert_eq!(adopted.survey.users, 3);
    assert_eq!(source.drift().await, [""; 0]);
}

#[tokio::test]
async fn a_deploy_into_a_database_of_prisma_says_what_to_do() {
    let mut source = Source::filled().await;
    let before = source.all().await;
    let refused = deploy(&Migrations::embedded().unwrap(), &mut source.client).await;
    assert!(matches!(refused, Err(Error::MadeByPrisma)), "{refused:?}");
    assert_eq!(source.all().await, before);
}
