-- Loses no data. The roles stay, since other databases of the server may use them; their privileges here go.
do $$
declare
  entry record;
begin
  for entry in select * from database_grants where to_regrole(grantee) is not null loop
    execute format('revoke %s from %I', entry.privileges, entry.grantee);
    execute format('revoke usage on schema %I from %I', current_schema(), entry.grantee);
    if to_regclass('refinery_schema_history') is not null then
      execute format('revoke select on refinery_schema_history from %I', entry.grantee);
    end if;
  end loop;
end
$$;

drop policy audit_logs_insert on audit_logs;
drop policy audit_logs_select on audit_logs;
alter table audit_logs disable row level security;

drop policy sessions_update on sessions;
drop policy sessions_insert on sessions;
drop policy sessions_select on sessions;
alter table sessions disable row level security;

drop policy users_update on users;
drop policy users_insert on users;
drop policy users_select on users;
alter table users disable row level security;

drop function grant_privileges();
drop table database_grants;
