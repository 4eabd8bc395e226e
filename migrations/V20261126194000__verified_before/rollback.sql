-- Lost is who verified an address before the present one.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

drop trigger users_keep_verified on users;
drop function users_keep_verified();
alter table users drop column was_verified;
