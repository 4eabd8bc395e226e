-- How many connections are in use of those that there may be, on the server, in this database and of each role that has a
-- limit; and whose they are. What a session does may be hidden from this role.
with
  session as (
    select
      datname,
      usename::text as role,
      coalesce(nullif(application_name, ''), 'no name') as application,
      coalesce(state, 'not to be seen') as state
    from pg_stat_activity
    where backend_type = 'client backend' or backend_type is null and datid is not null
  ),
  place as (
    select
      1 as rank,
      'the server' as object,
      (select count(*) from session) as used,
      current_setting('max_connections')::integer
      - current_setting('superuser_reserved_connections')::integer
      - coalesce(current_setting('reserved_connections', true), '0')::integer as most
    union all
    select 2, 'the database', (select count(*) from session where session.datname = pg_database.datname), datconnlimit
    from pg_database
    where datname = current_database() and datconnlimit >= 0
    union all
    select 3, rolname, (select count(*) from session where role = rolname), rolconnlimit
    from pg_roles
    where rolconnlimit >= 0
  ),
  line as (
    select
      rank,
      object,
      format('%s of %s connections are in use', used, most) as what,
      case when used >= 0.8 * most then
        'see below whose they are; lower connection_limit of the instances, connect them through a pooler in transaction '
        'mode, or raise the limit'
      end as advice
    from place
    union all
    select 4, role, format('%s from %s, %s', count(*), application, state), null
    from session
    group by role, application, state
  )
select object, what, advice
from line
order by rank, object, what
