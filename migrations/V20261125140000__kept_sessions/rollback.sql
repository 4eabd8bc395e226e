-- Nothing is lost: who changes the own password is signed out there, too.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

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
