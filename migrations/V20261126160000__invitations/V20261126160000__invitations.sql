-- Invitations: accounts that somebody else is to make, with the roles they begin with.

-- Functions look into this schema, and last into temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

create table invitations (
  id          bigint      not null generated always as identity,
  email       text        collate "C" not null,
  -- What the person is called, if the inviter knows.
  name        text,
  roles       text[]      not null,
  invited_by  bigint      not null,
  -- SHA-256 of 256 random bits: the newest link.
  token_hash  bytea       not null,
  created_at  timestamptz not null default now(),
  expires_at  timestamptz not null,
  accepted_at timestamptz,
  revoked_at  timestamptz,
  constraint invitations_pkey primary key (id),
  constraint invitations_invited_by_fkey foreign key (invited_by) references users (id),
  constraint invitations_email_check check (char_length(email) between 3 and 180 and email = lower(email)),
  constraint invitations_name_check check (char_length(name) between 1 and 120),
  constraint invitations_roles_check check (cardinality(roles) between 1 and 16 and array_position(roles, null) is null),
  constraint invitations_token_hash_check check (octet_length(token_hash) = 32),
  constraint invitations_expires_at_check check (expires_at > created_at),
  constraint invitations_end_check check (accepted_at is null or revoked_at is null)
);

-- An address is invited once at a time.
create unique index invitations_open_email_key on invitations (email) where accepted_at is null and revoked_at is null;
create unique index invitations_token_hash_key on invitations (token_hash);
create index invitations_created_at_idx on invitations (created_at, id);
create index invitations_invited_by_idx on invitations (invited_by);
-- They are removed a month after their time.
create index invitations_expires_at_idx on invitations (expires_at);

insert into database_grants (grantee, privileges)
values
  ('usher_app', 'select, insert, delete on invitations'),
  -- Neither whom it is for nor its id.
  ('usher_app', 'update (name, roles, invited_by, token_hash, created_at, expires_at, accepted_at, revoked_at) on invitations');

alter table invitations enable row level security;
create policy invitations_select on invitations for select using (true);
create policy invitations_insert on invitations for insert
  with check (created_at = now() and accepted_at is null and revoked_at is null);
-- What was accepted or revoked stays so.
create policy invitations_update on invitations for update using (accepted_at is null and revoked_at is null) with check (true);
create policy invitations_delete on invitations for delete using (expires_at < now());

create trigger invitations_check_roles
before insert or update of roles on invitations
for each row execute function users_check_roles();

-- What a link gives stays as it was: only a new link gives something else, or for longer.
create function invitations_stay() returns trigger
language plpgsql
set search_path from current
as $$
begin
  if old.accepted_at is not null or old.revoked_at is not null
    or (new.token_hash = old.token_hash
      and ((new.roles, new.invited_by) is distinct from (old.roles, old.invited_by) or new.expires_at > old.expires_at))
  then
    raise exception 'an invitation is neither revived nor prolonged without another link'
      using errcode = 'check_violation', constraint = 'invitations_stay_check', table = 'invitations';
  end if;
  return new;
end
$$;

create trigger invitations_stay
before update on invitations
for each row execute function invitations_stay();

update roles
set permissions =
  '{audit:read,invitations:create,invitations:delete,invitations:read,roles:grant,roles:read,users:create,users:delete,users:read,users:update}'
where name = 'admin';

select grant_privileges();
