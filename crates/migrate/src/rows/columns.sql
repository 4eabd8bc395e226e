-- The columns of the tables that rows can be made for, with all that is known of the values they take.
with recursive
  -- A type with itself, and a domain also with the types it is made of.
  chain (type, part) as (
    select oid, oid
    from pg_type
    union all
    select chain.type, typbasetype
    from chain
    join pg_type on pg_type.oid = chain.part
    where typtype = 'd'
  )
select
  pg_class.oid::regclass::text as place,
  relname::text as name,
  attname::text as column,
  format_type(atttypid, atttypmod) as type,
  coalesce(element.typname, base.typname)::text as base,
  element.oid is not null as is_array,
  array(
    select enumlabel::text
    from pg_enum
    where enumtypid = coalesce(element.oid, base.oid)
    order by enumsortorder
  ) as labels,
  attnotnull or exists (
    select from chain join pg_type on pg_type.oid = chain.part where chain.type = atttypid and typnotnull
  ) as is_required,
  atthasdef or attidentity <> '' as has_default,
  attidentity <> '' or coalesce(pg_get_expr(adbin, adrelid) like 'nextval(%', false) as is_counted,
  -- What its constraints and the bounds of partitions say.
  array(
    select pg_get_constraintdef(pg_constraint.oid)
    from pg_constraint
    where conrelid = pg_class.oid and contype = 'c' and attnum = any (conkey)
    union all
    select pg_get_constraintdef(pg_constraint.oid)
    from chain
    join pg_constraint on contypid = chain.part
    where chain.type = atttypid
    union all
    select pg_get_expr(partition.relpartbound, partition.oid)
    from pg_partitioned_table
    join pg_inherits on inhparent = partrelid
    join pg_class as partition on partition.oid = inhrelid
    where partrelid = pg_class.oid and attnum = any (partattrs)
  ) as hints
from pg_class
join pg_attribute on attrelid = pg_class.oid
left join pg_attrdef on adrelid = attrelid and adnum = attnum
join chain on chain.type = atttypid
join pg_type as base on base.oid = chain.part and base.typtype <> 'd'
left join pg_type as element on element.oid = base.typelem and base.typcategory = 'A'
where relnamespace = current_schema()::regnamespace
  and relkind in ('r', 'p')
  and not relispartition
  and relname <> 'refinery_schema_history'
  and attnum > 0
  -- What the database computes is not given.
  and attgenerated = ''
  and not attisdropped
  and not exists (
    select from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e'
  )
order by relname, attnum
