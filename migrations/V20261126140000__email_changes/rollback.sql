-- Lost are the changes of address that were not confirmed yet: they are asked for again.
drop trigger users_end_email_changes on users;
drop function users_end_email_changes();
delete from database_grants
where privileges in (
  'select, insert, delete on email_changes',
  'update (old_email, new_email, session_id, old_hash, new_hash, cancel_hash, old_confirmed_at, new_confirmed_at, created_at, expires_at, ended_at) on email_changes'
);
drop table email_changes;
drop function email_changes_stay();
