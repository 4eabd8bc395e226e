-- All sessions of a user, also those that ended, for who wants to know what is held about them.
-- migrate: no-transaction
create index concurrently if not exists sessions_user_id_created_at_idx
on sessions (user_id, created_at);
