//! What the schema of a database needs and consists of, so far as a dump of it can hold it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use tokio_postgres::{Client, Row};
use usher_migrate::Snapshot;

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
    let extensions = extensions(client)
        .await
        .context("cannot list the extensions")?;
    let snapshot = comparable(&Snapshot::read(client).await?, &extensions);
    Ok(Schema {
        name,
        owner,
        version: version.context("cannot read the version of the schema")?,
        extensions,
        roles: roles(client).await.context("cannot list the roles")?,
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

/// Returns the extensions that objects of the current schema make use of, each with its own schema.
async fn extensions(client: &Client) -> Result<BTreeMap<String, String>> {
    let statement = "
        with
          own (class, object) as (
            select 'pg_class'::regclass, oid from pg_class where relnamespace = current_schema()::regnamespace
            union all
            select 'pg_proc'::regclass, oid from pg_proc where pronamespace = current_schema()::regnamespace
            union all
            select 'pg_type'::regclass, oid
            from pg_type
            where typnamespace = current_schema()::regnamespace and typtype in ('d', 'r')
            union all
            select 'pg_constraint'::regclass, oid
            from pg_constraint
            where connamespace = current_schema()::regnamespace
          )
        select distinct extname::text as name, nspname::text as schema
        from own
        join pg_depend as use on use.classid = class and use.objid = object and use.deptype <> 'e'
        join pg_depend as part
          on part.classid = use.refclassid and part.objid = use.refobjid and part.deptype = 'e'
        join pg_extension on pg_extension.oid = part.refobjid
        join pg_namespace on pg_namespace.oid = extnamespace
        where extname <> 'plpgsql'
          -- What one extension has of another comes with it.
          and not exists (
            select from pg_depend where classid = class and objid = object and deptype = 'e'
          )";
    let rows = client.query_typed(statement, &[]).await?;
    let read = |row: &Row| Ok((row.try_get("name")?, row.try_get("schema")?));
    rows.iter().map(read).collect()
}

/// Returns the roles that the grants and policies of the current schema name.
async fn roles(client: &Client) -> Result<Vec<String>> {
    let statement = "
        with
          acl (acl) as (
            select relacl from pg_class where relnamespace = current_schema()::regnamespace
            union all
            select attacl
            from pg_attribute
            join pg_class on pg_class.oid = attrelid
            where relnamespace = current_schema()::regnamespace
            union all
            select proacl from pg_proc where pronamespace = current_schema()::regnamespace
            union all
            select typacl from pg_type where typnamespace = current_schema()::regnamespace
            union all
            select nspacl from pg_namespace where oid = current_schema()::regnamespace
          ),
          named (role) as (
            select grantee from acl, aclexplode(acl)
            union
            select grantor from acl, aclexplode(acl)
            union
            select unnest(polroles)
            from pg_policy
            join pg_class on pg_class.oid = polrelid
            where relnamespace = current_schema()::regnamespace
          )
        select rolname::text as name
        from pg_roles
        join named on role = oid
        -- A name with this beginning is one of the server's own.
        where not starts_with(rolname::text, 'pg_')
        order by 1";
    let rows = client.query_typed(statement, &[]).await?;
    let read = |row: &Row| Ok(row.try_get("name")?);
    rows.iter().map(read).collect()
}
