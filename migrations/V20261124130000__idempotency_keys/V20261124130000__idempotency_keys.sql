-- Requests that were done and may be sent again (`Idempotency-Key`): written with the change itself, so that a key is
-- there exactly when its change is.

create table idempotency_keys (
  -- HMAC-SHA-256 of the key and of who sent it, and of what was asked: the table says nothing about either.
  key        bytea       not null,
  request    bytea       not null,
  -- The row that the change returned, from which the same answer is made again. It holds no secret.
  outcome    jsonb       not null,
  created_at timestamptz not null default now(),
  constraint idempotency_keys_pkey primary key (key),
  constraint idempotency_keys_key_check check (octet_length(key) = 32),
  constraint idempotency_keys_request_check check (octet_length(request) = 32)
);

-- Keys are removed when they are a day old.
create index idempotency_keys_created_at_idx on idempotency_keys (created_at);

insert into database_grants (grantee, privileges)
values ('usher_app', 'select, insert on idempotency_keys');

alter table idempotency_keys enable row level security;
create policy idempotency_keys_select on idempotency_keys for select using (true);
-- A key is of the moment of its change.
create policy idempotency_keys_insert on idempotency_keys for insert with check (created_at = now());
