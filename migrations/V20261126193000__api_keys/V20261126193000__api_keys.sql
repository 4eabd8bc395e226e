-- API keys: what machines sign their requests with, in the name of the user who made them.

-- Functions look into this schema, and last into temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

create table api_keys (
  id             bigint      not null generated always as identity,
  user_id        bigint      not null,
  name           text        not null,
  -- What the key may do at the most; what its owner may do no more it may not either.
  scopes         text[]      not null,
  -- SHA-256 of 256 random bits: the secret in force.
  secret_hash    bytea       not null,
  -- The secret before that, which is good for a while after a rotation.
  previous_hash  bytea,
  previous_until timestamptz,
  created_at     timestamptz not null default now(),
  rotated_at     timestamptz,
  expires_at     timestamptz not null,
  -- To the hour.
  last_used_at   timestamptz,
  revoked_at     timestamptz,
  constraint api_keys_pkey primary key (id),
  constraint api_keys_user_id_fkey foreign key (user_id) references users (id),
  constraint api_keys_name_check check (char_length(name) between 1 and 64),
  constraint api_keys_scopes_check check (cardinality(scopes) <= 64 and array_position(scopes, null) is null),
  constraint api_keys_secret_hash_check check (octet_length(secret_hash) = 32),
  constraint api_keys_previous_hash_check check (octet_length(previous_hash) = 32),
  constraint api_keys_previous_check check ((previous_hash is null) = (previous_until is null)),
  constraint api_keys_overlap_check check (previous_until - rotated_at <= interval '7 days'),
  constraint api_keys_expires_at_check check (
    expires_at > created_at
    and expires_at - coalesce(rotated_at, created_at) <= interval '366 days'
  )
);

create index api_keys_user_id_idx on api_keys (user_id, created_at);
-- They are removed 90 days after they were over.
create index api_keys_over_at_idx on api_keys (least(expires_at, revoked_at));

insert into database_grants (grantee, privileges)
values
  ('usher_app', 'select, insert, delete on api_keys'),
  -- Neither whose it is, nor its name, nor what it may do.
  ('usher_app', 'update (secret_hash, previous_hash, previous_until, rotated_at, expires_at, last_used_at, revoked_at) on api_keys');

alter table api_keys enable row level security;
create policy api_keys_select on api_keys for select using (true);
create policy api_keys_insert on api_keys for insert
  with check (created_at = now() and revoked_at is null and rotated_at is null and last_used_at is null);
-- What was revoked stays so.
create policy api_keys_update on api_keys for update using (revoked_at is null) with check (true);
create policy api_keys_delete on api_keys for delete
  using (least(expires_at, revoked_at) < now() - interval '90 days');

-- Nobody has more than 50 keys that are good. The row of the user is locked, so that those who make keys at the same time
-- see each other's.
create function api_keys_check_count() returns trigger
language plpgsql
set search_path from current
as $$
begin
  perform from users where id = new.user_id for no key update;
  if (
    select count(*)
    from api_keys
    where user_id = new.user_id
      and revoked_at is null
      and expires_at > now()
  ) >= 50
  then
    raise exception 'a user has 50 API keys at most'
      using errcode = 'check_violation', constraint = 'api_keys_count_check', table = 'api_keys';
  end if;
  return new;
end
$$;

create trigger api_keys_check_count
before insert on api_keys
for each row execute function api_keys_check_count();

-- Only another secret gives a key more time.
create function api_keys_stay() returns trigger
language plpgsql
set search_path from current
as $$
begin
  if new.secret_hash = old.secret_hash
    and (new.expires_at, new.previous_hash, new.previous_until, new.rotated_at)
      is distinct from (old.expires_at, old.previous_hash, old.previous_until, old.rotated_at)
  then
    raise exception 'an API key is not prolonged without another secret'
      using errcode = 'check_violation', constraint = 'api_keys_stay_check', table = 'api_keys';
  end if;
  return new;
end
$$;

create trigger api_keys_stay
before update on api_keys
for each row execute function api_keys_stay();

-- The keys of a user who is removed are over. Those of one who is deactivated do not work until that is undone.
create function users_revoke_api_keys() returns trigger
language plpgsql
set search_path from current
as $$
begin
  update api_keys
  set revoked_at = now()
  where user_id = new.id
    and revoked_at is null;
  return null;
end
$$;

create trigger users_revoke_api_keys
after update of deleted_at on users
for each row
when (old.deleted_at is null and new.deleted_at is not null)
execute function users_revoke_api_keys();

-- What check_author is for sessions: the key must be good with this secret, its owner must be one who may sign in, and the roles
-- must still be those that were checked. It looks at the database as it was when the statement began.
create function check_api_key_author(author bigint, api_key bigint, hash bytea, checked text[]) returns boolean
language plpgsql
stable
set search_path from current
as $$
declare
  held text[];
begin
  select users.roles
  into held
  from api_keys
  join users on users.id = api_keys.user_id
  where api_keys.id = api_key
    and users.id = author
    and (api_keys.secret_hash = hash or (api_keys.previous_hash = hash and api_keys.previous_until > now()))
    and api_keys.revoked_at is null
    and api_keys.expires_at > now()
    and users.is_active
    and users.deleted_at is null
    and not (users.is_self_registered and users.email_verified_at is null);
  if not found then
    raise exception 'the API key of the author is over'
      using errcode = 'insufficient_privilege', constraint = 'author_session_check';
  end if;
  if not (held @> checked and held <@ checked) then
    raise exception 'the author has other roles by now'
      using errcode = 'insufficient_privilege', constraint = 'author_roles_check';
  end if;
  return true;
end
$$;

revoke execute on function check_api_key_author(bigint, bigint, bytea, text[]) from public;

insert into database_grants (grantee, privileges)
values ('usher_app', 'execute on function check_api_key_author(bigint, bigint, bytea, text[])');

select grant_privileges();
