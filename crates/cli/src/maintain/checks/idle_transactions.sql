-- Transactions that have waited for their client for longer than so many seconds: they keep locks, and keep dead rows from
-- being cleared away.
select
  format('process %s', pid) as object,
  format(
    '%s from %s has left a transaction open for %s seconds',
    usename,
    coalesce(nullif(application_name, ''), 'no name'),
    extract(epoch from now() - state_change)::bigint
  ) as what,
  format(
    'end it with `select pg_terminate_backend(%s)`, and set idle_in_transaction_session_timeout for the role %s',
    pid,
    usename
  ) as advice
from pg_stat_activity
where state like 'idle in transaction%'
  and state_change <= now() - make_interval(secs => $1)
order by state_change
