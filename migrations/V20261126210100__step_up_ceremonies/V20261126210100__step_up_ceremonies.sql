-- Ceremonies by which somebody who is signed in proves once more who they are: good in the session alone that asked.
-- lint: allow early-validation because ceremonies are removed an hour after they are over, so that there are few

-- It is no reference: a session may be removed before what it asked for.
alter table passkey_ceremonies add column session_id uuid;

alter table passkey_ceremonies add constraint passkey_ceremonies_session_check
  check (session_id is null or purpose = 'step-up')
  not valid;
alter table passkey_ceremonies validate constraint passkey_ceremonies_session_check;
