-- By what the first step of a sign-in was proved: a mail begins one as a password does.
-- lint: allow early-validation because challenges are removed a day after they are over, so that there are few

alter table challenges
  -- The names of RFC 8176 where it has one. What an older build begins is by password.
  add column methods text[] not null default '{pwd}';

alter table challenges add constraint challenges_methods_check
  check (methods <@ array['pwd', 'email'] and cardinality(methods) = 1)
  not valid;
alter table challenges validate constraint challenges_methods_check;
