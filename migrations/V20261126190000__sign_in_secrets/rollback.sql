-- Lost are the links and codes to sign in with that were sent.
delete from one_time_secrets where purpose = 'sign-in';
alter table one_time_secrets drop constraint one_time_secrets_purpose_check;
alter table one_time_secrets add constraint one_time_secrets_purpose_check
  check (purpose in ('verify-email', 'reset-password'))
  not valid;
alter table one_time_secrets validate constraint one_time_secrets_purpose_check;
