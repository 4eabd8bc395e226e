-- Tables with many rows that were deleted or replaced, and not cleared away.
select
  relname::text as object,
  format(
    '%s dead rows beside %s, last cleared away %s',
    n_dead_tup,
    n_live_tup,
    coalesce(to_char(greatest(last_vacuum, last_autovacuum), 'YYYY-MM-DD'), 'never')
  ) as what,
  format(
    'run `vacuum (analyze) %I`; if they come back, look for old transactions below and let autovacuum come more often',
    relname
  ) as advice
from pg_stat_user_tables
where schemaname = current_schema()
  and n_dead_tup >= greatest(10000, 0.25 * n_live_tup)
order by n_dead_tup desc
