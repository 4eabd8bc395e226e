-- What a row can offend against, by the name that an error gives it, with the columns that it is about. A foreign key has
-- the table and the columns that it points at.
with
  rule (relation, name, numbers, target, target_numbers) as (
    select conrelid, conname, conkey, nullif(confrelid, 0), confkey
    from pg_constraint
    where contype in ('c', 'f', 'p', 'u', 'x')
      and conrelid <> 0
      -- Not what points at the partitions of a table.
      and conparentid = 0
    union all
    select attrelid, conname, array[attnum], null, null
    from pg_constraint
    join pg_attribute on atttypid = contypid
    where attnum > 0 and not attisdropped
    union all
    select
      indrelid,
      relname,
      array(
        select distinct refobjsubid::smallint
        from pg_depend
        where classid = 'pg_class'::regclass
          and objid = indexrelid
          and refclassid = 'pg_class'::regclass
          and refobjid = indrelid
          and refobjsubid > 0
      ),
      null,
      null
    from pg_index
    join pg_class on pg_class.oid = indexrelid
    where indisunique
      and not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u', 'x'))
  )
select
  relation::regclass::text as place,
  name::text as name,
  array(
    select attname::text
    from unnest(numbers) with ordinality as key (number, position)
    join pg_attribute on attrelid = relation and attnum = key.number
    order by key.position
  ) as columns,
  target::regclass::text as target,
  array(
    select attname::text
    from unnest(target_numbers) with ordinality as key (number, position)
    join pg_attribute on attrelid = target and attnum = key.number
    order by key.position
  ) as target_columns
from rule
join pg_class on pg_class.oid = relation
where relnamespace = current_schema()::regnamespace
  -- A key of several columns before one of a part of them.
order by 1, cardinality(numbers) desc, 2
