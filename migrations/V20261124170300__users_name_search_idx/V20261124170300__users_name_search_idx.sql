-- As users_created_at_search_idx, for the order of names.
-- migrate: no-transaction
create index concurrently if not exists users_name_search_idx
on users (name, id) include (email)
where deleted_at is null;
