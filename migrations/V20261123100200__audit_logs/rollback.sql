-- Loses the whole audit log.
drop table audit_logs;
drop function audit_logs_make_partitions();
drop function audit_logs_make_partition(text, text);
drop function audit_logs_refuse_change();
