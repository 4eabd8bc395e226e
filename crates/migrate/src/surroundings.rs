//! What a schema has from around it: roles of the server, and extensions of the database.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Row};

use crate::{Error, Result};

/// What has to be there before a schema can be made a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The roles that its grants and policies name.
    pub roles: Vec<String>,
    /// The extensions that its objects make use of, each with its own schema.
    pub extensions: BTreeMap<String, String>,
}

impl Surroundings {
    /// Reads those of the current schema. Reads nothing but the catalog.
    pub async fn read(client: &Client) -> Result<Self> {
        Ok(Self {
            roles: roles(client)
                .await
                .map_err(Error::database("list the roles"))?,
            extensions: extensions(client)
                .await
                .map_err(Error::database("list the extensions"))?,
        })
    }
}

/// Returns the extensions that objects of the current schema make use of, each with its own schema.
async fn extensions(client: &Client) -> Result<BTreeMap<String, String>, tokio_postgres::Error> {
    let statement = "
        with
          own (class, object) as (
            select 'pg_class'::regclass, oid from pg_class where relnamespace = quote_ident(current_schema())::regnamespace
            union all
            select 'pg_proc'::regclass, oid from pg_proc where pronamespace = quote_ident(current_schema())::regnamespace
            union all
            select 'pg_type'::regclass, oid
            from pg_type
            where typnamespace = quote_ident(current_schema())::regnamespace and typtype in ('d', 'r')
            union all
            select 'pg_constraint'::regclass, oid
            from pg_constraint
            where connamespace = quote_ident(current_schema())::regnamespace
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
async fn roles(client: &Client) -> Result<Vec<String>, tokio_postgres::Error> {
    let statement = "
        with
          acl (acl) as (
            select relacl from pg_class where relnamespace = quote_ident(current_schema())::regnamespace
            union all
            select attacl
            from pg_attribute
            join pg_class on pg_class.oid = attrelid
            where relnamespace = quote_ident(current_schema())::regnamespace
            union all
            select proacl from pg_proc where pronamespace = quote_ident(current_schema())::regnamespace
            union all
            select typacl from pg_type where typnamespace = quote_ident(current_schema())::regnamespace
            union all
            select nspacl from pg_namespace where oid = quote_ident(current_schema())::regnamespace
          ),
          named (role) as (
            select grantee from acl, aclexplode(acl)
            union
            select grantor from acl, aclexplode(acl)
            union
            select unnest(polroles)
            from pg_policy
            join pg_class on pg_class.oid = polrelid
            where relnamespace = quote_ident(current_schema())::regnamespace
          )
        select rolname::text as name
        from pg_roles
        join named on role = oid
        -- A name with this beginning is one of the server's own.
        where not starts_with(rolname::text, 'pg_')
        order by 1";
    let rows = client.query_typed(statement, &[]).await?;
    rows.iter().map(|row| row.try_get("name")).collect()
}
