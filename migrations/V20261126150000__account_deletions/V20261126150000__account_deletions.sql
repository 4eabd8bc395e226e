-- Accounts that their owners delete: deactivated at once, removed when their time is over, and until then restored by a link.

-- Functions look into this schema, and last into temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

create table account_deletions (
  -- One for a user: a newer one takes the place of one that was undone.
  user_id      bigint      not null,
  due_at       timestamptz not null,
  -- SHA-256 of 256 random bits: the link that undoes it.
  restore_hash bytea       not null,
  created_at   timestamptz not null default now(),
  -- When it was made, undone or void.
  ended_at     timestamptz,
  constraint account_deletions_pkey primary key (user_id),
  constraint account_deletions_user_id_fkey foreign key (user_id) references users (id),
  constraint account_deletions_restore_hash_check check (octet_length(restore_hash) = 32),
  constraint account_deletions_due_at_check check (due_at > created_at)
);

create unique index account_deletions_restore_hash_key on account_deletions (restore_hash);
create index account_deletions_due_at_idx on account_deletions (due_at) where ended_at is null;
-- They are forgotten when they are over.
create index account_deletions_ended_at_idx on account_deletions (ended_at);

insert into database_grants (grantee, privileges)
values
  ('usher_app', 'select, insert, delete on account_deletions'),
  ('usher_app', 'update (due_at, restore_hash, created_at, ended_at) on account_deletions');

alter table account_deletions enable row level security;
create policy account_deletions_select on account_deletions for select using (true);
create policy account_deletions_insert on account_deletions for insert with check (created_at = now() and ended_at is null);
create policy account_deletions_update on account_deletions for update using (true) with check (true);
create policy account_deletions_delete on account_deletions for delete using (ended_at < now());

-- What ended stays so, and the day stays: only a deletion that is asked for now begins anew.
create function account_deletions_stay() returns trigger
language plpgsql
set search_path from current
as $$
begin
  if new.restore_hash = old.restore_hash
    and (new.due_at <> old.due_at or new.ended_at is distinct from coalesce(old.ended_at, new.ended_at))
  then
    raise exception 'a deletion is neither put off nor taken up again'
      using errcode = 'check_violation', constraint = 'account_deletions_stay_check', table = 'account_deletions';
  end if;
  return new;
end
$$;

create trigger account_deletions_stay
before update on account_deletions
for each row execute function account_deletions_stay();

-- Whom an administrator activates or removes meanwhile is not to be deleted any more, whoever writes.
create function users_end_deletions() returns trigger
language plpgsql
set search_path from current
as $$
begin
  update account_deletions
  set ended_at = now()
  where user_id = new.id
    and ended_at is null;
  return null;
end
$$;

create trigger users_end_deletions
after update of is_active, deleted_at on users
for each row
when (
  (not old.is_active and new.is_active)
  or (old.deleted_at is null and new.deleted_at is not null)
)
execute function users_end_deletions();

select grant_privileges();
