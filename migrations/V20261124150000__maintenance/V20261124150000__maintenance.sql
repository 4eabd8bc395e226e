-- Maintenance: statistics that are fresh, partitions ahead, and the end of old months and keys; also for the role of the
-- functions, which owns nothing.
-- lint: allow prefer-bigint-over-int because nobody counts so many months

-- Functions look into this schema, and last into temporary tables. A session looks there first, so that what runs with the
-- rights of the owner, or holds a rule, could be led to a table that its caller has made.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

do $$
declare
  routine regprocedure;
begin
  for routine in
    select oid
    from pg_proc
    where pronamespace = quote_ident(current_schema())::regnamespace
      and exists (select from unnest(proconfig) as setting where setting like 'search_path=%')
      and not exists (select from pg_depend where classid = 'pg_proc'::regclass and objid = pg_proc.oid and deptype = 'e')
  loop
    execute format('alter function %s set search_path from current', routine);
  end loop;
end
$$;

-- For how many months the audit log is kept; without a row for ever. It is the owner's alone: the role of the functions
-- can neither begin nor shorten it, whatever statement it sends.
create table audit_retention (
  is_only boolean     not null default true,
  months  integer     not null,
  set_at  timestamptz not null default now(),
  constraint audit_retention_pkey primary key (is_only),
  constraint audit_retention_is_only_check check (is_only),
  constraint audit_retention_months_check check (months between 3 and 1200)
);

-- The tables whose rows have changed by as much as makes autovacuum analyze a table, with the rows that an ANALYZE would
-- read. Autovacuum never does it for a partitioned table as a whole; before version 18 that takes its partitions along.
create function stale_statistics()
returns table (relation regclass, changed bigint, sampled bigint, statement text)
language sql
stable
set search_path from current
as $$
  with
    setting as (
      select
        current_setting('autovacuum_analyze_threshold')::bigint as threshold,
        current_setting('autovacuum_analyze_scale_factor')::float8 as factor,
        current_setting('default_statistics_target')::bigint * 300 as sample,
        current_setting('server_version_num')::integer >= 180000 as has_only
    ),
    plain as (
      select
        oid,
        relname,
        greatest(reltuples::bigint, pg_stat_get_live_tuples(oid), 0) as rows,
        greatest(reltuples, 0) as known,
        pg_stat_get_mod_since_analyze(oid) as changed
      from pg_class
      where relnamespace = quote_ident(current_schema())::regnamespace
        and relkind = 'r'
        and pg_has_role(relowner, 'usage')
    ),
    partitioned as (
      select
        parent.oid,
        parent.relname,
        greatest(parent.reltuples, 0) as known,
        abs(sum(plain.rows) - greatest(parent.reltuples::bigint, 0))::bigint as changed,
        sum(plain.rows)::bigint as rows,
        sum(least(plain.rows, sample))::bigint as sampled
      from pg_class as parent
      cross join setting
      cross join lateral pg_partition_tree(parent.oid) as tree
      join plain on plain.oid = tree.relid
      where parent.relnamespace = quote_ident(current_schema())::regnamespace
        and parent.relkind = 'p'
        and pg_has_role(parent.relowner, 'usage')
      group by parent.oid, parent.relname, parent.reltuples
    ),
    known as (
      select oid, relname, known, changed, least(rows, sample) as sampled, 'analyze' as verb
      from plain
      cross join setting
      union all
      select
        oid,
        relname,
        known,
        changed,
        least(rows, sample) + case when has_only then 0 else sampled end,
        case when has_only then 'analyze only' else 'analyze' end
      from partitioned
      cross join setting
    )
  select oid::regclass, changed, sampled, format('%s %I', verb, relname)
  from known
  cross join setting
  where changed > threshold + factor * known
$$;

-- The months of the audit log that lie wholly before the last `kept` ones, the oldest first.
create function audit_logs_old_months(kept integer)
returns table (partition regclass, month text, estimate bigint)
language sql
stable
set search_path from current
set timezone to 'UTC'
set datestyle to 'ISO'
as $$
  select
    pg_class.oid::regclass,
    to_char(bound.upper - interval '1 month', 'YYYY-MM'),
    greatest(reltuples::bigint, pg_stat_get_live_tuples(pg_class.oid), 0)
  from pg_inherits
  join pg_class on pg_class.oid = inhrelid
  cross join lateral (
    select substring(pg_get_expr(relpartbound, pg_class.oid) from 'TO [(]''([^'']+)''[)]')::timestamptz as upper
  ) as bound
  where inhparent = 'audit_logs'::regclass
    and bound.upper <= date_trunc('month', now()) - make_interval(months => kept)
  order by bound.upper
$$;

-- Drops those months while they have at most so many rows together, and returns what each of them had. Dropped where it
-- is: to detach it first would lock `users` as well.
create function audit_logs_drop_old_months(kept integer, most_rows bigint)
returns table (month text, rows bigint)
language plpgsql
set search_path from current
as $$
declare
  old record;
begin
  if kept < 3 then
    raise exception 'the audit log is kept for 3 months at least' using errcode = 'check_violation';
  end if;
  for old in select * from audit_logs_old_months(kept) loop
    most_rows := most_rows - old.estimate;
    exit when most_rows < 0;
    execute format('select count(*) from %s', old.partition) into rows;
    execute format('drop table %s', old.partition);
    month := old.month;
    return next;
  end loop;
end
$$;

-- What a function may have done to the database, in an amount that fits into its three seconds; the next call goes on
-- with what remains. It decides by itself what there is to do, and a caller has no say in it.
--
-- It writes its audit entry itself: the partitions of a table do not change while the statement around has it open.
create function run_maintenance(
  actor_id   bigint,
  action     text,
  entity     text,
  payload    jsonb,
  ip         inet,
  user_agent text,
  request_id text,
  session_id uuid
)
returns table (analyzed text[], partitions integer, dropped text[], forgotten integer, remaining text[])
language plpgsql
security definer
set search_path from current
-- Requests wait behind whoever waits for a whole table.
set lock_timeout to '500ms'
as $$
declare
  most_sampled bigint := 200000;
  most_strays constant bigint := 10000;
  most_dropped constant bigint := 1000000;
  most_keys constant integer := 10000;
  kept constant integer := (select months from audit_retention);
  stale record;
  months jsonb := '[]';
begin
  perform pg_advisory_xact_lock(7306366115370002);
  analyzed := '{}';
  partitions := 0;
  dropped := '{}';
  remaining := '{}';
  loop
    perform pg_stat_clear_snapshot();
    -- The smallest first, so that a large one does not keep the others waiting.
    select *
    into stale
    from stale_statistics()
    where relation::text <> all (analyzed)
      and statement <> all (remaining)
    order by sampled, relation::text
    limit 1;
    exit when not found;
    if stale.sampled > most_sampled or clock_timestamp() > now() + interval '1 second' then
      remaining := remaining || stale.statement;
      continue;
    end if;
    begin
      execute stale.statement;
      most_sampled := most_sampled - stale.sampled;
      analyzed := analyzed || stale.relation::text;
    exception when lock_not_available then
      remaining := remaining || stale.statement;
    end;
  end loop;
  begin
    if (select count(*) from (select from audit_logs_default limit most_strays + 1) as stray) > most_strays then
      remaining := remaining || 'move the rows of audit_logs_default'::text;
    else
      partitions := audit_logs_make_partitions();
    end if;
  exception when lock_not_available then
    remaining := remaining || 'make the partitions of audit_logs'::text;
  end;
  begin
    select
      coalesce(array_agg(gone.month order by gone.month), '{}'),
      coalesce(jsonb_agg(jsonb_build_object('month', gone.month, 'rows', gone.rows) order by gone.month), '[]')
    into dropped, months
    from audit_logs_drop_old_months(kept, most_dropped) as gone;
  exception when lock_not_available or dependent_objects_still_exist then
    -- They are among what remains.
    dropped := '{}';
  end;
  remaining := remaining || array(select format('drop %s', old.partition) from audit_logs_old_months(kept) as old);
  with gone as (
    delete from idempotency_keys
    where key in (
      select key
      from idempotency_keys
      where created_at < now() - interval '1 day'
      order by created_at
      limit most_keys
    )
    returning key
  )
  select count(*)
  into forgotten
  from gone;
  if forgotten = most_keys then
    remaining := remaining || 'delete from idempotency_keys'::text;
  end if;
  insert into audit_logs (
    actor_id,
    action,
    entity,
    payload,
    ip,
    user_agent,
    request_id,
    session_id
  )
  values (
    run_maintenance.actor_id,
    run_maintenance.action,
    run_maintenance.entity,
    coalesce(run_maintenance.payload, '{}') || jsonb_build_object(
      'analyzed', analyzed,
      'partitions', partitions,
      'dropped', months,
      'forgotten', forgotten,
      'remaining', remaining
    ),
    run_maintenance.ip,
    run_maintenance.user_agent,
    run_maintenance.request_id,
    run_maintenance.session_id
  );
  return next;
end
$$;

revoke execute on function audit_logs_drop_old_months(integer, bigint) from public;
revoke execute on function run_maintenance(bigint, text, text, jsonb, inet, text, text, uuid) from public;

insert into database_grants (grantee, privileges)
values (
  'usher_app',
  'execute on function run_maintenance(bigint, text, text, jsonb, inet, text, text, uuid)'
);

select grant_privileges();
