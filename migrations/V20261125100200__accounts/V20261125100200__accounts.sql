-- Accounts that people make for themselves, and passwords that are set anew.
-- lint: allow early-validation because there are as many sessions as people who signed in within 30 days
-- lint: allow ban-drop-constraint because a wider one takes its place in the same transaction

-- Functions look into this schema, and last into temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

alter table users
  -- When somebody showed that they can read what is sent to the address. Another address has to be shown anew.
  add column email_verified_at timestamptz,
  -- Who made the account without anybody's help signs in when the address is verified.
  add column is_self_registered boolean not null default false,
  -- When it was set anew; a hash of the same password at another cost is no other password.
  add column password_changed_at timestamptz;

insert into database_grants (grantee, privileges)
values ('usher_app', 'update (email_verified_at, password_changed_at) on users');

-- Whoever knew the old password is signed out.
alter table sessions drop constraint sessions_end_reason_check;
alter table sessions add constraint sessions_end_reason_check
  check (end_reason in ('logout', 'theft', 'deactivated', 'deleted', 'email-changed', 'revoked', 'password-changed'))
  not valid;
alter table sessions validate constraint sessions_end_reason_check;

create or replace function users_end_sessions() returns trigger
language plpgsql
set search_path from current
as $$
begin
  update sessions
  set
    ended_at = now(),
    end_reason = case
      when new.deleted_at is not null then 'deleted'
      when not new.is_active then 'deactivated'
      when new.email <> old.email then 'email-changed'
      else 'password-changed'
    end
  where user_id = new.id
    and ended_at is null;
  return null;
end
$$;

create trigger users_end_sessions_of_another_password
after update of password_changed_at on users
for each row
when (old.password_changed_at is distinct from new.password_changed_at and new.is_active and new.deleted_at is null)
execute function users_end_sessions();

select grant_privileges();
