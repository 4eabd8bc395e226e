-- Mails that are to be sent: written with the change that causes them, so that a mail is there exactly when its change is,
-- and sent after the answer.
-- lint: allow prefer-bigint-over-int because a mail is given up after a day, long before so many attempts

create table mails (
  id         bigint      not null generated always as identity,
  -- Whom it is about; nobody for one that only takes the time of a mail.
  user_id    bigint,
  -- Recipient, template and values, under a key that the database does not have: a dump holds no link, code or address.
  sealed     bytea       not null,
  attempts   integer     not null default 0,
  created_at timestamptz not null default now(),
  -- When it is to be tried next. Who takes it moves this ahead, so that nobody else takes it meanwhile.
  due_at     timestamptz not null default now(),
  constraint mails_pkey primary key (id),
  constraint mails_user_id_fkey foreign key (user_id) references users (id),
  constraint mails_sealed_check check (octet_length(sealed) between 28 and 65536)
);

create index mails_due_at_idx on mails (due_at);
create index mails_user_id_idx on mails (user_id);

insert into database_grants (grantee, privileges)
values
  ('usher_app', 'select, insert, delete on mails'),
  ('usher_app', 'update (attempts, due_at) on mails');

alter table mails enable row level security;
create policy mails_select on mails for select using (true);
create policy mails_insert on mails for insert with check (created_at = now() and attempts = 0);
create policy mails_update on mails for update using (true) with check (due_at > now());
-- One that nobody took was not sent.
create policy mails_delete on mails for delete using (attempts > 0);

select grant_privileges();
