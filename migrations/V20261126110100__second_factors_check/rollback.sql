-- Nothing is lost.
alter table users drop constraint users_second_factors_check;
alter table users drop constraint users_has_short_password_check;
alter table users add constraint users_second_factors_check
  check (second_factors <@ array['totp', 'passkey']) not valid;
alter table users add constraint users_has_short_password_check
  check (not has_short_password or cardinality(second_factors) > 0) not valid;
