-- Months of the audit log without a partition of their own, and entries that lie in the default one for want of it.
select
  'audit_logs' as object,
  format('%s has no partition', to_char(month, 'YYYY-MM')) as what,
  '`usher maintain` makes it, and so does the scheduler' as advice
from generate_series(
  date_trunc('month', now()),
  date_trunc('month', now()) + interval '3 months',
  interval '1 month'
) as month
where to_regclass('audit_logs_' || to_char(month, 'YYYY_MM')) is null
union all
select
  'audit_logs_default',
  format('%s rows from %s to %s', count(*), to_char(min(created_at), 'YYYY-MM'), to_char(max(created_at), 'YYYY-MM')),
  case
    when min(created_at) < date_trunc('month', now()) + interval '4 months'
      then '`usher maintain` moves them to their months'
    else 'they are dated in the future: set the clock of whoever wrote them right; they move when their month comes near'
  end
from audit_logs_default
having count(*) > 0
