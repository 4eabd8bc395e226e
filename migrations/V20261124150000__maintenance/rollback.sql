-- Loses for how long the audit log is to be kept, which `usher maintain` sets again; no entry of it.
delete from database_grants where privileges like 'execute on function run_maintenance(%';

drop function run_maintenance(bigint, text, text, jsonb, inet, text, text, uuid);
drop function audit_logs_drop_old_months(integer, bigint);
drop function audit_logs_old_months(integer);
drop function stale_statistics();
drop table audit_retention;

do $$
declare
  routine regprocedure;
begin
  for routine in
    select oid
    from pg_proc
    where pronamespace = quote_ident(current_schema())::regnamespace
      and exists (select from unnest(proconfig) as setting where setting like 'search_path=%')
      and not exists (select from pg_depend where classid = 'pg_proc'::regclass and objid = pg_proc.oid and deptype = 'e')
  loop
    execute format('alter function %s set search_path from current', routine);
  end loop;
end
$$;
