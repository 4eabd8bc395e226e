-- Asking for an address takes the database the same work whether or not somebody has an account with it.
-- lint: allow ban-drop-constraint because users stay as rows, and the role of the functions cannot remove any

-- Functions look into this schema, and last into temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

-- A foreign key is checked, and the row of a user locked, for those alone who have an account: that takes a measurable time.
alter table mails drop constraint mails_user_id_fkey;
alter table one_time_secrets drop constraint one_time_secrets_user_id_fkey;

-- Makes an account, or gives one that nobody has verified another name and password: whom that hits comes back with the
-- address. Whose the address is otherwise comes back alone, and that account stays as it is.
--
-- Most of the time goes into the entries of the indexes. So a row with all its entries is written each time: where nobody
-- needs one, it is undone at once. That one has a space for the `@`, as no address has, and no password.
create function register_user(new_name text, new_email text, new_password text)
returns table (user_id bigint, address text, owner_id bigint)
language plpgsql
set search_path from current
as $$
declare
  owner record;
  written record;
  is_done boolean := false;
begin
  -- Of several at the same time each finds what the one before it left.
  perform pg_advisory_xact_lock(hashtextextended(new_email, 7306366115370003));
  select
    users.id,
    users.name,
    (users.ctid::text::point)[0] as page,
    users.is_self_registered
      and users.email_verified_at is null
      and not users.was_verified
      and users.is_active as is_open
  into owner
  from users
  where users.email = new_email
    and users.deleted_at is null;
  if owner.is_open then
    update users
    set
      name = new_name,
      password = new_password,
      version = users.version + 1,
      updated_at = now()
    where users.id = owner.id
      and users.email = new_email
      and users.deleted_at is null
      and users.is_self_registered
      and users.email_verified_at is null
      and not users.was_verified
      and users.is_active
    returning
      users.id,
      users.email,
      (users.ctid::text::point)[0] as page
    into written;
    user_id := written.id;
    address := written.email;
    -- With the same name and on the same page it keeps its entries.
    is_done := written.page <> owner.page or owner.name <> new_name;
  end if;
  if not is_done then
    -- To undo something takes a while itself.
    begin
      if owner.id is not null then
        insert into users (
          name,
          email,
          password,
          is_self_registered
        )
        values (
          new_name,
          replace(new_email, '@', ' '),
          repeat('0', char_length(new_password)),
          true
        );
      end if;
      raise exception 'nobody needs it' using errcode = 'US001';
    exception
      when sqlstate 'US001' then null;
    end;
  end if;
  if owner.id is null then
    insert into users (
      name,
      email,
      password,
      is_self_registered
    )
    values (
      new_name,
      new_email,
      new_password,
      true
    )
    -- Whoever else made one meanwhile has it.
    on conflict (email) where deleted_at is null do nothing
    returning users.id, users.email
    into user_id, address;
  end if;
  owner_id := coalesce(
    user_id,
    owner.id,
    (select users.id from users where users.email = new_email and users.deleted_at is null)
  );
  return next;
end
$$;

revoke execute on function register_user(text, text, text) from public;

insert into database_grants (grantee, privileges)
values ('usher_app', 'execute on function register_user(text, text, text)');

select grant_privileges();
