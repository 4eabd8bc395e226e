-- Loses no data; writes wait while the indexes are made.
alter index users_grams_idx alter column 1 set statistics -1;

alter index users_email_key rename to users_email_search_key;
create unique index users_email_key on users (email) where deleted_at is null;

alter index users_name_idx rename to users_name_search_idx;
create index users_name_idx on users (name, id);

alter index users_created_at_idx rename to users_created_at_search_idx;
create index users_created_at_idx on users (created_at, id);
