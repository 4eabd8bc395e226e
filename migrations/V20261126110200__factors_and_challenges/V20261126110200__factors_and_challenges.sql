-- Codes of authenticator apps, recovery codes, and sign-ins that wait for their second factor.
-- lint: allow prefer-bigint-over-int because a code has five tries

-- Functions look into this schema, and last into temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

create table totp_factors (
  user_id      bigint      not null,
  -- The shared secret, sealed with a key of USHER_SECRET for this user.
  sealed       bytea       not null,
  created_at   timestamptz not null default now(),
  -- When its first code was shown; before that it is not in force.
  confirmed_at timestamptz,
  -- The newest step of 30 seconds that a code was used of.
  last_step    bigint      not null default 0,
  last_used_at timestamptz,
  -- Codes that were tried within a session, and until when they count.
  tries        integer     not null default 0,
  tries_end_at timestamptz,
  -- Of the request that was counted last, when it may come again: the same one is no further try.
  last_request bytea,
  constraint totp_factors_pkey primary key (user_id),
  constraint totp_factors_user_id_fkey foreign key (user_id) references users (id),
  constraint totp_factors_sealed_check check (octet_length(sealed) between 32 and 200),
  constraint totp_factors_last_step_check check (last_step >= 0),
  constraint totp_factors_tries_check check (tries between 0 and 5)
);

-- What an older secret sealed is sealed anew: the seal begins with the id of its secret.
create index totp_factors_seal_idx on totp_factors (substr(sealed, 1, 4));
-- What was begun and never confirmed is removed.
create index totp_factors_created_at_idx on totp_factors (created_at) where confirmed_at is null;

create table recovery_codes (
  user_id    bigint      not null,
  -- SHA-256 of 80 random bits and the user.
  code_hash  bytea       not null,
  created_at timestamptz not null default now(),
  used_at    timestamptz,
  constraint recovery_codes_pkey primary key (user_id, code_hash),
  constraint recovery_codes_user_id_fkey foreign key (user_id) references users (id),
  constraint recovery_codes_code_hash_check check (octet_length(code_hash) = 32)
);

create table challenges (
  -- SHA-256 of 256 random bits.
  secret_hash bytea       not null,
  user_id     bigint      not null,
  -- SHA-256 of the stored password and the address: with others by now it is void.
  proved      bytea       not null,
  tries       integer     not null default 0,
  -- Of the request that was counted last, when it may come again: the same one is no further try.
  last_request bytea,
  created_at  timestamptz not null default now(),
  expires_at  timestamptz not null,
  used_at     timestamptz,
  -- What the try at the password counts against, until the code is right, too: keys of `credential_tries`.
  tried       bytea[]     not null default '{}',
  constraint challenges_pkey primary key (secret_hash),
  constraint challenges_user_id_fkey foreign key (user_id) references users (id),
  constraint challenges_secret_hash_check check (octet_length(secret_hash) = 32),
  constraint challenges_proved_check check (octet_length(proved) = 32),
  constraint challenges_tries_check check (tries between 0 and 5),
  constraint challenges_expires_at_check check (expires_at > created_at)
);

create index challenges_user_id_idx on challenges (user_id);
create index challenges_expires_at_idx on challenges (expires_at);

insert into database_grants (grantee, privileges)
values
  ('usher_app', 'select, insert, delete on totp_factors'),
  (
    'usher_app',
    'update (sealed, created_at, confirmed_at, last_step, last_used_at, tries, tries_end_at, last_request) on totp_factors'
  ),
  ('usher_app', 'select, insert, delete on recovery_codes'),
  ('usher_app', 'update (used_at) on recovery_codes'),
  ('usher_app', 'select, insert, delete on challenges'),
  ('usher_app', 'update (tries, last_request, used_at) on challenges');

alter table totp_factors enable row level security;
create policy totp_factors_select on totp_factors for select using (true);
create policy totp_factors_insert on totp_factors for insert
  with check (created_at = now() and confirmed_at is null and last_step = 0);
create policy totp_factors_update on totp_factors for update using (true) with check (true);
create policy totp_factors_delete on totp_factors for delete using (true);

alter table recovery_codes enable row level security;
create policy recovery_codes_select on recovery_codes for select using (true);
create policy recovery_codes_insert on recovery_codes for insert with check (created_at = now() and used_at is null);
-- What was used stays so.
create policy recovery_codes_update on recovery_codes for update using (used_at is null) with check (true);
create policy recovery_codes_delete on recovery_codes for delete using (true);

alter table challenges enable row level security;
create policy challenges_select on challenges for select using (true);
create policy challenges_insert on challenges for insert
  with check (created_at = now() and tries = 0 and used_at is null);
create policy challenges_update on challenges for update using (used_at is null) with check (true);
create policy challenges_delete on challenges for delete using (expires_at < now());

-- A code of an app in force is used once: the step only grows, and what is in force stays what it was.
create function totp_factors_go_forward() returns trigger
language plpgsql
set search_path from current
as $$
begin
  if old.confirmed_at is not null
    and (new.confirmed_at is distinct from old.confirmed_at or new.last_step < old.last_step)
  then
    raise exception 'the codes of an app in force are used in their order'
      using errcode = 'check_violation', constraint = 'totp_factors_step_check', table = 'totp_factors';
  end if;
  return new;
end
$$;

create trigger totp_factors_go_forward
before update on totp_factors
for each row execute function totp_factors_go_forward();

-- The tries at a challenge are counted and never given back.
create function challenges_count_up() returns trigger
language plpgsql
set search_path from current
as $$
begin
  if new.tries < old.tries then
    raise exception 'a try at a challenge is not taken back'
      using errcode = 'check_violation', constraint = 'challenges_tries_check', table = 'challenges';
  end if;
  return new;
end
$$;

create trigger challenges_count_up
before update of tries on challenges
for each row execute function challenges_count_up();

-- Of who is removed no secret is kept.
create function users_forget_factors() returns trigger
language plpgsql
set search_path from current
as $$
begin
  delete from totp_factors where user_id = new.id;
  delete from recovery_codes where user_id = new.id;
  return null;
end
$$;

create trigger users_forget_factors
after update of deleted_at on users
for each row
when (old.deleted_at is null and new.deleted_at is not null and cardinality(new.second_factors) > 0)
execute function users_forget_factors();

select grant_privileges();
