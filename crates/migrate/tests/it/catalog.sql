select format('%s %s: %s', kind, name, definition)
from (
  select 'extension' as kind, extname::text as name, extversion as definition
  from pg_extension
  union all
  select 'relation', oid::regclass::text, format('%s %s %s', relkind, relispartition, relpersistence)
  from pg_class
  where relnamespace = 'public'::regnamespace
  union all
  select
    'column',
    format('%s.%s', attrelid::regclass, attname),
    format('%s %s %s %s', format_type(atttypid, atttypmod), attnotnull, attidentity, pg_get_expr(adbin, adrelid))
  from pg_attribute
  join pg_class on pg_class.oid = attrelid
  left join pg_attrdef on adrelid = attrelid and adnum = attnum
  where relnamespace = 'public'::regnamespace and attnum > 0 and not attisdropped
  union all
  select 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid)
  from pg_index
  join pg_class on pg_class.oid = indexrelid
  where relnamespace = 'public'::regnamespace
  union all
  select 'constraint', format('%s %s', conrelid::regclass, conname), pg_get_constraintdef(oid)
  from pg_constraint
  where connamespace = 'public'::regnamespace
  union all
  select 'trigger', format('%s %s', tgrelid::regclass, tgname), pg_get_triggerdef(oid)
  from pg_trigger
  where not tgisinternal
  union all
  select 'function', oid::regprocedure::text, md5(coalesce(prosrc, ''))
  from pg_proc
  where pronamespace = 'public'::regnamespace
) as objects
where name not like 'refinery\_schema\_history%'
order by 1
