-- Lost are the keys of the last day: a request that is sent again is done again.
delete from database_grants where privileges = 'select, insert on idempotency_keys';
drop table idempotency_keys;
