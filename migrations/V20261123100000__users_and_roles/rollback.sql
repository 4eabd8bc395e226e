-- Loses every user and role. The extension stays when something else in the database uses it.
drop table users;
drop table roles;
drop function users_keep_an_admin();
drop function users_check_roles();
drop extension pg_trgm;
