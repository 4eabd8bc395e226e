-- Nothing is lost. A list of the entries of a rare action reads the whole log again.
drop index audit_logs_action_idx;
