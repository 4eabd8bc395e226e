-- Lost are the mails that were not sent yet.
delete from database_grants
where privileges in ('select, insert, delete on mails', 'update (attempts, due_at) on mails');
drop table mails;
