-- The orders of the list of users, with what a search looks at beside the key: it walks them without reading the table.
-- migrate: no-transaction
create index concurrently if not exists users_created_at_search_idx
on users (created_at, id) include (name, email)
where deleted_at is null;
