-- Lost are all invitations; accounts that were made by one stay.
update roles
set permissions = '{audit:read,roles:grant,roles:read,users:create,users:delete,users:read,users:update}'
where name = 'admin';

delete from database_grants
where privileges in (
  'select, insert, delete on invitations',
  'update (name, roles, invited_by, token_hash, created_at, expires_at, accepted_at, revoked_at) on invitations'
);
drop table invitations;
drop function invitations_stay();
