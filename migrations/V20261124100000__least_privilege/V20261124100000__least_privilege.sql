-- The roles of the database: `usher_app` for the functions and `usher_auditor` for who reads the audit log alone. Neither
-- owns anything, and row level security keeps from the app what no request may ever do.

-- What each role may do here, one row a privilege: a migration that makes a table adds its rows.
create table database_grants (
  grantee    text not null,
  privileges text not null,
  constraint database_grants_pkey primary key (grantee, privileges)
);

insert into database_grants (grantee, privileges)
values
  ('usher_app', 'select on roles'),
  ('usher_app', 'select, insert on users'),
  -- Neither the id nor the time of the creation.
  ('usher_app', 'update (name, email, password, roles, is_active, avatar_url, version, updated_at, deleted_at) on users'),
  ('usher_app', 'select, insert on sessions'),
  -- Neither whose it is nor how long it lasts.
  ('usher_app', 'update (refresh_hash, refresh_counter, refreshed_at, ended_at, end_reason) on sessions'),
  ('usher_app', 'select, insert on audit_logs'),
  ('usher_app', 'usage on sequence audit_logs_id_seq'),
  ('usher_auditor', 'select on audit_logs');

-- Makes the roles where that is allowed, gives them what they need, and returns those that are still missing. Every deploy
-- calls it, so that a role which an administrator makes later gets its privileges then.
create function grant_privileges() returns text[]
language plpgsql
set search_path from current
as $$
declare
  may_create constant boolean := (
    select rolsuper or rolcreaterole
    from pg_roles
    where rolname = current_user
  );
  missing text[] := '{}';
  role text;
  privilege text;
begin
  foreach role in array array['usher_app', 'usher_auditor'] loop
    if to_regrole(role) is null and may_create then
      begin
        -- Without a password nobody signs in over a network yet.
        execute format('create role %I login', role);
        -- Of the role and not of a connection: that works behind every pooler.
        execute format('alter role %I set statement_timeout = %L', role, '5s');
        execute format('alter role %I set lock_timeout = %L', role, '2s');
        execute format('alter role %I set idle_in_transaction_session_timeout = %L', role, '10s');
      exception
        -- A deploy into another database of the server was faster.
        when duplicate_object or unique_violation then null;
      end;
    end if;
    if to_regrole(role) is null then
      missing := missing || role;
      continue;
    end if;
    execute format('grant usage on schema %I to %I', current_schema(), role);
    for privilege in select privileges from database_grants where grantee = role order by privileges loop
      execute format('grant %s to %I', privilege, role);
    end loop;
    if to_regclass('refinery_schema_history') is not null then
      execute format('grant select on refinery_schema_history to %I', role);
    end if;
  end loop;
  return missing;
end
$$;

revoke execute on function grant_privileges() from public;

-- Policies hold for every role but the owner. What somebody may read is decided by permissions, not here: a policy on
-- reading would keep the search from its index. What may be written at all is decided here.
alter table users enable row level security;
create policy users_select on users for select using (true);
create policy users_insert on users for insert with check (deleted_at is null);
-- Who was removed stays removed, and as they were.
create policy users_update on users for update using (deleted_at is null) with check (true);

alter table sessions enable row level security;
create policy sessions_select on sessions for select using (true);
create policy sessions_insert on sessions for insert with check (ended_at is null and created_at = now());
-- A session that ended is not revived.
create policy sessions_update on sessions for update using (ended_at is null) with check (true);

alter table audit_logs enable row level security;
create policy audit_logs_select on audit_logs for select using (true);
-- An entry is of the moment when it is written.
create policy audit_logs_insert on audit_logs for insert with check (created_at = now());

select grant_privileges();
