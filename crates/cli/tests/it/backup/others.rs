//! What a database has beside the schema, who owns it, and who may not read it.

use std::fs;

use serde_json::json;

use super::source::{GOOD, Source, ended};
use crate::support::{Folder, database};

#[tokio::test]
async fn what_belongs_to_others_is_neither_copied_nor_missed() {
    let source = Source::filled().await;
    let role = format!("usher_other_{}", source.database.name());
    let others = format!(
        "create role {role};
        create schema others;
        create extension citext;
        create table others.things (id int references public.users (id));
        alter default privileges grant select on tables to {role};
        alter default privileges in schema public grant select on tables to {role};
        create table notes (id int, shown name, \"the row\" text);
        insert into notes values (1, 'a', 'b');
        alter table notes owner to {role};
        alter table users add constraint users_range check (id between 1 and 1000 and name <> '' and version > 0)"
    );
    source.execute(&others).await;
    source.back_up();
    let (ended, shown) = source.verify();
    source
        .execute(&format!(
            "drop table notes; drop owned by {role} cascade; drop role {role}"
        ))
        .await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
    assert_eq!(self::ended(&shown, "good"), GOOD);
    let manifest = source.manifest();
    assert_eq!(manifest["tables"]["notes"]["rows"], 1);
    assert!(manifest["tables"].get("things").is_none());
    assert_eq!(
        manifest["schema"]["extensions"],
        json!({"pg_trgm": "public"})
    );
}

#[tokio::test]
async fn an_owner_that_the_other_server_does_not_have_is_no_difference() {
    let source = Source {
        folder: Folder::create(),
        database: database().await,
    };
    let owner = format!("usher_owner_{}", source.database.name());
    let making = format!(
        "create role {owner} login;
        grant all on schema public to {owner};
        grant create on database {} to {owner}",
        source.database.name()
    );
    source.execute(&making).await;
    let url = source.database.url_as(&owner);
    let variables = [("DATABASE_URL", url.as_str())];
    for arguments in [
        &["migrate", "deploy"][..],
        &["backup", "create", "-o", "x.dump"],
        // On a server of its own.
        &["backup", "verify", "x.dump"],
    ] {
        let ended = source.folder.run(arguments, &variables);
        assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
    }
    source
        .execute(&format!("drop owned by {owner} cascade; drop role {owner}"))
        .await;
}

#[tokio::test]
async fn a_role_that_may_not_read_everything_makes_no_backup() {
    let source = Source::filled().await;
    let url = source.database.url_as("usher_app");
    let create = ["backup", "create", "-o", "x.dump"];
    let refused = source.folder.run(&create, &[("DATABASE_URL", &url)]);
    assert_eq!(refused.code, Some(1));
    assert!(!refused.errors.contains("panicked"), "{}", refused.errors);
    assert_eq!(fs::read_dir(source.folder.path()).unwrap().count(), 0);
    let empty = database().await;
    let refused = source.folder.run(&create, &[("DATABASE_URL", empty.url())]);
    assert!(
        refused
            .errors
            .contains("has no tables of usher, so there is nothing to back up"),
        "{}",
        refused.errors
    );
    assert_eq!(fs::read_dir(source.folder.path()).unwrap().count(), 0);
}
