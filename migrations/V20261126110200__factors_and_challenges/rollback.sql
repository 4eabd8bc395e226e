-- Lost are the secrets of authenticator apps and the recovery codes: who had a second factor signs in by the password alone.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

delete from database_grants
where privileges in (
  'select, insert, delete on totp_factors',
  'update (sealed, created_at, confirmed_at, last_step, last_used_at, tries, tries_end_at, last_request) on totp_factors',
  'select, insert, delete on recovery_codes',
  'update (used_at) on recovery_codes',
  'select, insert, delete on challenges',
  'update (tries, last_request, used_at) on challenges'
);
drop trigger users_forget_factors on users;
drop function users_forget_factors();
drop table challenges;
drop function challenges_count_up();
drop table recovery_codes;
drop table totp_factors;
drop function totp_factors_go_forward();
update users
set
  second_factors = '{}',
  has_short_password = false
where second_factors <> '{}';
