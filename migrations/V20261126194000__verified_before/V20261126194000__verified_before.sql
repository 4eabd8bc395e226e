-- Whoever registered, verified the address and got another one from an administrator has to verify that one anew, and has been in the
-- account all the same: it is nobody's to register once more.

-- Functions look into this schema, and last into temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

-- Whether an address before the present one was verified.
alter table users add column was_verified boolean not null default false;

create function users_keep_verified() returns trigger
language plpgsql
set search_path from current
as $$
begin
  new.was_verified := true;
  return new;
end
$$;

create trigger users_keep_verified
before update of email_verified_at on users
for each row
when (old.email_verified_at is not null and new.email_verified_at is null)
execute function users_keep_verified();

-- Those to whom it happened before: somebody was signed in there, or verified an address.
update users
set was_verified = true
where is_self_registered
  and email_verified_at is null
  and (
    exists (
      select
      from sessions
      where sessions.user_id = users.id
    )
    or exists (
      select
      from audit_logs
      where audit_logs.entity = 'User'
        and audit_logs.entity_id = users.id
        and audit_logs.action in ('EMAIL_VERIFY', 'LOGIN')
    )
  );
