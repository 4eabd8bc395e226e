-- Lost are the passkeys: who has one signs in with the password, or chooses one by a mail.
delete from database_grants
where privileges in (
  'select, insert, delete on passkey_handles',
  'update (handle) on passkey_handles',
  'select, insert, delete on passkeys',
  'update (credential, name, sign_count, is_synced, last_used_at) on passkeys',
  'select, insert, delete on passkey_ceremonies',
  'update (used_at) on passkey_ceremonies'
);
drop trigger users_forget_passkeys on users;
drop function users_forget_passkeys();
drop table passkey_ceremonies;
drop table passkeys;
drop table passkey_handles;
drop function passkeys_keep_one();
drop function passkeys_at_most();
drop function passkeys_count_up();
drop function passkey_handles_stay();
