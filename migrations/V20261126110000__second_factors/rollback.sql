-- Lost is which accounts have a second factor: they sign in with their passwords alone again. Privileges on columns go with them.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

drop trigger sessions_ask_second_factor on sessions;
drop function sessions_ask_second_factor();
drop trigger users_end_sessions_of_other_factors on users;
drop function users_end_sessions_of_other_factors();
update sessions set end_reason = 'revoked' where end_reason = 'factors-changed';
alter table sessions drop constraint sessions_end_reason_check;
alter table sessions add constraint sessions_end_reason_check
  check (end_reason in ('logout', 'theft', 'deactivated', 'deleted', 'email-changed', 'revoked', 'password-changed'))
  not valid;
alter table sessions validate constraint sessions_end_reason_check;
delete from database_grants
where privileges in (
  'update (second_factors, factors_changed_at, has_short_password) on users',
  'update (methods, authenticated_at) on sessions'
);
do $$
begin
  if to_regrole('usher_app') is not null then
    revoke update (methods, authenticated_at) on sessions from usher_app;
  end if;
end
$$;
alter table users
  drop column second_factors,
  drop column factors_changed_at,
  drop column has_short_password;
