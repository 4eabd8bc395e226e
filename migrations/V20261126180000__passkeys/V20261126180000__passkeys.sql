-- Passkeys (Web Authentication, level 3): the public keys that people sign in with, and the ceremonies that use them.

-- Functions look into this schema, and last into temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

-- What authenticators know a user by: random, so that it tells nothing of the account, and the same for all passkeys of one.
create table passkey_handles (
  user_id bigint not null,
  handle  uuid   not null,
  constraint passkey_handles_pkey primary key (user_id),
  constraint passkey_handles_handle_key unique (handle),
  constraint passkey_handles_user_id_fkey foreign key (user_id) references users (id)
);

create table passkeys (
  id            uuid        not null,
  user_id       bigint      not null,
  -- What the authenticator calls it.
  credential_id bytea       not null,
  -- The public key with what else the library keeps of it. No secret is in it.
  credential    jsonb       not null,
  -- What the owner calls it.
  name          text        not null,
  -- How often the authenticator has signed with it; authenticators that do not count stay at 0.
  sign_count    bigint      not null,
  -- Whether it may be copied to other devices of its owner, and whether it has been.
  is_syncable   boolean     not null,
  is_synced     boolean     not null,
  created_at    timestamptz not null default now(),
  last_used_at  timestamptz,
  constraint passkeys_pkey primary key (id),
  constraint passkeys_credential_id_key unique (credential_id),
  constraint passkeys_user_id_fkey foreign key (user_id) references users (id),
  constraint passkeys_credential_id_check check (octet_length(credential_id) between 1 and 1023),
  constraint passkeys_name_check check (char_length(name) between 1 and 64),
  constraint passkeys_sign_count_check check (sign_count between 0 and 4294967295)
);

create index passkeys_user_id_idx on passkeys (user_id);

-- Challenges, each good once and for a few minutes.
create table passkey_ceremonies (
  -- SHA-256 of 256 random bits, which the caller alone has.
  token_hash bytea       not null,
  purpose    text        not null,
  -- Whose it is; nobody knows yet who signs in.
  user_id    bigint,
  -- The challenge, with what was asked for.
  state      jsonb       not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at    timestamptz,
  constraint passkey_ceremonies_pkey primary key (token_hash),
  constraint passkey_ceremonies_user_id_fkey foreign key (user_id) references users (id),
  constraint passkey_ceremonies_token_hash_check check (octet_length(token_hash) = 32),
  constraint passkey_ceremonies_purpose_check check (purpose in ('register', 'sign-in', 'step-up')),
  constraint passkey_ceremonies_user_check check ((user_id is null) = (purpose = 'sign-in')),
  constraint passkey_ceremonies_expires_at_check check (expires_at > created_at)
);

create index passkey_ceremonies_user_id_idx on passkey_ceremonies (user_id);
-- Ceremonies are removed when they are over.
create index passkey_ceremonies_expires_at_idx on passkey_ceremonies (expires_at);

insert into database_grants (grantee, privileges)
values
  ('usher_app', 'select, insert, delete on passkey_handles'),
  -- The handle is given back by the insert that finds it in the way; a policy keeps it as it is.
  ('usher_app', 'update (handle) on passkey_handles'),
  ('usher_app', 'select, insert, delete on passkeys'),
  -- Neither whose it is nor what it is called by its authenticator.
  ('usher_app', 'update (credential, name, sign_count, is_synced, last_used_at) on passkeys'),
  ('usher_app', 'select, insert, delete on passkey_ceremonies'),
  ('usher_app', 'update (used_at) on passkey_ceremonies');

alter table passkey_handles enable row level security;
create policy passkey_handles_select on passkey_handles for select using (true);
create policy passkey_handles_insert on passkey_handles for insert with check (true);
create policy passkey_handles_update on passkey_handles for update using (true) with check (true);
create policy passkey_handles_delete on passkey_handles for delete using (true);

alter table passkeys enable row level security;
create policy passkeys_select on passkeys for select using (true);
create policy passkeys_insert on passkeys for insert with check (created_at = now() and last_used_at is null);
create policy passkeys_update on passkeys for update using (true) with check (true);
create policy passkeys_delete on passkeys for delete using (true);

alter table passkey_ceremonies enable row level security;
create policy passkey_ceremonies_select on passkey_ceremonies for select using (true);
create policy passkey_ceremonies_insert on passkey_ceremonies for insert with check (created_at = now() and used_at is null);
-- What was used stays so.
create policy passkey_ceremonies_update on passkey_ceremonies for update using (used_at is null) with check (true);
create policy passkey_ceremonies_delete on passkey_ceremonies for delete using (expires_at < now());

-- A handle never changes: authenticators keep it.
create function passkey_handles_stay() returns trigger
language plpgsql
set search_path from current
as $$
begin
  if new.handle <> old.handle then
    raise exception 'the handle of a user stays as it is'
      using errcode = 'check_violation', constraint = 'passkey_handles_stay_check', table = 'passkey_handles';
  end if;
  return new;
end
$$;

create trigger passkey_handles_stay
before update on passkey_handles
for each row execute function passkey_handles_stay();

-- A counter that does not grow tells of a copy of the key (section 6.1.1).
create function passkeys_count_up() returns trigger
language plpgsql
set search_path from current
as $$
begin
  if new.sign_count < old.sign_count then
    raise exception 'the counter of a passkey does not go back'
      using errcode = 'check_violation', constraint = 'passkeys_count_up_check', table = 'passkeys';
  end if;
  return new;
end
$$;

create trigger passkeys_count_up
before update of sign_count on passkeys
for each row execute function passkeys_count_up();

-- The row of the user is locked, so that of several at the same time each sees what the one before it left.
create function passkeys_at_most() returns trigger
language plpgsql
set search_path from current
as $$
begin
  perform from users where id = new.user_id for no key update;
  if (select count(*) from passkeys where user_id = new.user_id) >= 20 then
    raise exception 'a user has 20 passkeys at most'
      using errcode = 'check_violation', constraint = 'passkeys_at_most_check', table = 'passkeys';
  end if;
  return new;
end
$$;

create trigger passkeys_at_most
before insert on passkeys
for each row execute function passkeys_at_most();

-- Who has no password keeps one passkey, or could never sign in again.
create function passkeys_keep_one() returns trigger
language plpgsql
set search_path from current
as $$
begin
  perform from users where id = old.user_id for no key update;
  if exists (select from users where id = old.user_id and password is null and deleted_at is null)
    and not exists (select from passkeys where user_id = old.user_id and id <> old.id)
  then
    raise exception 'the last passkey of a user without a password stays'
      using errcode = 'check_violation', constraint = 'passkeys_keep_one_check', table = 'passkeys';
  end if;
  return old;
end
$$;

create trigger passkeys_keep_one
before delete on passkeys
for each row execute function passkeys_keep_one();

-- Of who was removed nothing is left to sign in with.
create function users_forget_passkeys() returns trigger
language plpgsql
set search_path from current
as $$
begin
  delete from passkeys where user_id = new.id;
  delete from passkey_handles where user_id = new.id;
  return null;
end
$$;

create trigger users_forget_passkeys
after update of deleted_at on users
for each row
when (old.deleted_at is null and new.deleted_at is not null)
execute function users_forget_passkeys();

select grant_privileges();
