-- Accounts that wait to be deleted stay deactivated, and an administrator decides about them.
drop trigger users_end_deletions on users;
drop function users_end_deletions();
delete from database_grants
where privileges in (
  'select, insert, delete on account_deletions',
  'update (due_at, restore_hash, created_at, ended_at) on account_deletions'
);
drop table account_deletions;
drop function account_deletions_stay();
