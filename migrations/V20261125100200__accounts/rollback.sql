-- Lost is whose address was verified and who made the account; those who wait for a verification may sign in.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

drop trigger users_end_sessions_of_another_password on users;
update sessions set end_reason = 'email-changed' where end_reason = 'password-changed';

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
      else 'email-changed'
    end
  where user_id = new.id
    and ended_at is null;
  return null;
end
$$;

alter table sessions drop constraint sessions_end_reason_check;
alter table sessions add constraint sessions_end_reason_check
  check (end_reason in ('logout', 'theft', 'deactivated', 'deleted', 'email-changed', 'revoked')) not valid;
alter table sessions validate constraint sessions_end_reason_check;

delete from database_grants where privileges = 'update (email_verified_at, password_changed_at) on users';
alter table users
  drop column password_changed_at,
  drop column is_self_registered,
  drop column email_verified_at;
