-- Secrets that are good once, for links and codes in mails: of each purpose one for an address, the newest.
-- lint: allow prefer-bigint-over-int because a code has five tries

-- Functions look into this schema, and last into temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

create table one_time_secrets (
  purpose         text        not null,
  -- An HMAC of the address, so that the row of somebody without an account says nothing about them.
  subject         text        not null,
  -- Whom it is good for; nobody, where somebody without an account was answered as all are.
  user_id         bigint,
  -- The address that it was sent to: with another one by now it is void.
  address         text collate "C",
  -- SHA-256 of 256 random bits.
  secret_hash     bytea       not null,
  -- HMAC-SHA-256 of the code, the purpose and the subject; null when there is none.
  code_hash       bytea,
  tries           integer     not null default 0,
  created_at      timestamptz not null default now(),
  expires_at      timestamptz not null,
  code_expires_at timestamptz,
  used_at         timestamptz,
  constraint one_time_secrets_pkey primary key (purpose, subject),
  constraint one_time_secrets_user_id_fkey foreign key (user_id) references users (id),
  constraint one_time_secrets_purpose_check check (purpose in ('verify-email', 'reset-password')),
  constraint one_time_secrets_subject_check check (char_length(subject) between 1 and 64),
  constraint one_time_secrets_address_check check (char_length(address) between 3 and 180),
  constraint one_time_secrets_user_check check ((user_id is null) = (address is null)),
  constraint one_time_secrets_secret_hash_check check (octet_length(secret_hash) = 32),
  constraint one_time_secrets_code_hash_check check (octet_length(code_hash) = 32),
  constraint one_time_secrets_code_check check ((code_hash is null) = (code_expires_at is null)),
  constraint one_time_secrets_tries_check check (tries between 0 and 5),
  constraint one_time_secrets_expires_at_check check (expires_at > created_at)
);

create unique index one_time_secrets_secret_hash_key on one_time_secrets (secret_hash);
create index one_time_secrets_user_id_idx on one_time_secrets (user_id);
-- Secrets are removed when they are over.
create index one_time_secrets_expires_at_idx on one_time_secrets (expires_at);

insert into database_grants (grantee, privileges)
values
  ('usher_app', 'select, insert, delete on one_time_secrets'),
  -- A newer secret takes the place of the older one; what it is for stays.
  (
    'usher_app',
    'update (user_id, address, secret_hash, code_hash, tries, created_at, expires_at, code_expires_at, used_at) on one_time_secrets'
  );

alter table one_time_secrets enable row level security;
create policy one_time_secrets_select on one_time_secrets for select using (true);
create policy one_time_secrets_insert on one_time_secrets for insert
  with check (created_at = now() and tries = 0 and used_at is null);
create policy one_time_secrets_update on one_time_secrets for update using (true) with check (true);
create policy one_time_secrets_delete on one_time_secrets for delete using (expires_at < now());

-- What was used or tried stays so: only a secret that is made now begins anew.
create function one_time_secrets_stay_used() returns trigger
language plpgsql
set search_path from current
as $$
begin
  if new.secret_hash = old.secret_hash
    and (new.tries < old.tries or new.used_at is distinct from coalesce(old.used_at, new.used_at)
      or new.expires_at > old.expires_at or new.code_expires_at > old.code_expires_at)
  then
    raise exception 'a one-time secret is neither renewed nor prolonged'
      using errcode = 'check_violation', constraint = 'one_time_secrets_used_check', table = 'one_time_secrets';
  end if;
  return new;
end
$$;

create trigger one_time_secrets_stay_used
before update on one_time_secrets
for each row execute function one_time_secrets_stay_used();

select grant_privileges();
