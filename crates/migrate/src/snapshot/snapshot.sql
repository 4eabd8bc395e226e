-- Every object of the current schema as three columns: what it is, its name, its definition. Left out is what
-- extensions own, what a partition has from its parent, and the history of the migrations.
--
-- Expressions are written in the short form (`true`): in the long one `a between 1 and 2 and b` has other parentheses
-- after it went through a dump.
--
-- Monthly partitions come and go: `name` has them all under one name, `exact_name` tells them apart.
with
  here as (
    select
      oid as schema,
      nspname,
      nspowner,
      nspacl,
      -- Who migrates owns what the migrations made; the name of that role is another one in every database.
      coalesce(
        (select relowner from pg_class where oid = to_regclass('refinery_schema_history')),
        (select oid from pg_roles where rolname = current_user)
      ) as owner
    from pg_namespace
    where nspname = current_schema()
  ),
  of_extension as (
    select classid, objid from pg_depend where deptype = 'e'
  ),
  relation as (
    select
      pg_class.*,
      case
        when relispartition then regexp_replace(relname, '_\d{4}_\d{2}$', '_<month>')
        else relname::text
      end as name
    from pg_class
    join here on relnamespace = here.schema
    where relname not in ('refinery_schema_history', 'refinery_schema_history_pkey')
      and not exists (select from of_extension where classid = 'pg_class'::regclass and objid = pg_class.oid)
  ),
  routine as (
    select
      pg_proc.*,
      format('%s(%s)', proname, pg_get_function_identity_arguments(pg_proc.oid)) as name
    from pg_proc
    join here on pronamespace = here.schema
    where not exists (select from of_extension where classid = 'pg_proc'::regclass and objid = pg_proc.oid)
  ),
  own_type as (
    select pg_type.*
    from pg_type
    join here on typnamespace = here.schema
    where (typtype in ('e', 'd', 'r') or typtype = 'c' and (select relkind from pg_class where oid = typrelid) = 'c')
      and not exists (select from of_extension where classid = 'pg_type'::regclass and objid = pg_type.oid)
  ),
  grantable as (
    select
      'table' as kind,
      name,
      relname::text as exact_name,
      relowner as owner,
      coalesce(relacl, acldefault(case when relkind = 'S' then 's' else 'r' end::"char", relowner)) as acl
    from relation
    where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select 'column', format('%s.%s', name, attname), format('%s.%s', relname, attname), relowner, attacl
    from relation
    join pg_attribute on attrelid = relation.oid
    where attacl is not null and not attisdropped
    union all
    select 'function', name, name, proowner, coalesce(proacl, acldefault('f', proowner))
    from routine
    union all
    select 'type', typname::text, typname::text, typowner, coalesce(typacl, acldefault('T', typowner))
    from own_type
    union all
    select 'schema', nspname::text, nspname::text, nspowner, coalesce(nspacl, acldefault('n', nspowner))
    from here
    union all
    select
      'default privileges',
      format('%s of %s', defaclobjtype::text, coalesce(nullif(defaclrole, here.owner)::regrole::text, '<owner>')),
      format('%s of %s', defaclobjtype::text, defaclrole::regrole),
      defaclrole,
      defaclacl
    from pg_default_acl, here
    where defaclnamespace in (0, here.schema)
  ),
  object (kind, name, exact_name, definition) as (
    select 'extension', extname::text, extname::text, ''
    from pg_extension
    where extname <> 'plpgsql'
    union all
    select
      case relkind
        when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' when 'f' then 'foreign table'
        else 'table'
      end,
      name,
      relname::text,
      concat_ws(
        ', ',
        case relpersistence when 'u' then 'unlogged' when 't' then 'temporary' end,
        case when relrowsecurity then 'row level security' end,
        case when relforcerowsecurity then 'forced row level security' end,
        'partition by ' || pg_get_partkeydef(relation.oid),
        case when relispartition then
          'partition of ' || (select inhparent::regclass from pg_inherits where inhrelid = relation.oid)
          || case when name = relname then ' ' || pg_get_expr(relpartbound, relation.oid) else '' end
          || ' with triggers '
          || coalesce((select string_agg(tgname, ', ' order by tgname) from pg_trigger
                       where tgrelid = relation.oid and not tgisinternal), 'none')
        end,
        'options ' || array_to_string(reloptions, ', '),
        case when relkind in ('v', 'm') then pg_get_viewdef(relation.oid, true) end,
        (
          select format('%s from %s by %s between %s and %s%s', seqtypid::regtype, seqstart, seqincrement, seqmin,
                        seqmax, case when seqcycle then ' cycling' else '' end)
          from pg_sequence
          where seqrelid = relation.oid
        ),
        'owned by ' || nullif(nullif(relowner, here.owner)::regrole::text, '')
      )
    from relation, here
    where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select
      'column',
      format('%s.%s', name, attname),
      format('%s.%s', relname, attname),
      concat_ws(
        ' ',
        format_type(atttypid, atttypmod),
        case when attcollation <> (select typcollation from pg_type where oid = atttypid)
          then 'collate ' || attcollation::regcollation end,
        case when attnotnull then 'not null' end,
        case attidentity when 'a' then 'generated always as identity' when 'd' then 'generated by default as identity' end,
        case when attgenerated <> '' then 'generated always as' when adbin is not null then 'default' end,
        pg_get_expr(adbin, adrelid, true),
        case when attstorage <> (select typstorage from pg_type where oid = atttypid) then 'storage ' || attstorage::text end
      )
    from relation
    join pg_attribute on attrelid = relation.oid
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where relkind in ('r', 'p', 'v', 'm', 'f')
      and attnum > 0
      and not attisdropped
      -- The columns of a partition are those of its parent.
      and not relispartition
    union all
    select
      'index',
      relation.name,
      relation.relname::text,
      pg_get_indexdef(indexrelid, 0, true)
      || case when indisvalid then '' else ' INVALID' end
      || case when indisclustered then ' clustered' else '' end
      || case when indisreplident then ' replica identity' else '' end
    from relation
    join pg_index on indexrelid = relation.oid
    where not exists (select from pg_inherits where inhrelid = indexrelid)
    union all
    select
      'constraint',
      format('%s.%s', relation.name, conname),
      format('%s.%s', relname, conname),
      pg_get_constraintdef(pg_constraint.oid, true) || case when convalidated then '' else ' NOT VALID' end
    from relation
    join pg_constraint on conrelid = relation.oid
    -- From version 18 on `not null` is a constraint too; it stands with the column.
    where conparentid = 0 and conislocal and contype <> 'n' and not (relispartition and coninhcount > 0)
    union all
    select
      'constraint',
      format('%s.%s', typname, conname),
      format('%s.%s', typname, conname),
      pg_get_constraintdef(pg_constraint.oid, true)
    from own_type
    join pg_constraint on contypid = own_type.oid
    union all
    select
      'trigger',
      format('%s.%s', name, tgname),
      format('%s.%s', relname, tgname),
      -- The month stands in the definition too.
      replace(pg_get_triggerdef(pg_trigger.oid, true), relname, name)
      || case tgenabled when 'O' then '' when 'D' then ' DISABLED' else ' enabled ' || tgenabled::text end
    from relation
    join pg_trigger on tgrelid = relation.oid
    where not tgisinternal and tgparentid = 0
    union all
    select 'rule', format('%s.%s', name, rulename), format('%s.%s', relname, rulename), pg_get_ruledef(pg_rewrite.oid, true)
    from relation
    join pg_rewrite on ev_class = relation.oid
    where rulename <> '_RETURN'
    union all
    select
      'policy',
      format('%s.%s', name, polname),
      format('%s.%s', relname, polname),
      concat_ws(
        ' ',
        case when polpermissive then 'permissive' else 'restrictive' end,
        case polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
        'to ' || (
          select string_agg(case member when 0 then 'public' else pg_get_userbyid(member)::text end, ', ' order by member)
          from unnest(polroles) as member
        ),
        'using ' || pg_get_expr(polqual, polrelid, true),
        'with check ' || pg_get_expr(polwithcheck, polrelid, true)
      )
    from relation
    join pg_policy on polrelid = relation.oid
    union all
    select
      'function',
      name,
      name,
      case when prokind in ('f', 'p') then pg_get_functiondef(routine.oid) else prokind::text end
      || coalesce(' owned by ' || nullif(proowner, here.owner)::regrole::text, '')
    from routine, here
    union all
    select
      'type',
      typname::text,
      typname::text,
      concat_ws(
        ' ',
        case typtype when 'e' then 'enum' when 'd' then 'domain' when 'r' then 'range' else 'composite' end,
        (select string_agg(enumlabel, ', ' order by enumsortorder) from pg_enum where enumtypid = own_type.oid),
        case when typtype = 'd' then format_type(typbasetype, typtypmod) end,
        case when typtype = 'd' and typnotnull then 'not null' end,
        case when typtype = 'd' then typdefault end,
        (
          select string_agg(format('%s %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum)
          from pg_attribute
          where attrelid = typrelid and typtype = 'c' and attnum > 0 and not attisdropped
        )
      )
    from own_type
    union all
    select 'statistics', stxname::text, stxname::text, pg_get_statisticsobjdef(pg_statistic_ext.oid)
    from pg_statistic_ext
    join here on stxnamespace = here.schema
    union all
    select
      'comment',
      name || coalesce('.' || attname, ''),
      relname || coalesce('.' || attname, ''),
      description
    from relation
    join pg_description on classoid = 'pg_class'::regclass and objoid = relation.oid
    left join pg_attribute on attrelid = objoid and attnum = objsubid and objsubid > 0
    union all
    select 'comment', name, name, description
    from routine
    join pg_description on classoid = 'pg_proc'::regclass and objoid = routine.oid
    union all
    select
      'grant',
      format('%s %s to %s', kind, name, grantee),
      format('%s %s to %s', kind, exact_name, grantee),
      privileges
    from (
      select
        kind,
        name,
        exact_name,
        case entry.grantee when 0 then 'public' else pg_get_userbyid(entry.grantee)::text end as grantee,
        string_agg(
          entry.privilege_type || case when entry.is_grantable then ' with grant option' else '' end,
          ', '
          order by entry.privilege_type
        ) as privileges
      from grantable, here, aclexplode(acl) as entry
      -- What an owner may do goes without saying.
      where entry.grantee not in (grantable.owner, here.owner)
      group by 1, 2, 3, 4
    ) as granted
  )
select kind, name, exact_name, coalesce(definition, '') as definition
from object
order by kind, name, exact_name
