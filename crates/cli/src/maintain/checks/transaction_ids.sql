-- How much of the transaction ids is used up, and tables that autovacuum should have frozen long ago.
with
  aged as (
    select
      pg_class.oid,
      age(relfrozenxid) as age,
      coalesce(
        (select option_value::bigint from pg_options_to_table(reloptions) where option_name = 'autovacuum_freeze_max_age'),
        current_setting('autovacuum_freeze_max_age')::bigint
      ) as most,
      mxid_age(relminmxid) as shared_age,
      current_setting('autovacuum_multixact_freeze_max_age')::bigint as shared_most
    from pg_class
    where relkind in ('r', 'm', 't')
  ),
  late as (
    select oid::regclass as name, age, most, greatest(age::float8 / most, shared_age::float8 / shared_most) as ratio
    from aged
  )
(
  select
    'the database' as object,
    format(
      '%s %% of the transaction ids are used up since it was frozen last',
      round(100.0 * greatest(age(datfrozenxid) / 2147483647.0, mxid_age(datminmxid) / 2147483647.0), 1)
    ) as what,
    null as advice
  from pg_database
  where datname = current_database()
)
union all
(
  select
    name::text,
    format('not frozen for %s transactions; autovacuum should at %s', age, most),
    format('run `vacuum (freeze) %s`; old transactions, prepared ones and replication slots keep it from working', name)
  from late
  where ratio > 1.5
  order by ratio desc
  limit 5
)
