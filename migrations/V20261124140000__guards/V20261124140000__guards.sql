-- Guards that hold whoever writes, and however long a request was under way.

-- Between the check of a request and its change lies the time in which its body arrives. So the statement of the change
-- asks again: the session of the author must be alive, and the roles must still be those that were checked. It is stable,
-- which makes it look at the database as it was when the statement began: an author may change the own roles.
create function check_author(author bigint, session uuid, checked text[]) returns boolean
language plpgsql
stable
set search_path from current
as $$
declare
  held text[];
begin
  select users.roles
  into held
  from sessions
  join users on users.id = sessions.user_id
  where sessions.id = session
    and users.id = author
    and sessions.ended_at is null
    and sessions.expires_at > now()
    and users.is_active
    and users.deleted_at is null;
  if not found then
    raise exception 'the session of the author is over'
      using errcode = 'insufficient_privilege', constraint = 'author_session_check';
  end if;
  if not (held @> checked and held <@ checked) then
    raise exception 'the author has other roles by now'
      using errcode = 'insufficient_privilege', constraint = 'author_roles_check';
  end if;
  return true;
end
$$;

revoke execute on function check_author(bigint, uuid, text[]) from public;

insert into database_grants (grantee, privileges)
values ('usher_app', 'execute on function check_author(bigint, uuid, text[])');

-- Who gets another address is signed out everywhere: whoever knew the old one may be somebody else.
alter table sessions drop constraint sessions_end_reason_check;
alter table sessions add constraint sessions_end_reason_check
  check (end_reason in ('logout', 'theft', 'deactivated', 'deleted', 'email-changed')) not valid;
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
      else 'email-changed'
    end
  where user_id = new.id
    and ended_at is null;
  return null;
end
$$;

create trigger users_end_sessions_of_another_address
after update of email on users
for each row
when (old.email <> new.email and old.is_active and new.is_active and new.deleted_at is null)
execute function users_end_sessions();

-- The other side of users_check_roles: a role that somebody holds keeps its name, and a built-in one stays.
create function roles_keep_held() returns trigger
language plpgsql
set search_path from current
as $$
begin
  if old.is_built_in or exists (select from users where roles @> array[old.name]) then
    raise exception 'role "%" is built in or held by users', old.name
      using errcode = 'foreign_key_violation', constraint = 'users_roles_fkey', table = 'roles', column = 'name';
  end if;
  return case when tg_op = 'DELETE' then old else new end;
end
$$;

create trigger roles_keep_held_on_delete
before delete on roles
for each row execute function roles_keep_held();

create trigger roles_keep_held_on_update
before update of name on roles
for each row
when (old.name <> new.name)
execute function roles_keep_held();
