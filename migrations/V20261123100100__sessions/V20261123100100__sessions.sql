-- Sessions: one row from sign-in to sign-out, whatever number of refresh tokens came and went.

create table sessions (
  id              uuid        not null,
  user_id         bigint      not null,
  -- SHA-256 of the refresh token in force, and how many came before it.
  refresh_hash    bytea       not null,
  refresh_counter integer     not null default 0,
  refreshed_at    timestamptz not null default now(),
  created_at      timestamptz not null default now(),
  expires_at      timestamptz not null,
  ended_at        timestamptz,
  end_reason      text,
  ip              inet,
  user_agent      text,
  constraint sessions_pkey primary key (id),
  constraint sessions_user_id_fkey foreign key (user_id) references users (id),
  constraint sessions_refresh_hash_check check (octet_length(refresh_hash) = 32),
  constraint sessions_refresh_counter_check check (refresh_counter >= 0),
  constraint sessions_end_check check ((ended_at is null) = (end_reason is null)),
  constraint sessions_end_reason_check check (end_reason in ('logout', 'theft', 'deactivated', 'deleted')),
  constraint sessions_user_agent_check check (char_length(user_agent) <= 400)
);

create index sessions_user_id_idx on sessions (user_id) where ended_at is null;
create index sessions_expires_at_idx on sessions (expires_at);

-- Who is deactivated or removed is signed out everywhere. A trigger, since it runs once it holds the row of the user: it
-- sees the session of a sign-in that the change had to wait for, which the statement of the change itself does not.
create function users_end_sessions() returns trigger
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

create trigger users_end_sessions
after update of is_active, deleted_at on users
for each row
when (old.is_active and old.deleted_at is null and not (new.is_active and new.deleted_at is null))
execute function users_end_sessions();
