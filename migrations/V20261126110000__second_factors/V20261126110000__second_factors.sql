-- Which second factors an account has. They stand in the row of the user, since that is what a sign-in locks: whoever takes or
-- gives up a factor at the same time waits, and the later of the two sees what the other one did.
-- lint: allow early-validation because there are as many sessions as people who signed in within 30 days
-- lint: allow ban-drop-constraint because a wider one takes its place in the same transaction

-- Functions look into this schema, and last into temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

alter table users
  add column second_factors text[] not null default '{}',
  -- When one was taken or given up.
  add column factors_changed_at timestamptz,
  -- A password of less than 15 characters is enough beside a second factor alone.
  add column has_short_password boolean not null default false;

-- The next migration looks at the rows that there are.
alter table users add constraint users_second_factors_check
  check (second_factors <@ array['totp', 'passkey']) not valid;
alter table users add constraint users_has_short_password_check
  check (not has_short_password or cardinality(second_factors) > 0) not valid;

insert into database_grants (grantee, privileges)
values
  ('usher_app', 'update (second_factors, factors_changed_at, has_short_password) on users'),
  -- Who holds a session may prove once more who they are.
  ('usher_app', 'update (methods, authenticated_at) on sessions');

alter table sessions drop constraint sessions_end_reason_check;
alter table sessions add constraint sessions_end_reason_check
  check (end_reason in (
    'logout', 'theft', 'deactivated', 'deleted', 'email-changed', 'revoked', 'password-changed', 'factors-changed'
  ))
  not valid;
alter table sessions validate constraint sessions_end_reason_check;

-- Whoever was signed in with other factors is signed out, but for the session that is to be kept.
create function users_end_sessions_of_other_factors() returns trigger
language plpgsql
set search_path from current
as $$
declare
  kept constant uuid := nullif(current_setting('usher.kept_session', true), '');
begin
  update sessions
  set
    ended_at = now(),
    end_reason = 'factors-changed'
  where user_id = new.id
    and ended_at is null
    and id is distinct from kept;
  return null;
end
$$;

create trigger users_end_sessions_of_other_factors
after update of factors_changed_at on users
for each row
when (old.factors_changed_at is distinct from new.factors_changed_at and new.is_active and new.deleted_at is null)
execute function users_end_sessions_of_other_factors();

-- However a session is begun, and by whatever build: where the account has a second factor, one was proved.
create function sessions_ask_second_factor() returns trigger
language plpgsql
set search_path from current
as $$
begin
  if not (new.methods && array['otp', 'pop'])
    and exists (select from users where id = new.user_id and cardinality(second_factors) > 0)
  then
    raise exception 'the account has a second factor, which was not proved'
      using errcode = 'check_violation', constraint = 'sessions_second_factor_check', table = 'sessions';
  end if;
  return new;
end
$$;

create trigger sessions_ask_second_factor
before insert or update of methods on sessions
for each row execute function sessions_ask_second_factor();

select grant_privileges();
