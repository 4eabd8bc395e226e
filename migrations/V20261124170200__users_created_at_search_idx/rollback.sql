-- migrate: no-transaction
drop index concurrently if exists users_created_at_search_idx;
