-- Lost are the guards. Sessions that ended with an address are put down to a deactivation.
drop trigger roles_keep_held_on_update on roles;
drop trigger roles_keep_held_on_delete on roles;
drop function roles_keep_held();

drop trigger users_end_sessions_of_another_address on users;
update sessions set end_reason = 'deactivated' where end_reason = 'email-changed';

create or replace function users_end_sessions() returns trigger
language plpgsql
set search_path from current
as $$
begin
  update sessions
  set
    ended_at = now(),
    end_reason = case when new.deleted_at is null then 'deactivated' else 'deleted' end
  where user_id = new.id
    and ended_at is null;
  return null;
end
$$;

alter table sessions drop constraint sessions_end_reason_check;
alter table sessions add constraint sessions_end_reason_check
  check (end_reason in ('logout', 'theft', 'deactivated', 'deleted')) not valid;
alter table sessions validate constraint sessions_end_reason_check;

delete from database_grants where privileges = 'execute on function check_author(bigint, uuid, text[])';
drop function check_author(bigint, uuid, text[]);
