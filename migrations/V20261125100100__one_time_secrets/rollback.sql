-- Lost are the links and codes that were sent: they are asked for again.
delete from database_grants
where privileges in (
  'select, insert, delete on one_time_secrets',
  'update (user_id, address, secret_hash, code_hash, tries, created_at, expires_at, code_expires_at, used_at) on one_time_secrets'
);
drop table one_time_secrets;
drop function one_time_secrets_stay_used();
