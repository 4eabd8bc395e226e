-- What of other schemas is about the old tables, and what the role may not do; $1 is the schema that they would move to.
with
  old (id) as (
    values (to_regclass('users')::oid), (to_regclass('audit_logs')::oid)
  ),
  -- What is beside the tables was named before.
  elsewhere (id) as (
    select pg_class.oid
    from pg_class
    join pg_namespace on pg_namespace.oid = relnamespace
    where nspname <> current_schema()
  ),
  needed (by) as (
    select format('foreign key %I of %s', conname, conrelid::regclass)
    from pg_constraint
    join elsewhere on elsewhere.id = conrelid
    where contype = 'f' and confrelid in (select id from old)
    union
    select format('view %s', ev_class::regclass)
    from pg_depend
    join pg_rewrite on pg_rewrite.oid = objid
    join elsewhere on elsewhere.id = ev_class
    where classid = 'pg_rewrite'::regclass
      and refclassid = 'pg_class'::regclass
      and refobjid in (select id from old)
    union
    select pg_describe_object(classid, objid, 0)
    from pg_depend
    join pg_proc on pg_proc.oid = objid
    join pg_namespace on pg_namespace.oid = pronamespace
    where classid = 'pg_proc'::regclass
      and nspname <> current_schema()
      and (
        refclassid = 'pg_class'::regclass and refobjid in (select id from old)
        or refclassid = 'pg_type'::regclass
          and refobjid in (select reltype from pg_class where pg_class.oid in (select id from old))
      )
    union
    select format('table %s', inhrelid::regclass)
    from pg_inherits
    join elsewhere on elsewhere.id = inhrelid
    where inhparent in (select id from old)
    union
    select format('publication %I', pubname)
    from pg_publication_rel
    join pg_publication on pg_publication.oid = prpubid
    where prrelid in (select id from old)
  )
select by || ' is about the old tables: drop it, and make it anew after the adoption' as fault
from needed
union all
select format('there is a schema %I already, where the old tables would go: rename it', nspname)
from pg_namespace
where nspname = $1
union all
select format('this role may not create schemas: let an administrator run `grant create on database %I to %I`',
              current_database(), current_user)
where not has_database_privilege(current_database(), 'create')
union all
select format('this role may not create tables: let an administrator run `grant create on schema %I to %I`',
              current_schema(), current_user)
where not has_schema_privilege(current_schema(), 'create')
