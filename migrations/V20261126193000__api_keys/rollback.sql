-- Lost are all API keys: machines have to sign in by other means.
drop trigger users_revoke_api_keys on users;
drop function users_revoke_api_keys();

delete from database_grants
where privileges in (
  'select, insert, delete on api_keys',
  'update (secret_hash, previous_hash, previous_until, rotated_at, expires_at, last_used_at, revoked_at) on api_keys',
  'execute on function check_api_key_author(bigint, bigint, bytea, text[])'
);
drop function check_api_key_author(bigint, bigint, bytea, text[]);
drop table api_keys;
drop function api_keys_check_count();
drop function api_keys_stay();
