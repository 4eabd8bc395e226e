-- migrate: no-transaction
drop index concurrently if exists sessions_user_id_created_at_idx;
