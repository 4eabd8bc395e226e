//! What the schema of a database needs and consists of, so far as a dump of it can hold it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use tokio_postgres::Client;
use usher_migrate::{Snapshot, Surroundings};

use super::{
    census::look_into,
    manifest::{Objects, Schema},
};

/// Reads the current schema, which from then on is the only one that the session looks into.
pub(super) async fn read(client: &Client, place: &str) -> Result<Schema> {
    let row = client
        .query_typed_one(
            "select
              current_schema()::text as name,
              (
                select pg_get_userbyid(relowner)::text
                from pg_class
                where oid = to_regclass(format('%I.refinery_schema_history', current_schema()))
              ) as owner",
            &[],
        )
        .await
        .context("cannot look for the schema")?;
    let (name, owner): (Option<String>, Option<String>) =
        (row.try_get("name")?, row.try_get("owner")?);
    let (Some(name), Some(owner)) = (name, owner) else {
        bail!(
            "{place} has no tables of usher, so there is nothing to back up; is it the right database?"
        );
    };
    look_into(client, &name).await?;
    let newest = "select coalesce(max(version), 0)::bigint as version from refinery_schema_history";
    let row = client.query_typed_one(newest, &[]).await;
    let version = row.and_then(|row| row.try_get("version"));
    let Surroundings { roles, extensions } = Surroundings::read(client).await?;
    let snapshot = comparable(&Snapshot::read(client).await?, &extensions);
    Ok(Schema {
        name,
        owner,
        version: version.context("cannot read the version of the schema")?,
        extensions,
        roles,
        objects: Objects::from(&snapshot),
    })
}

/// Leaves out what a dump of one schema does not hold: the extensions of others, and what new objects will be granted,
/// which belongs to the roles of a server.
pub(super) fn comparable(all: &Snapshot, extensions: &BTreeMap<String, String>) -> Snapshot {
    let kept = all.iter().filter(|(object, _)| match object.kind.as_str() {
        "extension" => extensions.contains_key(&object.name),
        "grant" => !object.name.starts_with("default privileges "),
        _ => true,
    });
    kept.map(|(object, definition)| (object.clone(), definition.to_owned()))
        .collect()
}
