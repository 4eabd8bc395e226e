-- Answers the search for users. Without a list of pending entries, which every step of a search would read.
-- migrate: no-transaction
create index concurrently if not exists users_grams_idx
on users using gin (user_grams(id, name, email)) with (fastupdate = off)
where deleted_at is null;
