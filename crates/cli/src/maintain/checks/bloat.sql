-- Tables and B-trees of which half and more is empty, by 8 MB at least. What their rows need is estimated from the widths
-- in the statistics; the catalog knows no better without reading the tables.
with
  page as (
    select current_setting('block_size')::float8 as size
  ),
  width as (
    select
      attrelid as relation,
      attnum,
      coalesce((1 - null_frac) * avg_width, 0) as bytes,
      coalesce(null_frac, 1) > 0 as has_nulls,
      avg_width is not null as is_known
    from pg_attribute
    join pg_class on pg_class.oid = attrelid
    left join pg_stats
      on schemaname = current_schema()
      and tablename = relname
      and pg_stats.attname = pg_attribute.attname
      and not inherited
    where relnamespace = quote_ident(current_schema())::regnamespace
      and attnum > 0
      and not attisdropped
  ),
  row_of_table as (
    select
      relation,
      -- A pointer to the row, its head, its values; the last two in steps of 8 bytes.
      4
      + 8 * ceil((23 + case when bool_or(has_nulls) then ceil(count(*) / 8.0) else 0 end) / 8)
      + 8 * ceil(sum(bytes) / 8) as bytes
    from width
    group by relation
    having bool_or(is_known)
  ),
  row_of_index as (
    select
      indexrelid as relation,
      4 + 8 * ceil((8 + sum(coalesce(of_table.bytes, of_index.bytes))) / 8) as bytes
    from pg_index
    cross join lateral unnest(indkey::int2[]) with ordinality as key (attnum, position)
    left join width as of_table on of_table.relation = indrelid and of_table.attnum = key.attnum and of_table.is_known
    left join width as of_index on of_index.relation = indexrelid and of_index.attnum = key.position
    group by indexrelid
  ),
  estimate as (
    select
      relname,
      relkind,
      pg_relation_size(pg_class.oid)::float8 as is,
      greatest(reltuples, 0) * bytes / (size - 40) * size
      * 100 / coalesce(
        (select option_value::float8 from pg_options_to_table(reloptions) where option_name = 'fillfactor'),
        case relkind when 'i' then 90 else 100 end
      ) as needed
    from pg_class
    join pg_am on pg_am.oid = relam and amname in ('heap', 'btree')
    join (select * from row_of_table union all select * from row_of_index) as line on line.relation = pg_class.oid
    cross join page
    where relnamespace = quote_ident(current_schema())::regnamespace
      and relkind in ('r', 'i')
      and reltuples >= 0
  )
select
  relname::text as object,
  format(
    'about %s of %s are empty',
    pg_size_pretty((estimate.is - needed)::bigint),
    pg_size_pretty(estimate.is::bigint)
  ) as what,
  case relkind
    when 'i' then format('run `reindex index concurrently %I`', relname)
    else format('in a quiet hour run `vacuum full %I`, which locks it; or let the space be filled again', relname)
  end as advice
from estimate
where estimate.is - needed >= greatest(8388608, 0.5 * estimate.is)
order by estimate.is - needed desc
