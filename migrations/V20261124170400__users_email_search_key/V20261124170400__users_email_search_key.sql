-- As users_created_at_search_idx, for the order of addresses.
-- migrate: no-transaction
create unique index concurrently if not exists users_email_search_key
on users (email) include (id, name)
where deleted_at is null;
