-- Lost are the proofs by passkey that were asked for and not answered.
delete from passkey_ceremonies where purpose = 'step-up';
alter table passkey_ceremonies drop column session_id;
