-- Lost is how often was tried: everybody begins anew.
delete from database_grants
where privileges in (
  'select, insert, delete on request_rates, credential_tries',
  'update (full_at, is_admitted, told_at) on request_rates',
  'update (tries, open_at, over_at, is_admitted, told_at) on credential_tries'
);
drop table credential_tries;
drop table request_rates;
