-- Who changes the own password or address stays signed in where that was done, and is signed out everywhere else.

-- Functions look into this schema, and last into temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

-- The session to keep is a setting of the transaction: a change that names none ends them all.
create or replace function users_end_sessions() returns trigger
language plpgsql
set search_path from current
as $$
declare
  kept constant uuid := nullif(current_setting('usher.kept_session', true), '');
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
    and ended_at is null
    and not (id is not distinct from kept and new.is_active and new.deleted_at is null);
  return null;
end
$$;
