-- Limits against guessing and flooding, counted where all instances see them.
-- lint: allow prefer-bigint-over-int because nobody gets more than a hundred tries

-- Requests of one kind, such as those from one address. Their number matters for minutes, so it may go with a crash: the
-- table is not in the log of the database, and costs no more than a row in memory.
create unlogged table request_rates (
  -- HMAC-SHA-256 of what is limited and of whom: the table says nothing about either.
  key         bytea       not null,
  -- When as many requests are allowed again as ever: each puts it off by its share of the time.
  full_at     timestamptz not null,
  -- Whether the newest request was let through.
  is_admitted boolean     not null,
  -- When a refusal was written into the audit log.
  told_at     timestamptz,
  constraint request_rates_pkey primary key (key),
  constraint request_rates_key_check check (octet_length(key) = 32)
)
-- A row that is written at every request stays on its page.
with (fillfactor = 50);

-- Tries at a credential, which are taken back when one was right.
create table credential_tries (
  -- As above, with the account, and the address or the device where the tries of each are told apart.
  key         bytea       not null,
  tries       integer     not null,
  -- From when on the next try is let through: `-infinity` while there are free ones, `infinity` when there is none left.
  open_at     timestamptz not null,
  -- When the row says nothing any more.
  over_at     timestamptz not null,
  is_admitted boolean     not null,
  told_at     timestamptz,
  constraint credential_tries_pkey primary key (key),
  constraint credential_tries_key_check check (octet_length(key) = 32),
  constraint credential_tries_tries_check check (tries between 1 and 1000000)
);

-- Rows are removed when they are over.
create index credential_tries_over_at_idx on credential_tries (over_at);

insert into database_grants (grantee, privileges)
values
  ('usher_app', 'select, insert, delete on request_rates, credential_tries'),
  ('usher_app', 'update (full_at, is_admitted, told_at) on request_rates'),
  ('usher_app', 'update (tries, open_at, over_at, is_admitted, told_at) on credential_tries');

alter table request_rates enable row level security;
create policy request_rates_select on request_rates for select using (true);
create policy request_rates_insert on request_rates for insert with check (true);
create policy request_rates_update on request_rates for update using (true) with check (true);
-- What still counts is not forgotten.
create policy request_rates_delete on request_rates for delete using (full_at < now());

alter table credential_tries enable row level security;
create policy credential_tries_select on credential_tries for select using (true);
create policy credential_tries_insert on credential_tries for insert with check (tries = 1);
create policy credential_tries_update on credential_tries for update using (true) with check (true);
create policy credential_tries_delete on credential_tries for delete using (true);

select grant_privileges();
