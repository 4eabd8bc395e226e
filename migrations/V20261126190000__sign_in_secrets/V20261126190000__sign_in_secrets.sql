-- Secrets that sign in, beside those that verify an address or let a password be chosen.
-- lint: allow early-validation because secrets are removed a day after they are over, so that there are few
-- lint: allow ban-drop-constraint because a wider one takes its place in the same transaction

alter table one_time_secrets drop constraint one_time_secrets_purpose_check;
alter table one_time_secrets add constraint one_time_secrets_purpose_check
  check (purpose in ('verify-email', 'reset-password', 'sign-in'))
  not valid;
alter table one_time_secrets validate constraint one_time_secrets_purpose_check;
