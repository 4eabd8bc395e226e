-- Indexes of 1 MB and more that no statement has used, and that enforce nothing. A partitioned index counts as a whole.
select
  pg_class.relname::text as object,
  format(
    '%s on %s, not used since %s',
    pg_size_pretty(parts.bytes),
    indrelid::regclass,
    coalesce(
      (select to_char(stats_reset, 'YYYY-MM-DD') from pg_stat_database where datname = current_database()),
      'the statistics began'
    )
  ) as what,
  format(
    'if no replica uses it either, drop it in a migration: `drop index %s%I`',
    case relkind when 'i' then 'concurrently ' end,
    pg_class.relname
  ) as advice
from pg_index
join pg_class on pg_class.oid = indexrelid
cross join lateral (
  select
    sum(pg_relation_size(part))::bigint as bytes,
    sum(pg_stat_get_numscans(part)) as scans
  from (
    select indexrelid::oid as part
    union
    select relid from pg_partition_tree(indexrelid)
  ) as tree
) as parts
where relnamespace = quote_ident(current_schema())::regnamespace
  and not relispartition
  and not indisunique
  and indisvalid
  and not exists (select from pg_constraint where conindid = indexrelid)
  and parts.scans = 0
  and parts.bytes >= 1048576
order by parts.bytes desc
