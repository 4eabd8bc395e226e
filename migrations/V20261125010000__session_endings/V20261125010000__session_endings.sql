-- Sessions that are ended from another one, and those that are long over, which maintenance removes.
-- lint: allow ban-drop-function because the same one stands again at the end, and callers name the columns they want
-- lint: allow early-validation because there are as many sessions as people who signed in within 30 days
-- lint: allow ban-drop-constraint because a wider one takes its place in the same transaction

-- A session looks into temporary tables first unless it is told otherwise.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

alter table sessions drop constraint sessions_end_reason_check;
alter table sessions add constraint sessions_end_reason_check
  check (end_reason in ('logout', 'theft', 'deactivated', 'deleted', 'email-changed', 'revoked')) not valid;
alter table sessions validate constraint sessions_end_reason_check;

-- A column more in what it returns, which a function cannot be given while it stands.
drop function run_maintenance(bigint, text, text, jsonb, inet, text, text, uuid);

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
returns table (analyzed text[], partitions integer, dropped text[], forgotten integer, sessions integer, remaining text[])
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
  most_sessions constant integer := 10000;
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
  -- None of its tokens is good for anything, and the audit log tells what became of it.
  with gone as (
    delete from sessions
    where id in (
      select id
      from sessions
      where expires_at < now() - interval '30 days'
      order by expires_at
      limit most_sessions
    )
    returning id
  )
  select count(*)
  into run_maintenance.sessions
  from gone;
  if run_maintenance.sessions = most_sessions then
    remaining := remaining || 'delete from sessions'::text;
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
      'sessions', run_maintenance.sessions,
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

revoke execute on function run_maintenance(bigint, text, text, jsonb, inet, text, text, uuid) from public;

select grant_privileges();
