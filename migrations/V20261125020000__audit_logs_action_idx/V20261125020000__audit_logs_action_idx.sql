-- The entries of one action, which may be rare: without an index each page of them reads the whole log.
-- lint: allow blocking-index because an index of a partitioned table cannot be made beside writes, and a million entries take two seconds

create index audit_logs_action_idx on audit_logs (action, created_at, id);
