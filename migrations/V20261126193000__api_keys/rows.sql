-- A key that is good, one in the overlap of a rotation, one that is over and one that was revoked.
insert into api_keys (user_id, name, scopes, secret_hash, expires_at, rotated_at, previous_hash, previous_until, revoked_at)
select
  (select min(id) from users),
  name,
  '{users:read}',
  sha256(convert_to(name, 'UTF8')),
  now() + expires_in,
  rotated_at,
  previous_hash,
  previous_until,
  revoked_at
from (
  values
    ('good', interval '90 days', null::timestamptz, null::bytea, null::timestamptz, null::timestamptz),
    ('rotated', interval '90 days', now(), sha256('old'), now() + interval '1 day', null),
    ('short', interval '1 second', null, null, null, null),
    ('revoked', interval '90 days', null, null, null, now())
) as given (name, expires_in, rotated_at, previous_hash, previous_until, revoked_at);
