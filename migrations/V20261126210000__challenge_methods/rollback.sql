-- Lost are the sign-ins by mail that wait for their second factor: without the column they answer no code.
alter table challenges drop column methods;
