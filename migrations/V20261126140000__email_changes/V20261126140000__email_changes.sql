-- Addresses that people are about to change to: a change is made when the links to the old and the new one were both confirmed.

-- Functions look into this schema, and last into temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

create table email_changes (
  -- One for a user: a newer one takes the place of the older one.
  user_id          bigint      not null,
  -- The address at the time: with another one by now the change is void.
  old_email        text        collate "C" not null,
  new_email        text        collate "C" not null,
  -- The session that asked for it, which goes on afterwards.
  session_id       uuid        not null,
  -- SHA-256 of 256 random bits each: the links of the mail to the old address, to the new one, and the one that cancels.
  old_hash         bytea       not null,
  new_hash         bytea       not null,
  cancel_hash      bytea       not null,
  old_confirmed_at timestamptz,
  new_confirmed_at timestamptz,
  created_at       timestamptz not null default now(),
  expires_at       timestamptz not null,
  -- When it was made, cancelled or void.
  ended_at         timestamptz,
  constraint email_changes_pkey primary key (user_id),
  constraint email_changes_user_id_fkey foreign key (user_id) references users (id),
  constraint email_changes_old_email_check check (char_length(old_email) between 3 and 180),
  constraint email_changes_new_email_check check (char_length(new_email) between 3 and 180 and new_email <> old_email),
  constraint email_changes_old_hash_check check (octet_length(old_hash) = 32),
  constraint email_changes_new_hash_check check (octet_length(new_hash) = 32),
  constraint email_changes_cancel_hash_check check (octet_length(cancel_hash) = 32),
  constraint email_changes_expires_at_check check (expires_at > created_at)
);

create unique index email_changes_old_hash_key on email_changes (old_hash);
create unique index email_changes_new_hash_key on email_changes (new_hash);
create unique index email_changes_cancel_hash_key on email_changes (cancel_hash);
-- They are removed when they are over.
create index email_changes_expires_at_idx on email_changes (expires_at);

insert into database_grants (grantee, privileges)
values
  ('usher_app', 'select, insert, delete on email_changes'),
  -- A newer one takes the place of the older one; whose it is stays.
  (
    'usher_app',
    'update (old_email, new_email, session_id, old_hash, new_hash, cancel_hash, old_confirmed_at, new_confirmed_at, created_at, expires_at, ended_at) on email_changes'
  );

alter table email_changes enable row level security;
create policy email_changes_select on email_changes for select using (true);
create policy email_changes_insert on email_changes for insert
  with check (created_at = now() and old_confirmed_at is null and new_confirmed_at is null and ended_at is null);
create policy email_changes_update on email_changes for update using (true) with check (true);
create policy email_changes_delete on email_changes for delete using (expires_at < now());

-- What was confirmed or ended stays so, and goes to the address that it named: only a change that is asked for now begins anew.
create function email_changes_stay() returns trigger
language plpgsql
set search_path from current
as $$
begin
  if new.old_hash <> old.old_hash and new.new_hash <> old.new_hash and new.cancel_hash <> old.cancel_hash then
    if new.old_confirmed_at is not null or new.new_confirmed_at is not null or new.ended_at is not null then
      raise exception 'a change of address begins unconfirmed'
        using errcode = 'check_violation', constraint = 'email_changes_stay_check', table = 'email_changes';
    end if;
    return new;
  end if;
  if (new.old_email, new.new_email, new.session_id, new.old_hash, new.new_hash, new.cancel_hash)
      is distinct from (old.old_email, old.new_email, old.session_id, old.old_hash, old.new_hash, old.cancel_hash)
    or new.expires_at > old.expires_at
    or new.ended_at is distinct from coalesce(old.ended_at, new.ended_at)
    or new.old_confirmed_at is distinct from coalesce(old.old_confirmed_at, new.old_confirmed_at)
    or new.new_confirmed_at is distinct from coalesce(old.new_confirmed_at, new.new_confirmed_at)
  then
    raise exception 'a change of address is neither redirected, renewed nor prolonged'
      using errcode = 'check_violation', constraint = 'email_changes_stay_check', table = 'email_changes';
  end if;
  return new;
end
$$;

create trigger email_changes_stay
before update on email_changes
for each row execute function email_changes_stay();

-- Another address, another password, or the end of the account: what was asked for before is void, whoever writes. Whoever
-- confirms holds the row of the user first, too, so that nobody waits in a circle.
create function users_end_email_changes() returns trigger
language plpgsql
set search_path from current
as $$
begin
  update email_changes
  set ended_at = now()
  where user_id = new.id
    and ended_at is null;
  return null;
end
$$;

create trigger users_end_email_changes
after update of email, password_changed_at, is_active, deleted_at on users
for each row
when (
  old.email <> new.email
  or old.password_changed_at is distinct from new.password_changed_at
  or (old.is_active and not new.is_active)
  or (old.deleted_at is null and new.deleted_at is not null)
)
execute function users_end_email_changes();

select grant_privileges();
