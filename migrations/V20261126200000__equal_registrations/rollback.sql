-- Loses mails and secrets of users that are not there; with the usual roles there are none.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

delete from database_grants where privileges = 'execute on function register_user(text, text, text)';
drop function register_user(text, text, text);

delete from mails where user_id is not null and not exists (select from users where users.id = mails.user_id);
alter table mails add constraint mails_user_id_fkey foreign key (user_id) references users (id);

delete from one_time_secrets where user_id is not null and not exists (select from users where users.id = one_time_secrets.user_id);
alter table one_time_secrets add constraint one_time_secrets_user_id_fkey foreign key (user_id) references users (id);
