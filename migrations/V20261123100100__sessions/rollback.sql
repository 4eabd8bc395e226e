-- Everybody is signed out.
drop trigger users_end_sessions on users;
drop function users_end_sessions();
drop table sessions;
