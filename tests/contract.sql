-- Every statement that this release sends, with the types of its parameters. Written by a test: see
-- tests/it/contract.rs.

-- accept invitation
prepare contract (bytea, text, text, text, text, _text, int8, text, text, jsonb, inet, text, text, uuid) as with inviter as ( select users.id, array( select permission from roles cross join unnest(roles.permissions) as permission where roles.name = any (users.roles) ) as permissions from invitations join users on users.id = invitations.invited_by where invitations.token_hash = $1 and users.is_active and users.deleted_at is null for share of users ), invitation as ( update invitations set accepted_at = now() from inviter where invitations.token_hash = $1 and invitations.invited_by = inviter.id and invitations.accepted_at is null and invitations.revoked_at is null and invitations.expires_at > now() and $4 = any (inviter.permissions) and ($5 = any (inviter.permissions) or invitations.roles = $6) and not exists ( select from roles cross join unnest(roles.permissions) as needed where roles.name = any (invitations.roles) and needed <> all (inviter.permissions) ) returning invitations.email, invitations.roles ), taken_over as ( update users set name = $2, password = $3, password_changed_at = now(), roles = invitation.roles, email_verified_at = now(), version = users.version + 1, updated_at = now() from invitation where users.email = invitation.email and users.deleted_at is null and users.is_active and (users.is_self_registered and users.email_verified_at is null) returning users.id ), made as ( insert into users ( name, email, password, roles, email_verified_at ) select $2, invitation.email, $3, invitation.roles, now() from invitation where not exists (select from taken_over) returning users.id ), change as ( select id as entity_id from taken_over union all select id as entity_id from made ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $7, $8, $9, change.entity_id, $10, $11, $12, $13, $14 from change ) select change.* from change;
deallocate contract;

-- ask for a mail
prepare contract (text, bool, text, text, bytea, bytea, int4, int4, _text, int8, text, text, jsonb, inet, text, text, uuid, bytea, bytea) as with account as ( select id as user_id, email as address from users where email = $1 and is_active and deleted_at is null and (email_verified_at is null or $2) ), holder as ( select user_id, address from account union all select null, null where not exists (select from account) ), secret as ( insert into one_time_secrets ( purpose, subject, user_id, address, secret_hash, code_hash, expires_at, code_expires_at ) select $3, $4, holder.user_id, holder.address, $5, $6, now() + make_interval(mins => $7), now() + make_interval(mins => $8) from holder on conflict (purpose, subject) do update set user_id = excluded.user_id, address = excluded.address, secret_hash = excluded.secret_hash, code_hash = excluded.code_hash, tries = 0, created_at = now(), expires_at = excluded.expires_at, code_expires_at = excluded.code_expires_at, used_at = null ), replaced as ( update one_time_secrets set used_at = now() where purpose = $3 and subject = any ($9) and used_at is null ), change as ( select holder.user_id as entity_id, holder.user_id is not null as is_usual from holder ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $10, $11, $12, change.entity_id, $13, $14, $15, $16, $17 from change ), mail as ( insert into mails ( user_id, sealed ) select change.entity_id, case when change.is_usual then $18 else $19 end from change ) select change.* from change;
deallocate contract;

-- authorise
prepare contract (uuid, int8, timestamptz, timestamptz) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, array( select distinct permission from roles cross join unnest(roles.permissions) as permission where roles.name = any(users.roles) ) as permissions, sessions.methods, coalesce(sessions.authenticated_at, sessions.created_at) as authenticated_at, users.second_factors, extract(epoch from now() - coalesce(sessions.authenticated_at, sessions.created_at))::double precision as age from sessions join users on users.id = sessions.user_id where sessions.id = $1 and sessions.user_id = $2 and sessions.ended_at is null and sessions.expires_at > now() and users.is_active and users.deleted_at is null and now() >= $3 and now() < $4;
deallocate contract;

-- authorise key
prepare contract (int8, bytea) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, array( select distinct permission from roles cross join unnest(roles.permissions) as permission where roles.name = any(users.roles) ) as permissions, users.second_factors, api_keys.scopes from api_keys join users on users.id = api_keys.user_id where api_keys.id = $1 and (api_keys.secret_hash = $2 or (api_keys.previous_hash = $2 and api_keys.previous_until > now())) and api_keys.revoked_at is null and api_keys.expires_at > now() and users.is_active and users.deleted_at is null and not (users.is_self_registered and users.email_verified_at is null);
deallocate contract;

-- cancel email change
prepare contract (bytea, int8, text, text, jsonb, inet, text, text, uuid) as with change as ( update email_changes set ended_at = now() where cancel_hash = $1 and ended_at is null and expires_at > now() returning user_id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $2, $3, $4, change.entity_id, $5, $6, $7, $8, $9 from change ) select change.* from change;
deallocate contract;

-- change email
prepare contract (bytea, int8, text, text, jsonb, inet, text, text, uuid, bytea, bytea) as with account as ( select users.id from email_changes join users on users.id = email_changes.user_id where email_changes.new_hash = $1 and email_changes.ended_at is null and email_changes.expires_at > now() and users.email = email_changes.old_email and users.is_active and users.deleted_at is null for no key update of users ), confirmed as ( update email_changes set new_confirmed_at = now(), ended_at = now() from account where email_changes.user_id = account.id and email_changes.new_hash = $1 and email_changes.new_confirmed_at is null and email_changes.old_confirmed_at is not null and email_changes.ended_at is null and email_changes.expires_at > now() returning email_changes.user_id, email_changes.new_email, email_changes.session_id ), change as ( update users set email = confirmed.new_email, email_verified_at = now(), version = users.version + 1, updated_at = now() from confirmed where users.id = confirmed.user_id returning users.id as entity_id, set_config('usher.kept_session', confirmed.session_id::text, true) as kept_session ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $2, $3, $4, change.entity_id, $5, $6, $7, $8, $9 from change ), mail as ( insert into mails ( user_id, sealed ) select change.entity_id, $10 from change union all select change.entity_id, $11 from change ) select change.* from change;
deallocate contract;

-- change email
prepare contract (bytea, int8, text, text, jsonb, inet, text, text, uuid, bytea, bytea) as with account as ( select users.id from email_changes join users on users.id = email_changes.user_id where email_changes.old_hash = $1 and email_changes.ended_at is null and email_changes.expires_at > now() and users.email = email_changes.old_email and users.is_active and users.deleted_at is null for no key update of users ), confirmed as ( update email_changes set old_confirmed_at = now(), ended_at = now() from account where email_changes.user_id = account.id and email_changes.old_hash = $1 and email_changes.old_confirmed_at is null and email_changes.new_confirmed_at is not null and email_changes.ended_at is null and email_changes.expires_at > now() returning email_changes.user_id, email_changes.new_email, email_changes.session_id ), change as ( update users set email = confirmed.new_email, email_verified_at = now(), version = users.version + 1, updated_at = now() from confirmed where users.id = confirmed.user_id returning users.id as entity_id, set_config('usher.kept_session', confirmed.session_id::text, true) as kept_session ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $2, $3, $4, change.entity_id, $5, $6, $7, $8, $9 from change ), mail as ( insert into mails ( user_id, sealed ) select change.entity_id, $10 from change union all select change.entity_id, $11 from change ) select change.* from change;
deallocate contract;

-- change password
prepare contract (int8, text, text, text, int8, text, text, jsonb, inet, text, text, uuid, _text, bytea) as with void as ( update one_time_secrets set used_at = now() where user_id = $1 and purpose = 'reset-password' and used_at is null ), change as ( update users set password = $2, password_changed_at = now() where id = $1 and password = $3 and is_active and deleted_at is null returning users.id as entity_id, set_config('usher.kept_session', $4, true) as kept_session ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $5, $6, $7, change.entity_id, $8, $9, $10, $11, $12 from change where check_author($5, $12, $13) ), mail as ( insert into mails ( user_id, sealed ) select change.entity_id, $14 from change ) select change.* from change;
deallocate contract;

-- change user
prepare contract (int8, int8, text, text, _text, bool, text, _text, _text, text, text, int8, text, text, jsonb, inet, text, text, uuid, _text) as with change as ( update users set password = case when password = $10 then $11 else password end, name = $3, email = $4, email_verified_at = case when email = $4 then email_verified_at end, roles = $5, is_active = $6, avatar_url = $7, version = version + 1, updated_at = now() where id = $1 and version = $2 and deleted_at is null and not exists ( select from roles cross join unnest(roles.permissions) as needed where roles.name = any($8) and needed <> all($9) ) returning users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, users.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $12, $13, $14, change.entity_id, $15, $16, $17, $18, $19 from change where check_author($12, $19, $20) ) select change.* from change;
deallocate contract;

-- change user
prepare contract (int8, int8, text, text, _text, bool, text, _text, _text, text, text, int8, text, text, jsonb, inet, text, text, uuid, _bytea, bytea, _text) as with change as ( update users set password = case when password = $10 then $11 else password end, name = $3, email = $4, email_verified_at = case when email = $4 then email_verified_at end, roles = $5, is_active = $6, avatar_url = $7, version = version + 1, updated_at = now() where id = $1 and version = $2 and deleted_at is null and not exists ( select from roles cross join unnest(roles.permissions) as needed where roles.name = any($8) and needed <> all($9) ) returning users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, users.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $12, $13, $14, change.entity_id, $15, $16, $17, $18, $19 from change where check_author($12, $19, $22) ), remembered as ( insert into idempotency_keys ( key, request, outcome ) select key, $21, to_jsonb(change) from change cross join unnest($20) as key ) select change.* from change;
deallocate contract;

-- check health
prepare contract as select coalesce(max(version), 0)::bigint as version from refinery_schema_history;
deallocate contract;

-- confirm email change
prepare contract (bytea, int8, text, text, jsonb, inet, text, text, uuid) as with account as ( select users.id from email_changes join users on users.id = email_changes.user_id where email_changes.new_hash = $1 and email_changes.ended_at is null and email_changes.expires_at > now() and users.email = email_changes.old_email and users.is_active and users.deleted_at is null for no key update of users ), change as ( update email_changes set new_confirmed_at = now() from account where email_changes.user_id = account.id and email_changes.new_hash = $1 and email_changes.new_confirmed_at is null and email_changes.old_confirmed_at is null and email_changes.ended_at is null and email_changes.expires_at > now() returning email_changes.user_id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $2, $3, $4, change.entity_id, $5, $6, $7, $8, $9 from change ) select change.* from change;
deallocate contract;

-- confirm email change
prepare contract (bytea, int8, text, text, jsonb, inet, text, text, uuid) as with account as ( select users.id from email_changes join users on users.id = email_changes.user_id where email_changes.old_hash = $1 and email_changes.ended_at is null and email_changes.expires_at > now() and users.email = email_changes.old_email and users.is_active and users.deleted_at is null for no key update of users ), change as ( update email_changes set old_confirmed_at = now() from account where email_changes.user_id = account.id and email_changes.old_hash = $1 and email_changes.old_confirmed_at is null and email_changes.new_confirmed_at is null and email_changes.ended_at is null and email_changes.expires_at > now() returning email_changes.user_id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $2, $3, $4, change.entity_id, $5, $6, $7, $8, $9 from change ) select change.* from change;
deallocate contract;

-- count found users
prepare contract (text, text) as select counted.count from ( with rare as materialized ( select found.* from user_search_steps($1) as step cross join lateral ( select id, id as key, (lower(name) like lower($2) or email like lower($2)) and deleted_at is null as is_match from users where user_grams(id, name, email) @@ step and deleted_at is null ) as found limit 1500 + 1 ) select case when (select count(*) from rare) <= 1500 then (select count(*) from rare where is_match) else (select count(*) from users where deleted_at is null and (lower(name) like lower($2) or email like lower($2))) end ) as counted (count);
deallocate contract;

-- count request
prepare contract (bytea, int4, int4, int4) as with limit_0 as (insert into credential_tries as tried (key, tries, open_at, over_at, is_admitted) select $1, 1, case when 1 >= $3 then 'infinity' when 1 < $2 then '-infinity' else now() + make_interval(secs => least(power(2::float8, least(1 - $2, 20)), 900)) end, case when 1 >= $3 then 'infinity' else now() + make_interval(days => $4) end, true on conflict (key) do update set tries = case when tried.open_at <= now() then (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) else tried.tries end, open_at = case when tried.open_at <= now() then case when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) >= $3 then 'infinity' when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) < $2 then '-infinity' else now() + make_interval(secs => least(power(2::float8, least((case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) - $2, 20)), 900)) end else tried.open_at end, over_at = case when tried.open_at <= now() then case when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) >= $3 then 'infinity' else now() + make_interval(days => $4) end else tried.over_at end, is_admitted = tried.open_at <= now(), told_at = case when tried.open_at <= now() or tried.told_at > now() - interval '1 hour' then tried.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 when open_at = 'infinity' then 86400 else extract(epoch from open_at - now())::float8 end as wait, 0::float8 as remaining, 0::float8 as reset) select 0 as place, is_admitted, is_news, wait, remaining, reset from limit_0;
deallocate contract;

-- count request
prepare contract (bytea, int4, float8) as with limit_0 as (insert into request_rates as rate (key, full_at, is_admitted) select $1, now() + make_interval(secs => $3), true on conflict (key) do update set full_at = case when rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)) then greatest(rate.full_at, now()) + make_interval(secs => $3) else rate.full_at end, is_admitted = rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)), told_at = case when rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)) or rate.told_at > now() - interval '1 hour' then rate.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 else extract(epoch from full_at - now())::float8 - $3 * ($2 - 1) end as wait, $2 - extract(epoch from full_at - now())::float8 / $3 as remaining, extract(epoch from full_at - now())::float8 as reset) select 0 as place, is_admitted, is_news, wait, remaining, reset from limit_0;
deallocate contract;

-- count request
prepare contract (bytea, int4, float8, bytea, int4, int4, int4) as with limit_0 as (insert into request_rates as rate (key, full_at, is_admitted) select $1, now() + make_interval(secs => $3), true on conflict (key) do update set full_at = case when rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)) then greatest(rate.full_at, now()) + make_interval(secs => $3) else rate.full_at end, is_admitted = rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)), told_at = case when rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)) or rate.told_at > now() - interval '1 hour' then rate.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 else extract(epoch from full_at - now())::float8 - $3 * ($2 - 1) end as wait, $2 - extract(epoch from full_at - now())::float8 / $3 as remaining, extract(epoch from full_at - now())::float8 as reset), limit_1 as (insert into credential_tries as tried (key, tries, open_at, over_at, is_admitted) select $4, 1, case when 1 >= $6 then 'infinity' when 1 < $5 then '-infinity' else now() + make_interval(secs => least(power(2::float8, least(1 - $5, 20)), 900)) end, case when 1 >= $6 then 'infinity' else now() + make_interval(days => $7) end, true where not exists (select from limit_0 where not is_admitted) on conflict (key) do update set tries = case when tried.open_at <= now() then (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) else tried.tries end, open_at = case when tried.open_at <= now() then case when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) >= $6 then 'infinity' when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) < $5 then '-infinity' else now() + make_interval(secs => least(power(2::float8, least((case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) - $5, 20)), 900)) end else tried.open_at end, over_at = case when tried.open_at <= now() then case when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) >= $6 then 'infinity' else now() + make_interval(days => $7) end else tried.over_at end, is_admitted = tried.open_at <= now(), told_at = case when tried.open_at <= now() or tried.told_at > now() - interval '1 hour' then tried.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 when open_at = 'infinity' then 86400 else extract(epoch from open_at - now())::float8 end as wait, 0::float8 as remaining, 0::float8 as reset) select 0 as place, is_admitted, is_news, wait, remaining, reset from limit_0 union all select 1 as place, is_admitted, is_news, wait, remaining, reset from limit_1;
deallocate contract;

-- count request
prepare contract (bytea, int4, float8, bytea, int4, float8) as with limit_0 as (insert into request_rates as rate (key, full_at, is_admitted) select $1, now() + make_interval(secs => $3), true on conflict (key) do update set full_at = case when rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)) then greatest(rate.full_at, now()) + make_interval(secs => $3) else rate.full_at end, is_admitted = rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)), told_at = case when rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)) or rate.told_at > now() - interval '1 hour' then rate.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 else extract(epoch from full_at - now())::float8 - $3 * ($2 - 1) end as wait, $2 - extract(epoch from full_at - now())::float8 / $3 as remaining, extract(epoch from full_at - now())::float8 as reset), limit_1 as (insert into request_rates as rate (key, full_at, is_admitted) select $4, now() + make_interval(secs => $6), true where not exists (select from limit_0 where not is_admitted) on conflict (key) do update set full_at = case when rate.full_at <= now() + make_interval(secs => $6 * ($5 - 1)) then greatest(rate.full_at, now()) + make_interval(secs => $6) else rate.full_at end, is_admitted = rate.full_at <= now() + make_interval(secs => $6 * ($5 - 1)), told_at = case when rate.full_at <= now() + make_interval(secs => $6 * ($5 - 1)) or rate.told_at > now() - interval '1 hour' then rate.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 else extract(epoch from full_at - now())::float8 - $6 * ($5 - 1) end as wait, $5 - extract(epoch from full_at - now())::float8 / $6 as remaining, extract(epoch from full_at - now())::float8 as reset) select 0 as place, is_admitted, is_news, wait, remaining, reset from limit_0 union all select 1 as place, is_admitted, is_news, wait, remaining, reset from limit_1;
deallocate contract;

-- count request
prepare contract (bytea, int4, float8, bytea, int4, float8, bytea, int4, int4, int4) as with limit_0 as (insert into request_rates as rate (key, full_at, is_admitted) select $1, now() + make_interval(secs => $3), true on conflict (key) do update set full_at = case when rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)) then greatest(rate.full_at, now()) + make_interval(secs => $3) else rate.full_at end, is_admitted = rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)), told_at = case when rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)) or rate.told_at > now() - interval '1 hour' then rate.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 else extract(epoch from full_at - now())::float8 - $3 * ($2 - 1) end as wait, $2 - extract(epoch from full_at - now())::float8 / $3 as remaining, extract(epoch from full_at - now())::float8 as reset), limit_1 as (insert into request_rates as rate (key, full_at, is_admitted) select $4, now() + make_interval(secs => $6), true where not exists (select from limit_0 where not is_admitted) on conflict (key) do update set full_at = case when rate.full_at <= now() + make_interval(secs => $6 * ($5 - 1)) then greatest(rate.full_at, now()) + make_interval(secs => $6) else rate.full_at end, is_admitted = rate.full_at <= now() + make_interval(secs => $6 * ($5 - 1)), told_at = case when rate.full_at <= now() + make_interval(secs => $6 * ($5 - 1)) or rate.told_at > now() - interval '1 hour' then rate.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 else extract(epoch from full_at - now())::float8 - $6 * ($5 - 1) end as wait, $5 - extract(epoch from full_at - now())::float8 / $6 as remaining, extract(epoch from full_at - now())::float8 as reset), limit_2 as (insert into credential_tries as tried (key, tries, open_at, over_at, is_admitted) select $7, 1, case when 1 >= $9 then 'infinity' when 1 < $8 then '-infinity' else now() + make_interval(secs => least(power(2::float8, least(1 - $8, 20)), 900)) end, case when 1 >= $9 then 'infinity' else now() + make_interval(days => $10) end, true where not exists (select from limit_0 where not is_admitted) and not exists (select from limit_1 where not is_admitted) on conflict (key) do update set tries = case when tried.open_at <= now() then (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) else tried.tries end, open_at = case when tried.open_at <= now() then case when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) >= $9 then 'infinity' when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) < $8 then '-infinity' else now() + make_interval(secs => least(power(2::float8, least((case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) - $8, 20)), 900)) end else tried.open_at end, over_at = case when tried.open_at <= now() then case when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) >= $9 then 'infinity' else now() + make_interval(days => $10) end else tried.over_at end, is_admitted = tried.open_at <= now(), told_at = case when tried.open_at <= now() or tried.told_at > now() - interval '1 hour' then tried.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 when open_at = 'infinity' then 86400 else extract(epoch from open_at - now())::float8 end as wait, 0::float8 as remaining, 0::float8 as reset) select 0 as place, is_admitted, is_news, wait, remaining, reset from limit_0 union all select 1 as place, is_admitted, is_news, wait, remaining, reset from limit_1 union all select 2 as place, is_admitted, is_news, wait, remaining, reset from limit_2;
deallocate contract;

-- count request
prepare contract (bytea, int4, float8, bytea, int4, float8, bytea, int4, int4, int4, bytea, int4, int4, int4) as with limit_0 as (insert into request_rates as rate (key, full_at, is_admitted) select $1, now() + make_interval(secs => $3), true on conflict (key) do update set full_at = case when rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)) then greatest(rate.full_at, now()) + make_interval(secs => $3) else rate.full_at end, is_admitted = rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)), told_at = case when rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)) or rate.told_at > now() - interval '1 hour' then rate.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 else extract(epoch from full_at - now())::float8 - $3 * ($2 - 1) end as wait, $2 - extract(epoch from full_at - now())::float8 / $3 as remaining, extract(epoch from full_at - now())::float8 as reset), limit_1 as (insert into request_rates as rate (key, full_at, is_admitted) select $4, now() + make_interval(secs => $6), true where not exists (select from limit_0 where not is_admitted) on conflict (key) do update set full_at = case when rate.full_at <= now() + make_interval(secs => $6 * ($5 - 1)) then greatest(rate.full_at, now()) + make_interval(secs => $6) else rate.full_at end, is_admitted = rate.full_at <= now() + make_interval(secs => $6 * ($5 - 1)), told_at = case when rate.full_at <= now() + make_interval(secs => $6 * ($5 - 1)) or rate.told_at > now() - interval '1 hour' then rate.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 else extract(epoch from full_at - now())::float8 - $6 * ($5 - 1) end as wait, $5 - extract(epoch from full_at - now())::float8 / $6 as remaining, extract(epoch from full_at - now())::float8 as reset), limit_2 as (insert into credential_tries as tried (key, tries, open_at, over_at, is_admitted) select $7, 1, case when 1 >= $9 then 'infinity' when 1 < $8 then '-infinity' else now() + make_interval(secs => least(power(2::float8, least(1 - $8, 20)), 900)) end, case when 1 >= $9 then 'infinity' else now() + make_interval(days => $10) end, true where not exists (select from limit_0 where not is_admitted) and not exists (select from limit_1 where not is_admitted) on conflict (key) do update set tries = case when tried.open_at <= now() then (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) else tried.tries end, open_at = case when tried.open_at <= now() then case when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) >= $9 then 'infinity' when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) < $8 then '-infinity' else now() + make_interval(secs => least(power(2::float8, least((case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) - $8, 20)), 900)) end else tried.open_at end, over_at = case when tried.open_at <= now() then case when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) >= $9 then 'infinity' else now() + make_interval(days => $10) end else tried.over_at end, is_admitted = tried.open_at <= now(), told_at = case when tried.open_at <= now() or tried.told_at > now() - interval '1 hour' then tried.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 when open_at = 'infinity' then 86400 else extract(epoch from open_at - now())::float8 end as wait, 0::float8 as remaining, 0::float8 as reset), limit_3 as (insert into credential_tries as tried (key, tries, open_at, over_at, is_admitted) select $11, 1, case when 1 >= $13 then 'infinity' when 1 < $12 then '-infinity' else now() + make_interval(secs => least(power(2::float8, least(1 - $12, 20)), 900)) end, case when 1 >= $13 then 'infinity' else now() + make_interval(days => $14) end, true where not exists (select from limit_0 where not is_admitted) and not exists (select from limit_1 where not is_admitted) and not exists (select from limit_2 where not is_admitted) on conflict (key) do update set tries = case when tried.open_at <= now() then (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) else tried.tries end, open_at = case when tried.open_at <= now() then case when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) >= $13 then 'infinity' when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) < $12 then '-infinity' else now() + make_interval(secs => least(power(2::float8, least((case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) - $12, 20)), 900)) end else tried.open_at end, over_at = case when tried.open_at <= now() then case when (case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end) >= $13 then 'infinity' else now() + make_interval(days => $14) end else tried.over_at end, is_admitted = tried.open_at <= now(), told_at = case when tried.open_at <= now() or tried.told_at > now() - interval '1 hour' then tried.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 when open_at = 'infinity' then 86400 else extract(epoch from open_at - now())::float8 end as wait, 0::float8 as remaining, 0::float8 as reset) select 0 as place, is_admitted, is_news, wait, remaining, reset from limit_0 union all select 1 as place, is_admitted, is_news, wait, remaining, reset from limit_1 union all select 2 as place, is_admitted, is_news, wait, remaining, reset from limit_2 union all select 3 as place, is_admitted, is_news, wait, remaining, reset from limit_3;
deallocate contract;

-- count request
prepare contract (bytea, int4, float8, bytea, int4, float8, bytea, int4, float8) as with limit_0 as (insert into request_rates as rate (key, full_at, is_admitted) select $1, now() + make_interval(secs => $3), true on conflict (key) do update set full_at = case when rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)) then greatest(rate.full_at, now()) + make_interval(secs => $3) else rate.full_at end, is_admitted = rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)), told_at = case when rate.full_at <= now() + make_interval(secs => $3 * ($2 - 1)) or rate.told_at > now() - interval '1 hour' then rate.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 else extract(epoch from full_at - now())::float8 - $3 * ($2 - 1) end as wait, $2 - extract(epoch from full_at - now())::float8 / $3 as remaining, extract(epoch from full_at - now())::float8 as reset), limit_1 as (insert into request_rates as rate (key, full_at, is_admitted) select $4, now() + make_interval(secs => $6), true where not exists (select from limit_0 where not is_admitted) on conflict (key) do update set full_at = case when rate.full_at <= now() + make_interval(secs => $6 * ($5 - 1)) then greatest(rate.full_at, now()) + make_interval(secs => $6) else rate.full_at end, is_admitted = rate.full_at <= now() + make_interval(secs => $6 * ($5 - 1)), told_at = case when rate.full_at <= now() + make_interval(secs => $6 * ($5 - 1)) or rate.told_at > now() - interval '1 hour' then rate.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 else extract(epoch from full_at - now())::float8 - $6 * ($5 - 1) end as wait, $5 - extract(epoch from full_at - now())::float8 / $6 as remaining, extract(epoch from full_at - now())::float8 as reset), limit_2 as (insert into request_rates as rate (key, full_at, is_admitted) select $7, now() + make_interval(secs => $9), true where not exists (select from limit_0 where not is_admitted) and not exists (select from limit_1 where not is_admitted) on conflict (key) do update set full_at = case when rate.full_at <= now() + make_interval(secs => $9 * ($8 - 1)) then greatest(rate.full_at, now()) + make_interval(secs => $9) else rate.full_at end, is_admitted = rate.full_at <= now() + make_interval(secs => $9 * ($8 - 1)), told_at = case when rate.full_at <= now() + make_interval(secs => $9 * ($8 - 1)) or rate.told_at > now() - interval '1 hour' then rate.told_at else now() end returning is_admitted, not is_admitted and told_at = now() as is_news, case when is_admitted then 0 else extract(epoch from full_at - now())::float8 - $9 * ($8 - 1) end as wait, $8 - extract(epoch from full_at - now())::float8 / $9 as remaining, extract(epoch from full_at - now())::float8 as reset) select 0 as place, is_admitted, is_news, wait, remaining, reset from limit_0 union all select 1 as place, is_admitted, is_news, wait, remaining, reset from limit_1 union all select 2 as place, is_admitted, is_news, wait, remaining, reset from limit_2;
deallocate contract;

-- count try
prepare contract (text, _text, int4) as update one_time_secrets set tries = tries + 1 where purpose = $1 and subject = any ($2) and used_at is null and code_expires_at > now() and tries < $3 returning tries;
deallocate contract;

-- count users
prepare contract as select count(*) as count from users where deleted_at is null;
deallocate contract;

-- delete user
prepare contract (int8, int8, int8, text, text, jsonb, inet, text, text, uuid, _text) as with change as ( update users set is_active = false, deleted_at = now(), version = version + 1, updated_at = now() where id = $1 and version = $2 and deleted_at is null returning users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, users.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $3, $4, $5, change.entity_id, $6, $7, $8, $9, $10 from change where check_author($3, $10, $11) ) select change.* from change;
deallocate contract;

-- delete user
prepare contract (int8, int8, int8, text, text, jsonb, inet, text, text, uuid, _bytea, bytea, _text) as with change as ( update users set is_active = false, deleted_at = now(), version = version + 1, updated_at = now() where id = $1 and version = $2 and deleted_at is null returning users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, users.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $3, $4, $5, change.entity_id, $6, $7, $8, $9, $10 from change where check_author($3, $10, $13) ), remembered as ( insert into idempotency_keys ( key, request, outcome ) select key, $12, to_jsonb(change) from change cross join unnest($11) as key ) select change.* from change;
deallocate contract;

-- end all sessions
prepare contract (int8, uuid, int8, text, text, jsonb, inet, text, text, uuid, _text) as with ended as ( update sessions set ended_at = now(), end_reason = 'revoked' where user_id = $1 and id is distinct from $2 and ended_at is null ), change as ( select $1::bigint as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $3, $4, $5, change.entity_id, $6, $7, $8, $9, $10 from change where check_author($3, $10, $11) ) select change.* from change;
deallocate contract;

-- end one session
prepare contract (uuid, int8, int8, text, text, jsonb, inet, text, text, uuid, _text) as with change as ( update sessions set ended_at = now(), end_reason = 'revoked' where id = $1 and user_id = $2 and ended_at is null and expires_at > now() returning user_id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $3, $4, $5, change.entity_id, $6, $7, $8, $9, $10 from change where check_author($3, $10, $11) ) select change.* from change;
deallocate contract;

-- end session
prepare contract (uuid, text, timestamptz, timestamptz, int8, text, text, jsonb, inet, text, text, uuid) as with change as ( update sessions set ended_at = now(), end_reason = $2 where id = $1 and ended_at is null and now() >= coalesce($3, now()) and now() < coalesce($4, 'infinity') returning user_id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $5, $6, $7, change.entity_id, $8, $9, $10, $11, $12 from change ) select change.* from change;
deallocate contract;

-- estimate users
prepare contract as select from users where deleted_at is null;
deallocate contract;

-- estimate users
prepare contract (text) as select from users where deleted_at is null and (name ilike $1 or email ilike $1);
deallocate contract;

-- export account
prepare contract (int8) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, users.email_verified_at, users.is_self_registered, users.password is not null as has_password, users.password_changed_at, now() as exported_at from users where id = $1 and deleted_at is null;
deallocate contract;

-- export email change
prepare contract (int8) as select new_email, old_confirmed_at, new_confirmed_at, created_at, expires_at from email_changes where user_id = $1 and ended_at is null and expires_at > now();
deallocate contract;

-- export roles
prepare contract (int8) as select roles.name, roles.description, roles.permissions, roles.is_built_in from users join roles on roles.name = any (users.roles) where users.id = $1 order by roles.name;
deallocate contract;

-- export sessions
prepare contract (int8, int8) as select id, created_at, refreshed_at as last_seen_at, expires_at, ended_at, end_reason, ip, user_agent from sessions where user_id = $1 order by created_at desc, id limit $2;
deallocate contract;

-- find attempt
prepare contract (_bytea, _bytea) as select array_position($2, idempotency_keys.request) as place, extract(epoch from now() - outcome.issued_at)::double precision as age, outcome.* from idempotency_keys cross join jsonb_to_record(idempotency_keys.outcome) as outcome ( id bigint, name text, email text, roles text[], is_active boolean, avatar_url text, version bigint, created_at timestamptz, updated_at timestamptz, state text, invited_by bigint, expires_at timestamptz, session_id uuid, authenticated_at timestamptz, methods text[], issued_at timestamptz, scopes text[], last_used_at timestamptz, rotated_at timestamptz, previous_until timestamptz, salt uuid) where idempotency_keys.key = any ($1) limit 1;
deallocate contract;

-- find credentials
prepare contract (text) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, users.password, (users.is_self_registered and users.email_verified_at is null) as must_verify, account_deletions.due_at as deletion_due_at from users left join account_deletions on account_deletions.user_id = users.id and account_deletions.ended_at is null where users.email = $1 and users.deleted_at is null;
deallocate contract;

-- find email change
prepare contract (bytea) as select email_changes.old_email, email_changes.new_email, email_changes.old_hash = $1 as is_old, coalesce(email_changes.old_confirmed_at, email_changes.new_confirmed_at) is not null as is_last from email_changes join users on users.id = email_changes.user_id where ( (email_changes.old_hash = $1 and email_changes.old_confirmed_at is null) or (email_changes.new_hash = $1 and email_changes.new_confirmed_at is null) ) and email_changes.ended_at is null and email_changes.expires_at > now() and users.email = email_changes.old_email and users.is_active and users.deleted_at is null;
deallocate contract;

-- find holder
prepare contract (text, bytea) as select users.id as user_id, users.name, users.email from one_time_secrets join users on users.id = one_time_secrets.user_id where one_time_secrets.secret_hash = $2 and one_time_secrets.purpose = $1 and one_time_secrets.used_at is null and one_time_secrets.expires_at > now() and users.email = one_time_secrets.address and users.deleted_at is null;
deallocate contract;

-- find invitation
prepare contract (int8) as select invitations.id, invitations.email, invitations.name, invitations.roles, invitations.invited_by, invitations.created_at, invitations.expires_at, case when invitations.accepted_at is not null then 'accepted' when invitations.revoked_at is not null then 'revoked' when invitations.expires_at <= now() then 'expired' else 'pending' end as state, array( select distinct permission from roles cross join unnest(roles.permissions) as permission where roles.name = any (invitations.roles) ) as permissions from invitations where id = $1 and accepted_at is null and revoked_at is null;
deallocate contract;

-- find open invitation
prepare contract (bytea) as select id, email, name, roles from invitations where token_hash = $1 and accepted_at is null and revoked_at is null and expires_at > now();
deallocate contract;

-- find password
prepare contract (int8) as select password from users where id = $1 and deleted_at is null;
deallocate contract;

-- find position
prepare contract as select pg_current_wal_insert_lsn() as position;
deallocate contract;

-- find refusal of invitation
prepare contract (text, _text, _text) as select not exists ( select from roles cross join unnest(roles.permissions) as needed where roles.name = any($2) and needed <> all($3) ) as is_grantable, exists (select from users where users.email = $1 and users.deleted_at is null and not (users.is_self_registered and users.email_verified_at is null)) as is_taken;
deallocate contract;

-- find refusal of rotation
prepare contract (int8, int8) as select id from api_keys where id = $1 and user_id = $2 and revoked_at is null and expires_at > now();
deallocate contract;

-- find restorable account
prepare contract (bytea) as select users.email from account_deletions join users on users.id = account_deletions.user_id where account_deletions.restore_hash = $1 and account_deletions.ended_at is null and account_deletions.due_at > now() and not users.is_active and users.deleted_at is null;
deallocate contract;

-- find session
prepare contract (uuid) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, sessions.refresh_hash, sessions.refresh_counter, sessions.methods, coalesce(sessions.authenticated_at, sessions.created_at) as authenticated_at, sessions.refreshed_at as issued_at, extract(epoch from now() - sessions.refreshed_at)::double precision as age, sessions.ended_at is null and sessions.expires_at > now() and users.is_active and users.deleted_at is null as is_alive from sessions join users on users.id = sessions.user_id where sessions.id = $1;
deallocate contract;

-- find standing
prepare contract as select pg_is_in_recovery() as is_replica, system.system_identifier || '/' || pg_database.oid as database, case when pg_is_in_recovery() then greatest(checkpoint.timeline_id, recovery.min_recovery_end_timeline) else ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::integer end as timeline, case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end as position, case when pg_is_in_recovery() then pg_last_xact_replay_timestamp() else clock_timestamp() end as time from pg_database cross join pg_control_system() as system cross join pg_control_checkpoint() as checkpoint cross join pg_control_recovery() as recovery where pg_database.datname = current_database();
deallocate contract;

-- find subject
prepare contract (int8) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, array( select distinct permission from roles cross join unnest(roles.permissions) as permission where roles.name = any(users.roles) ) as permissions from users where id = $1 and deleted_at is null;
deallocate contract;

-- find user
prepare contract (int8) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where id = $1 and deleted_at is null;
deallocate contract;

-- forget deletions
prepare contract (int8) as delete from account_deletions where user_id in ( select user_id from account_deletions where ended_at < now() - interval '1 day' order by ended_at limit $1 ) and ended_at < now() - interval '1 day' returning user_id;
deallocate contract;

-- forget email changes
prepare contract (int8) as delete from email_changes where user_id in ( select user_id from email_changes where expires_at < now() - interval '1 day' order by expires_at limit $1 ) and expires_at < now() - interval '1 day' returning user_id;
deallocate contract;

-- forget invitations
prepare contract (int8) as delete from invitations where id in ( select id from invitations where expires_at < now() - interval '30 days' order by expires_at limit $1 ) and expires_at < now() - interval '30 days' returning id;
deallocate contract;

-- forget keys
prepare contract (int8) as delete from api_keys where id in ( select id from api_keys where least(expires_at, revoked_at) < now() - interval '90 days' order by least(expires_at, revoked_at) limit $1 ) and least(expires_at, revoked_at) < now() - interval '90 days' returning id;
deallocate contract;

-- forget limits
prepare contract (int8) as with rates as ( delete from request_rates where key in (select key from request_rates where full_at < now() limit $1) and full_at < now() returning key ), tries as ( delete from credential_tries where key in (select key from credential_tries where over_at < now() order by over_at limit $1) and over_at < now() returning key ) select key from rates union all select key from tries;
deallocate contract;

-- forget secrets
prepare contract (int8) as delete from one_time_secrets where (purpose, subject) in ( select purpose, subject from one_time_secrets where expires_at < now() - interval '1 day' order by expires_at limit $1 ) and expires_at < now() - interval '1 day' returning purpose;
deallocate contract;

-- forgive tries
prepare contract (_bytea) as delete from credential_tries where key in ( select key from credential_tries where key = any ($1) order by array_position($1, key) for update ) returning key;
deallocate contract;

-- give mail up
prepare contract (int8, int4, int8, text, text, jsonb, inet, text, text, uuid) as with change as ( delete from mails where id = $1 and attempts = $2 returning user_id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $3, $4, $5, change.entity_id, $6, $7, $8, $9, $10 from change ) select change.* from change;
deallocate contract;

-- insert invitation
prepare contract (text, text, _text, int8, bytea, int4, _text, int8, text, text, jsonb, inet, text, text, uuid, _text, bytea) as with change as ( insert into invitations ( email, name, roles, invited_by, token_hash, expires_at ) select $1, $2, $3, $4, $5, now() + make_interval(days => $6) where not exists ( select from roles cross join unnest(roles.permissions) as needed where roles.name = any($3) and needed <> all($7) ) and not exists (select from users where users.email = $1 and users.deleted_at is null and not (users.is_self_registered and users.email_verified_at is null)) on conflict (email) where accepted_at is null and revoked_at is null do update set name = excluded.name, roles = excluded.roles, invited_by = excluded.invited_by, token_hash = excluded.token_hash, created_at = now(), expires_at = excluded.expires_at where invitations.expires_at <= now() returning invitations.id, invitations.email, invitations.name, invitations.roles, invitations.invited_by, invitations.created_at, invitations.expires_at, case when invitations.accepted_at is not null then 'accepted' when invitations.revoked_at is not null then 'revoked' when invitations.expires_at <= now() then 'expired' else 'pending' end as state, invitations.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $8, $9, $10, change.entity_id, $11, $12, $13, $14, $15 from change where check_author($8, $15, $16) ), mail as ( insert into mails ( user_id, sealed ) select null, $17 from change ) select change.* from change;
deallocate contract;

-- insert key
prepare contract (int8, text, _text, bytea, int4, uuid, int8, text, text, jsonb, inet, text, text, uuid, _text, bytea) as with change as ( insert into api_keys ( user_id, name, scopes, secret_hash, expires_at ) values ($1, $2, $3, $4, now() + make_interval(days => $5)) returning api_keys.id, api_keys.name, api_keys.scopes, api_keys.created_at, api_keys.expires_at, api_keys.last_used_at, api_keys.rotated_at, api_keys.previous_until, api_keys.id as entity_id, $6::uuid as salt ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $7, $8, $9, change.entity_id, $10, $11, $12, $13, $14 from change where check_author($7, $14, $15) ), mail as ( insert into mails ( user_id, sealed ) select null, $16 from change ) select change.* from change;
deallocate contract;

-- insert key
prepare contract (int8, text, _text, bytea, int4, uuid, int8, text, text, jsonb, inet, text, text, uuid, _bytea, bytea, _text, bytea) as with change as ( insert into api_keys ( user_id, name, scopes, secret_hash, expires_at ) values ($1, $2, $3, $4, now() + make_interval(days => $5)) returning api_keys.id, api_keys.name, api_keys.scopes, api_keys.created_at, api_keys.expires_at, api_keys.last_used_at, api_keys.rotated_at, api_keys.previous_until, api_keys.id as entity_id, $6::uuid as salt ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $7, $8, $9, change.entity_id, $10, $11, $12, $13, $14 from change where check_author($7, $14, $17) ), remembered as ( insert into idempotency_keys ( key, request, outcome ) select key, $16, to_jsonb(change) from change cross join unnest($15) as key ), mail as ( insert into mails ( user_id, sealed ) select null, $18 from change ) select change.* from change;
deallocate contract;

-- insert user
prepare contract (text, text, text, _text, bool, text, _text, int8, text, text, jsonb, inet, text, text, uuid, _text) as with change as ( insert into users ( name, email, password, roles, is_active, avatar_url ) select $1, $2, $3, $4, $5, $6 where not exists ( select from roles cross join unnest(roles.permissions) as needed where roles.name = any($4) and needed <> all($7) ) returning users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, users.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $8, $9, $10, change.entity_id, $11, $12, $13, $14, $15 from change where check_author($8, $15, $16) ) select change.* from change;
deallocate contract;

-- insert user
prepare contract (text, text, text, _text, bool, text, _text, int8, text, text, jsonb, inet, text, text, uuid, _bytea, bytea, _text) as with change as ( insert into users ( name, email, password, roles, is_active, avatar_url ) select $1, $2, $3, $4, $5, $6 where not exists ( select from roles cross join unnest(roles.permissions) as needed where roles.name = any($4) and needed <> all($7) ) returning users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, users.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $8, $9, $10, change.entity_id, $11, $12, $13, $14, $15 from change where check_author($8, $15, $18) ), remembered as ( insert into idempotency_keys ( key, request, outcome ) select key, $17, to_jsonb(change) from change cross join unnest($16) as key ) select change.* from change;
deallocate contract;

-- list audit logs
prepare contract (text) as select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where true and action = $1 order by created_at desc, id desc limit 21;
deallocate contract;

-- list audit logs
prepare contract (int8) as select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where true and actor_id = $1 order by created_at desc, id desc limit 21;
deallocate contract;

-- list audit logs
prepare contract (timestamptz) as select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where true and created_at < $1 order by created_at desc, id desc limit 21;
deallocate contract;

-- list audit logs
prepare contract (timestamptz, int8) as select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where true and created_at <= $1 and (created_at, id) < ($1, $2) order by created_at desc, id desc limit 2;
deallocate contract;

-- list audit logs
prepare contract (timestamptz) as select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where true and created_at >= $1 order by created_at desc, id desc limit 21;
deallocate contract;

-- list audit logs
prepare contract (text) as select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where true and entity = $1 order by created_at desc, id desc limit 21;
deallocate contract;

-- list audit logs
prepare contract (int8) as select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where true and entity_id = $1 order by created_at desc, id desc limit 21;
deallocate contract;

-- list audit logs
prepare contract as select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where true order by created_at desc, id desc limit 2;
deallocate contract;

-- list invitations
prepare contract (timestamptz, int8) as select invitations.id, invitations.email, invitations.name, invitations.roles, invitations.invited_by, invitations.created_at, invitations.expires_at, case when invitations.accepted_at is not null then 'accepted' when invitations.revoked_at is not null then 'revoked' when invitations.expires_at <= now() then 'expired' else 'pending' end as state from invitations where (created_at, id) < ($1, $2) order by created_at desc, id desc limit 2;
deallocate contract;

-- list invitations
prepare contract as select invitations.id, invitations.email, invitations.name, invitations.roles, invitations.invited_by, invitations.created_at, invitations.expires_at, case when invitations.accepted_at is not null then 'accepted' when invitations.revoked_at is not null then 'revoked' when invitations.expires_at <= now() then 'expired' else 'pending' end as state from invitations where true order by created_at desc, id desc limit 2;
deallocate contract;

-- list keys
prepare contract (int8, int8) as select api_keys.id, api_keys.name, api_keys.scopes, api_keys.created_at, api_keys.expires_at, api_keys.last_used_at, api_keys.rotated_at, api_keys.previous_until from api_keys where user_id = $1 and revoked_at is null and expires_at > now() order by created_at desc, id desc limit $2;
deallocate contract;

-- list own audit logs
prepare contract (int8, text, timestamptz, int8) as select distinct on (created_at, id) id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from ( ( select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where actor_id = $1 and created_at <= $3 and (created_at, id) < ($3, $4) order by created_at desc, id desc limit 2 ) union all ( select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where entity = $2 and entity_id = $1 and created_at <= $3 and (created_at, id) < ($3, $4) order by created_at desc, id desc limit 2 ) ) as trail order by created_at desc, id desc limit 2;
deallocate contract;

-- list own audit logs
prepare contract (int8, text) as select distinct on (created_at, id) id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from ( ( select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where actor_id = $1 order by created_at desc, id desc limit 101 ) union all ( select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where entity = $2 and entity_id = $1 order by created_at desc, id desc limit 101 ) ) as trail order by created_at desc, id desc limit 101;
deallocate contract;

-- list own audit logs
prepare contract (int8, text) as select distinct on (created_at, id) id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from ( ( select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where actor_id = $1 order by created_at desc, id desc limit 2 ) union all ( select id, actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id, created_at from audit_logs where entity = $2 and entity_id = $1 order by created_at desc, id desc limit 2 ) ) as trail order by created_at desc, id desc limit 2;
deallocate contract;

-- list roles
prepare contract as select name, description, permissions, is_built_in from roles order by name;
deallocate contract;

-- list sessions
prepare contract (int8, int4, int8) as select id, created_at, refreshed_at as last_seen_at, least(expires_at, refreshed_at + make_interval(days => $2)) as expires_at, ip, user_agent from sessions where user_id = $1 and ended_at is null and expires_at > now() and refreshed_at > now() - make_interval(days => $2) order by refreshed_at desc, id limit $3;
deallocate contract;

-- list users
prepare contract (timestamptz, int8) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null and (created_at, id) < ($1, $2) order by created_at desc, id desc limit 2;
deallocate contract;

-- list users
prepare contract (timestamptz, int8) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null and (created_at, id) > ($1, $2) order by created_at asc, id asc limit 2;
deallocate contract;

-- list users
prepare contract (text, int8) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null and (name, id) < ($1, $2) order by name desc, id desc limit 2;
deallocate contract;

-- list users
prepare contract (text, int8) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null and (name, id) > ($1, $2) order by name asc, id asc limit 2;
deallocate contract;

-- list users
prepare contract (timestamptz) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null and created_at < $1 order by created_at desc, id desc limit 21;
deallocate contract;

-- list users
prepare contract (timestamptz) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null and created_at >= $1 order by created_at desc, id desc limit 21;
deallocate contract;

-- list users
prepare contract (text) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null and email < $1 order by email desc limit 2;
deallocate contract;

-- list users
prepare contract (text) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null and email = $1 order by created_at desc, id desc limit 21;
deallocate contract;

-- list users
prepare contract (text) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null and email > $1 order by email asc limit 2;
deallocate contract;

-- list users
prepare contract (int8) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null and id < $1 order by id desc limit 2;
deallocate contract;

-- list users
prepare contract (int8) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null and id > $1 order by id asc limit 2;
deallocate contract;

-- list users
prepare contract (bool) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null and is_active = $1 order by created_at desc, id desc limit 21;
deallocate contract;

-- list users
prepare contract (_text) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null and roles @> $1 order by created_at desc, id desc limit 21;
deallocate contract;

-- list users
prepare contract as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null order by created_at asc, id asc limit 2;
deallocate contract;

-- list users
prepare contract as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null order by created_at desc, id desc limit 2;
deallocate contract;

-- list users
prepare contract as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null order by created_at desc, id desc limit 21;
deallocate contract;

-- list users
prepare contract as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null order by email asc limit 2;
deallocate contract;

-- list users
prepare contract as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null order by email desc limit 2;
deallocate contract;

-- list users
prepare contract as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null order by id asc limit 2;
deallocate contract;

-- list users
prepare contract as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null order by id desc limit 2;
deallocate contract;

-- list users
prepare contract as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null order by name asc, id asc limit 2;
deallocate contract;

-- list users
prepare contract as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where deleted_at is null order by name desc, id desc limit 2;
deallocate contract;

-- put mail off
prepare contract (int8, int4) as update mails set due_at = now() + least(interval '1 minute' * power(2, least($2 - 1, 10)), interval '6 hours') where id = $1 and attempts = $2;
deallocate contract;

-- record export
prepare contract (int8, int8, text, text, jsonb, inet, text, text, uuid, _text) as with change as (select $1::bigint as entity_id), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $2, $3, $4, change.entity_id, $5, $6, $7, $8, $9 from change where check_author($2, $9, $10) ) select change.* from change;
deallocate contract;

-- record failure
prepare contract (int8, int8, text, text, jsonb, inet, text, text, uuid) as with change as (select $1::bigint as entity_id), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $2, $3, $4, change.entity_id, $5, $6, $7, $8, $9 from change ) select change.* from change;
deallocate contract;

-- record reading
prepare contract (int8, text, text, jsonb, inet, text, text, uuid, _text) as with change as (select null::bigint as entity_id), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $1, $2, $3, change.entity_id, $4, $5, $6, $7, $8 from change where check_author($1, $8, $9) ) select change.* from change;
deallocate contract;

-- record refusal
prepare contract (int8, text, text, jsonb, inet, text, text, uuid) as with change as (select null::bigint as entity_id), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $1, $2, $3, change.entity_id, $4, $5, $6, $7, $8 from change ) select change.* from change;
deallocate contract;

-- record refused email change
prepare contract (int8, text, text, jsonb, inet, text, text, uuid) as with change as (select null::bigint as entity_id), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $1, $2, $3, change.entity_id, $4, $5, $6, $7, $8 from change ) select change.* from change;
deallocate contract;

-- record refused invitation
prepare contract (int8, text, text, jsonb, inet, text, text, uuid) as with change as (select null::bigint as entity_id), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $1, $2, $3, change.entity_id, $4, $5, $6, $7, $8 from change ) select change.* from change;
deallocate contract;

-- record refused password
prepare contract (int8, int8, text, text, jsonb, inet, text, text, uuid, _text) as with change as (select $1::bigint as entity_id), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $2, $3, $4, change.entity_id, $5, $6, $7, $8, $9 from change where check_author($2, $9, $10) ) select change.* from change;
deallocate contract;

-- record refused restore
prepare contract (int8, text, text, jsonb, inet, text, text, uuid) as with change as (select null::bigint as entity_id), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $1, $2, $3, change.entity_id, $4, $5, $6, $7, $8 from change ) select change.* from change;
deallocate contract;

-- register
prepare contract (text, text, text, text, text, bytea, bytea, int4, int4, _text, int8, text, text, jsonb, inet, text, text, uuid, bytea, bytea) as with made as ( insert into users ( name, email, password, is_self_registered ) values ($1, $2, $3, true) on conflict (email) where deleted_at is null do update set name = excluded.name, password = excluded.password, version = users.version + 1, updated_at = now() where users.is_self_registered and users.email_verified_at is null and users.is_active returning id as user_id, email as address ), holder as ( select user_id, address from made union all select null, null where not exists (select from made) ), secret as ( insert into one_time_secrets ( purpose, subject, user_id, address, secret_hash, code_hash, expires_at, code_expires_at ) select $4, $5, holder.user_id, holder.address, $6, $7, now() + make_interval(mins => $8), now() + make_interval(mins => $9) from holder on conflict (purpose, subject) do update set user_id = excluded.user_id, address = excluded.address, secret_hash = excluded.secret_hash, code_hash = excluded.code_hash, tries = 0, created_at = now(), expires_at = excluded.expires_at, code_expires_at = excluded.code_expires_at, used_at = null ), replaced as ( update one_time_secrets set used_at = now() where purpose = $4 and subject = any ($10) and used_at is null ), change as ( select coalesce( holder.user_id, (select id from users where email = $2 and deleted_at is null) ) as entity_id, holder.user_id is not null as is_usual from holder ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $11, $12, $13, change.entity_id, $14, $15, $16, $17, $18 from change ), mail as ( insert into mails ( user_id, sealed ) select change.entity_id, case when change.is_usual then $19 else $20 end from change ) select change.* from change;
deallocate contract;

-- remove due accounts
prepare contract (int8, int8, text, text, jsonb, inet, text, text, uuid) as with due as ( select users.id from account_deletions join users on users.id = account_deletions.user_id where account_deletions.ended_at is null and account_deletions.due_at <= now() and not users.is_active and users.deleted_at is null order by account_deletions.due_at limit $1 for no key update of users skip locked ), ended as ( update account_deletions set ended_at = now() from due where account_deletions.user_id = due.id and account_deletions.ended_at is null and account_deletions.due_at <= now() returning account_deletions.user_id ), change as ( update users set deleted_at = now(), version = users.version + 1, updated_at = now() from ended where users.id = ended.user_id returning users.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $2, $3, $4, change.entity_id, $5, $6, $7, $8, $9 from change ) select change.* from change;
deallocate contract;

-- remove mail
prepare contract (int8) as delete from mails where id = $1;
deallocate contract;

-- request deletion
prepare contract (int8, text, int4, bytea, int8, text, text, jsonb, inet, text, text, uuid, _text, bytea) as with account as ( select id from users where id = $1 and password = $2 and is_active and deleted_at is null for no key update ), deletion as ( insert into account_deletions ( user_id, due_at, restore_hash ) select account.id, now() + make_interval(days => $3), $4 from account on conflict (user_id) do update set due_at = excluded.due_at, restore_hash = excluded.restore_hash, created_at = now(), ended_at = null returning user_id ), change as ( update users set is_active = false, version = users.version + 1, updated_at = now() from deletion where users.id = deletion.user_id returning users.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $5, $6, $7, change.entity_id, $8, $9, $10, $11, $12 from change where check_author($5, $12, $13) ), mail as ( insert into mails ( user_id, sealed ) select change.entity_id, $14 from change ) select change.* from change;
deallocate contract;

-- request email change
prepare contract (int8, text, text, uuid, bytea, bytea, bytea, int4, int8, text, text, jsonb, inet, text, text, uuid, _text, bytea, bytea, bytea) as with account as ( select id, email from users where id = $1 and password = $3 and email <> $2 and is_active and deleted_at is null for no key update ), change as ( insert into email_changes ( user_id, old_email, new_email, session_id, old_hash, new_hash, cancel_hash, expires_at ) select account.id, account.email, $2, $4, $5, $6, $7, now() + make_interval(hours => $8) from account on conflict (user_id) do update set old_email = excluded.old_email, new_email = excluded.new_email, session_id = excluded.session_id, old_hash = excluded.old_hash, new_hash = excluded.new_hash, cancel_hash = excluded.cancel_hash, old_confirmed_at = null, new_confirmed_at = null, created_at = now(), expires_at = excluded.expires_at, ended_at = null returning email_changes.user_id as entity_id, not exists (select from users where email = $2 and deleted_at is null) as is_usual ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $9, $10, $11, change.entity_id, $12, $13, $14, $15, $16 from change where check_author($9, $16, $17) ), mail as ( insert into mails ( user_id, sealed ) select change.entity_id, case when change.is_usual then $18 else $19 end from change union all select change.entity_id, $20 from change ) select change.* from change;
deallocate contract;

-- resend invitation
prepare contract (int8, bytea, int4, _text, int8, text, text, jsonb, inet, text, text, uuid, _text, bytea) as with change as ( update invitations set token_hash = $2, expires_at = now() + make_interval(days => $3) where id = $1 and accepted_at is null and revoked_at is null and not exists ( select from roles cross join unnest(roles.permissions) as needed where roles.name = any(invitations.roles) and needed <> all($4) ) returning invitations.id, invitations.email, invitations.name, invitations.roles, invitations.invited_by, invitations.created_at, invitations.expires_at, case when invitations.accepted_at is not null then 'accepted' when invitations.revoked_at is not null then 'revoked' when invitations.expires_at <= now() then 'expired' else 'pending' end as state, invitations.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $5, $6, $7, change.entity_id, $8, $9, $10, $11, $12 from change where check_author($5, $12, $13) ), mail as ( insert into mails ( user_id, sealed ) select null, $14 from change ) select change.* from change;
deallocate contract;

-- reset password
prepare contract (text, _bytea, _text, text, _bytea, int8, text, text, jsonb, inet, text, text, uuid, bytea) as with secret as ( update one_time_secrets set used_at = now() where purpose = $1 and used_at is null and user_id is not null and ( ($3 is null and secret_hash = any ($2) and expires_at > now()) or (subject = any ($3) and code_hash = any ($2) and code_expires_at > now()) ) returning one_time_secrets.user_id, one_time_secrets.address ), change as ( update users set password = $4, password_changed_at = now(), email_verified_at = coalesce(users.email_verified_at, now()) from secret where users.id = secret.user_id and users.email = secret.address and users.is_active and users.deleted_at is null returning users.id as entity_id ), forgiven as ( delete from credential_tries where exists (select from change) and key in ( select key from credential_tries where key = any ($5) order by array_position($5, key) for update ) ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $6, $7, $8, change.entity_id, $9, $10, $11, $12, $13 from change ), mail as ( insert into mails ( user_id, sealed ) select change.entity_id, $14 from change ) select change.* from change;
deallocate contract;

-- restore account
prepare contract (bytea, int8, text, text, jsonb, inet, text, text, uuid, bytea) as with account as ( select users.id from account_deletions join users on users.id = account_deletions.user_id where account_deletions.restore_hash = $1 and account_deletions.ended_at is null and account_deletions.due_at > now() and not users.is_active and users.deleted_at is null for no key update of users ), restored as ( update account_deletions set ended_at = now() from account where account_deletions.user_id = account.id and account_deletions.restore_hash = $1 and account_deletions.ended_at is null and account_deletions.due_at > now() returning account_deletions.user_id ), change as ( update users set is_active = true, version = users.version + 1, updated_at = now() from restored where users.id = restored.user_id returning users.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $2, $3, $4, change.entity_id, $5, $6, $7, $8, $9 from change ), mail as ( insert into mails ( user_id, sealed ) select change.entity_id, $10 from change ) select change.* from change;
deallocate contract;

-- revoke invitation
prepare contract (int8, _text, int8, text, text, jsonb, inet, text, text, uuid, _text) as with change as ( update invitations set revoked_at = now() where id = $1 and accepted_at is null and revoked_at is null and not exists ( select from roles cross join unnest(roles.permissions) as needed where roles.name = any(invitations.roles) and needed <> all($2) ) returning invitations.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $3, $4, $5, change.entity_id, $6, $7, $8, $9, $10 from change where check_author($3, $10, $11) ) select change.* from change;
deallocate contract;

-- revoke key
prepare contract (int8, int8, int8, text, text, jsonb, inet, text, text, uuid, _text) as with change as ( update api_keys set revoked_at = now() where id = $1 and user_id = $2 and revoked_at is null and expires_at > now() returning api_keys.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $3, $4, $5, change.entity_id, $6, $7, $8, $9, $10 from change where check_author($3, $10, $11) ) select change.* from change;
deallocate contract;

-- rotate key
prepare contract (int8, int8, bytea, int4, int4, uuid, int8, text, text, jsonb, inet, text, text, uuid, _text) as with seen as materialized ( select id, secret_hash from api_keys where id = $1 and user_id = $2 ), change as ( update api_keys set secret_hash = $3, previous_hash = api_keys.secret_hash, previous_until = now() + make_interval(hours => $4), rotated_at = now(), expires_at = case when $5::integer is null then api_keys.expires_at else now() + make_interval(days => $5) end from seen where api_keys.id = seen.id and api_keys.secret_hash = seen.secret_hash and api_keys.revoked_at is null and api_keys.expires_at > now() returning api_keys.id, api_keys.name, api_keys.scopes, api_keys.created_at, api_keys.expires_at, api_keys.last_used_at, api_keys.rotated_at, api_keys.previous_until, api_keys.id as entity_id, $6::uuid as salt ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $7, $8, $9, change.entity_id, $10, $11, $12, $13, $14 from change where check_author($7, $14, $15) ) select change.* from change;
deallocate contract;

-- rotate session
prepare contract (uuid, bytea, bytea, int4, int8, text, text, jsonb, inet, text, text, uuid) as with change as ( update sessions set refresh_hash = $3, refresh_counter = refresh_counter + 1, refreshed_at = now() from users where sessions.id = $1 and sessions.refresh_hash = $2 and sessions.ended_at is null and sessions.expires_at > now() and sessions.refreshed_at > now() - make_interval(days => $4) and users.id = sessions.user_id and users.is_active and users.deleted_at is null returning users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, sessions.methods, coalesce(sessions.authenticated_at, sessions.created_at) as authenticated_at, sessions.refreshed_at as issued_at, users.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select change.entity_id, $6, $7, change.entity_id, $8, $9, $10, $11, $12 from change ) select change.* from change;
deallocate contract;

-- rotate session
prepare contract (uuid, bytea, bytea, int4, int8, text, text, jsonb, inet, text, text, uuid, _bytea, bytea) as with change as ( update sessions set refresh_hash = $3, refresh_counter = refresh_counter + 1, refreshed_at = now() from users where sessions.id = $1 and sessions.refresh_hash = $2 and sessions.ended_at is null and sessions.expires_at > now() and sessions.refreshed_at > now() - make_interval(days => $4) and users.id = sessions.user_id and users.is_active and users.deleted_at is null returning users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, sessions.methods, coalesce(sessions.authenticated_at, sessions.created_at) as authenticated_at, sessions.refreshed_at as issued_at, users.id as entity_id ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select change.entity_id, $6, $7, change.entity_id, $8, $9, $10, $11, $12 from change ), remembered as ( insert into idempotency_keys ( key, request, outcome ) select key, $14, to_jsonb(change) from change cross join unnest($13) as key ) select change.* from change;
deallocate contract;

-- run maintenance
prepare contract (int8, text, text, jsonb, inet, text, text, uuid) as select analyzed, partitions, dropped, forgotten, sessions, remaining from run_maintenance($1, $2, $3, $4, $5, $6, $7, $8);
deallocate contract;

-- search users
prepare contract (text, text, int8) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, page.is_end from ( with walked as materialized ( select id, (lower(name) like lower($2) or email like lower($2)) as is_hit from users where deleted_at is null order by created_at desc, id desc limit 4000 ), near as materialized ( select * from walked limit 500 ), glance as materialized ( select id from near where is_hit and (select deleted_at is null from users where users.id = near.id) limit $3 ), rare as materialized ( select found.* from user_search_steps($1) as step cross join lateral ( select id, created_at as key, (lower(name) like lower($2) or email like lower($2)) and deleted_at is null as is_match from users where user_grams(id, name, email) @@ step and deleted_at is null ) as found limit 1500 + 1 ), sample as materialized ( select id from (select id from near limit 100) as near where (select deleted_at is null from users where users.id = near.id) ), narrow as materialized ( select id, created_at as key, (lower(name) like lower($2) or email like lower($2)) as is_match from users where deleted_at is null order by created_at, id limit 1000 + 1 ), chosen as materialized ( select case when false then 'walk' when (select count(*) from glance) = $3 then 'glance' when (select count(*) from near) < 500 then 'glance' when (select count(*) from near where is_hit) < 3 and (select count(*) from rare) <= 1500 then 'rare' when false and (select count(*) from sample) < 2 and (select count(*) from narrow) <= 1000 then 'narrow' else 'walk' end as way ), hits as materialized ( select id from walked where is_hit limit 4000 ), walk as materialized ( select id from hits where (select way from chosen) = 'walk' and (select deleted_at is null from users where users.id = hits.id) limit $3 ) select id, false from glance where (select way from chosen) = 'glance' union all ( select id, false from rare where (select way from chosen) = 'rare' and is_match order by key desc, id desc limit $3 ) union all ( select id, false from narrow where (select way from chosen) = 'narrow' and is_match order by key desc, id desc limit $3 ) union all select id, false from walk union all select coalesce( (select id from hits offset 4000 - 1), (select id from walked offset 4000 - 1) ), true where (select way from chosen) = 'walk' and (select count(*) from walk) < $3 ) as page (id, is_end) join users on users.id = page.id order by created_at desc, id desc, is_end;
deallocate contract;

-- search users
prepare contract (text, text, int8) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, page.is_end from ( with walked as materialized ( select id, (lower(name) like lower($2) or email like lower($2)) as is_hit from users where deleted_at is null order by name desc, id desc limit 4000 ), near as materialized ( select * from walked limit 500 ), glance as materialized ( select id from near where is_hit and (select deleted_at is null from users where users.id = near.id) limit $3 ), rare as materialized ( select found.* from user_search_steps($1) as step cross join lateral ( select id, name as key, (lower(name) like lower($2) or email like lower($2)) and deleted_at is null as is_match from users where user_grams(id, name, email) @@ step and deleted_at is null ) as found limit 1500 + 1 ), sample as materialized ( select id from (select id from near limit 100) as near where (select deleted_at is null from users where users.id = near.id) ), narrow as materialized ( select id, name as key, (lower(name) like lower($2) or email like lower($2)) as is_match from users where deleted_at is null order by created_at, id limit 1000 + 1 ), chosen as materialized ( select case when false then 'walk' when (select count(*) from glance) = $3 then 'glance' when (select count(*) from near) < 500 then 'glance' when (select count(*) from near where is_hit) < 3 and (select count(*) from rare) <= 1500 then 'rare' when false and (select count(*) from sample) < 2 and (select count(*) from narrow) <= 1000 then 'narrow' else 'walk' end as way ), hits as materialized ( select id from walked where is_hit limit 4000 ), walk as materialized ( select id from hits where (select way from chosen) = 'walk' and (select deleted_at is null from users where users.id = hits.id) limit $3 ) select id, false from glance where (select way from chosen) = 'glance' union all ( select id, false from rare where (select way from chosen) = 'rare' and is_match order by key desc, id desc limit $3 ) union all ( select id, false from narrow where (select way from chosen) = 'narrow' and is_match order by key desc, id desc limit $3 ) union all select id, false from walk union all select coalesce( (select id from hits offset 4000 - 1), (select id from walked offset 4000 - 1) ), true where (select way from chosen) = 'walk' and (select count(*) from walk) < $3 ) as page (id, is_end) join users on users.id = page.id order by name desc, id desc, is_end;
deallocate contract;

-- search users
prepare contract (timestamptz, bool, _text, text, text, text, int8) as select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at, page.is_end from ( with walked as materialized ( select id, (lower(name) like lower($6) or email like lower($6)) as is_hit from users where deleted_at is null and created_at >= $1 order by created_at desc, id desc limit 4000 ), near as materialized ( select * from walked limit 500 ), glance as materialized ( select id from near where is_hit and (select deleted_at is null and created_at >= $1 and is_active = $2 and roles @> (select $3::text[]) and email = $4 from users where users.id = near.id) limit $7 ), rare as materialized ( select found.* from user_search_steps($5) as step cross join lateral ( select id, created_at as key, (lower(name) like lower($6) or email like lower($6)) and deleted_at is null and created_at >= $1 and is_active = $2 and roles @> (select $3::text[]) and email = $4 as is_match from users where user_grams(id, name, email) @@ step and deleted_at is null ) as found limit 1500 + 1 ), sample as materialized ( select id from (select id from near limit 100) as near where (select deleted_at is null and created_at >= $1 and is_active = $2 and roles @> (select $3::text[]) and email = $4 from users where users.id = near.id) ), narrow as materialized ( select id, created_at as key, (lower(name) like lower($6) or email like lower($6)) as is_match from users where deleted_at is null and created_at >= $1 and is_active = $2 and roles @> (select $3::text[]) and email = $4 limit 1000 + 1 ), chosen as materialized ( select case when false then 'walk' when (select count(*) from glance) = $7 then 'glance' when (select count(*) from near) < 500 then 'glance' when (select count(*) from near where is_hit) < 3 and (select count(*) from rare) <= 1500 then 'rare' when true and (select count(*) from sample) < 2 and (select count(*) from narrow) <= 1000 then 'narrow' else 'walk' end as way ), hits as materialized ( select id from walked where is_hit limit 1500 ), walk as materialized ( select id from hits where (select way from chosen) = 'walk' and (select deleted_at is null and created_at >= $1 and is_active = $2 and roles @> (select $3::text[]) and email = $4 from users where users.id = hits.id) limit $7 ) select id, false from glance where (select way from chosen) = 'glance' union all ( select id, false from rare where (select way from chosen) = 'rare' and is_match order by key desc, id desc limit $7 ) union all ( select id, false from narrow where (select way from chosen) = 'narrow' and is_match order by key desc, id desc limit $7 ) union all select id, false from walk union all select coalesce( (select id from hits offset 1500 - 1), (select id from walked offset 4000 - 1) ), true where (select way from chosen) = 'walk' and (select count(*) from walk) < $7 ) as page (id, is_end) join users on users.id = page.id order by created_at desc, id desc, is_end;
deallocate contract;

-- start session
prepare contract (uuid, int8, bytea, text, int4, inet, text, text, _text, int8, text, text, jsonb, inet, text, text, uuid) as with account as ( select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where id = $2 and password = $4 and is_active and deleted_at is null and not (users.is_self_registered and users.email_verified_at is null) for no key update ), session as ( insert into sessions ( id, user_id, refresh_hash, expires_at, ip, user_agent, methods ) select $1, account.id, $3, now() + make_interval(days => $5), $6, $7, $9 from account returning id as session_id, created_at, methods ), rehashed as ( update users set password = $8 from account where users.id = account.id and $8 is not null ), change as ( select account.*, account.id as entity_id, session.session_id, session.methods, session.created_at as authenticated_at, session.created_at as issued_at from account cross join session ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $10, $11, $12, change.entity_id, $13, $14, $15, $16, $17 from change ) select change.* from change;
deallocate contract;

-- start session
prepare contract (uuid, int8, bytea, text, int4, inet, text, text, _text, int8, text, text, jsonb, inet, text, text, uuid, _bytea, bytea) as with account as ( select users.id, users.name, users.email, users.roles, users.is_active, users.avatar_url, users.version, users.created_at, users.updated_at from users where id = $2 and password = $4 and is_active and deleted_at is null and not (users.is_self_registered and users.email_verified_at is null) for no key update ), session as ( insert into sessions ( id, user_id, refresh_hash, expires_at, ip, user_agent, methods ) select $1, account.id, $3, now() + make_interval(days => $5), $6, $7, $9 from account returning id as session_id, created_at, methods ), rehashed as ( update users set password = $8 from account where users.id = account.id and $8 is not null ), change as ( select account.*, account.id as entity_id, session.session_id, session.methods, session.created_at as authenticated_at, session.created_at as issued_at from account cross join session ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $10, $11, $12, change.entity_id, $13, $14, $15, $16, $17 from change ), remembered as ( insert into idempotency_keys ( key, request, outcome ) select key, $19, to_jsonb(change) from change cross join unnest($18) as key ) select change.* from change;
deallocate contract;

-- take mails
prepare contract (int8, float8, int4) as update mails set attempts = attempts + 1, due_at = now() + make_interval(secs => $2) where id = any (array( select id from mails where due_at <= now() order by due_at limit $1 for update skip locked )) returning id, attempts, created_at, created_at < now() - make_interval(hours => $3) as is_last, sealed;
deallocate contract;

-- touch key
prepare contract (int8, bytea) as update api_keys set last_used_at = now() where api_keys.id = $1 and (api_keys.secret_hash = $2 or (api_keys.previous_hash = $2 and api_keys.previous_until > now())) and api_keys.revoked_at is null and api_keys.expires_at > now() and (api_keys.last_used_at is null or api_keys.last_used_at < now() - interval '1 hour');
deallocate contract;

-- verify address
prepare contract (text, _bytea, _text, _bytea, int8, text, text, jsonb, inet, text, text, uuid) as with secret as ( update one_time_secrets set used_at = now() where purpose = $1 and used_at is null and user_id is not null and ( ($3 is null and secret_hash = any ($2) and expires_at > now()) or (subject = any ($3) and code_hash = any ($2) and code_expires_at > now()) ) returning one_time_secrets.user_id, one_time_secrets.address ), change as ( update users set email_verified_at = coalesce(users.email_verified_at, now()) from secret where users.id = secret.user_id and users.email = secret.address and users.deleted_at is null returning users.id as entity_id ), forgiven as ( delete from credential_tries where exists (select from change) and key in ( select key from credential_tries where key = any ($4) order by array_position($4, key) for update ) ), entry as ( insert into audit_logs ( actor_id, action, entity, entity_id, payload, ip, user_agent, request_id, session_id ) select $5, $6, $7, change.entity_id, $8, $9, $10, $11, $12 from change ) select change.* from change;
deallocate contract;
