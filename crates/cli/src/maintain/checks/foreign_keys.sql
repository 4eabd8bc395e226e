-- Foreign keys whose columns no index begins with: a change of the other table reads this one as a whole.
select
  conname::text as object,
  format(
    '%s (%s) has no index, which a delete from %s needs',
    conrelid::regclass,
    columns.list,
    confrelid::regclass
  ) as what,
  format('add a migration with `create index concurrently on %s (%s)`', conrelid::regclass, columns.list) as advice
from pg_constraint
cross join lateral (
  select string_agg(format('%I', attname), ', ' order by position) as list
  from unnest(conkey) with ordinality as key (number, position)
  join pg_attribute on attrelid = conrelid and attnum = key.number
) as columns
where contype = 'f'
  and connamespace = quote_ident(current_schema())::regnamespace
  and conparentid = 0
  and not exists (
    select
    from pg_index
    where indrelid = conrelid
      and indisvalid
      and indpred is null
      and (indkey::int2[])[0:cardinality(conkey) - 1] @> conkey
  )
order by conname
