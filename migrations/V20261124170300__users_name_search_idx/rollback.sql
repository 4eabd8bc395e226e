-- migrate: no-transaction
drop index concurrently if exists users_name_search_idx;
