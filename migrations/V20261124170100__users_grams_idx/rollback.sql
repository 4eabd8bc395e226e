-- migrate: no-transaction
drop index concurrently if exists users_grams_idx;
