-- By what, and when, whoever holds a session last proved who they are. A session may get a stronger proof while it lasts.
-- lint: allow early-validation because there are as many sessions as people who signed in within 30 days

alter table sessions
  -- The names of RFC 8176 where it has one.
  add column methods text[] not null default '{pwd}',
  -- Null until the proof is given again: then it is as old as the session.
  add column authenticated_at timestamptz;

alter table sessions add constraint sessions_methods_check
  check (methods <@ array['pwd', 'otp', 'pop', 'email'] and cardinality(methods) between 1 and 4) not valid;
alter table sessions validate constraint sessions_methods_check;
