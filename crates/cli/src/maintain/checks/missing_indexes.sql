-- Large tables that are often read as a whole.
select
  relname::text as object,
  format('%s rows, read as a whole %s times (by an index %s times)', n_live_tup, seq_scan, coalesce(idx_scan, 0)) as what,
  'find the statement in pg_stat_statements or by auto_explain, and give it an index; '
  || format('then `select pg_stat_reset_single_table_counters(%L::regclass)` counts anew', relname) as advice
from pg_stat_user_tables
where schemaname = current_schema()
  and n_live_tup >= 10000
  and seq_scan >= 100
  and seq_scan > 0.1 * coalesce(idx_scan, 0)
order by seq_tup_read desc
