-- One invitation that waits, one that was accepted and one that was taken back: roles have to be registered.
insert into invitations (email, name, roles, invited_by, token_hash, expires_at, accepted_at, revoked_at)
select
  email,
  'Somebody',
  '{user}',
  (select min(id) from users),
  sha256(convert_to(email, 'UTF8')),
  now() + interval '7 days',
  accepted_at,
  revoked_at
from (
  values
    ('waiting@example.com', null::timestamptz, null::timestamptz),
    ('accepted@example.com', now(), null),
    ('revoked@example.com', null, now())
) as given (email, accepted_at, revoked_at)
-- They are needed again by each migration that follows.
on conflict do nothing;
