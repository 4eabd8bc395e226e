-- The audit log: append-only, partitioned by month so that old months can be dropped as a whole.

create sequence audit_logs_id_seq as bigint;

create table audit_logs (
  id         bigint      not null default nextval('audit_logs_id_seq'),
  actor_id   bigint,
  action     text        not null,
  entity     text        not null,
  entity_id  bigint,
  payload    jsonb,
  ip         inet,
  user_agent text,
  request_id text,
  session_id uuid,
  created_at timestamptz not null default now(),
  constraint audit_logs_pkey primary key (id, created_at),
  constraint audit_logs_actor_id_fkey foreign key (actor_id) references users (id),
  constraint audit_logs_action_check check (char_length(action) between 1 and 50),
  constraint audit_logs_entity_check check (char_length(entity) between 1 and 50),
  constraint audit_logs_user_agent_check check (char_length(user_agent) <= 400),
  constraint audit_logs_request_id_check check (char_length(request_id) <= 64)
) partition by range (created_at);

alter sequence audit_logs_id_seq owned by audit_logs.id;

create index audit_logs_actor_id_idx on audit_logs (actor_id, created_at, id);
create index audit_logs_entity_entity_id_idx on audit_logs (entity, entity_id, created_at, id);
create index audit_logs_created_at_idx on audit_logs (created_at, id);

-- Nobody changes or removes an entry, the owner included; retention drops whole partitions.
create function audit_logs_refuse_change() returns trigger
language plpgsql
set search_path from current
as $$
begin
  raise exception 'audit_logs is append-only: % is refused', lower(tg_op)
    using errcode = 'insufficient_privilege', table = 'audit_logs';
end
$$;

create trigger audit_logs_refuse_change
before update or delete on audit_logs
for each row execute function audit_logs_refuse_change();

create trigger audit_logs_refuse_truncate
before truncate on audit_logs
for each statement execute function audit_logs_refuse_change();

-- Makes one partition. Row triggers are inherited, a trigger on TRUNCATE is not: each partition gets its own.
create function audit_logs_make_partition(partition_name text, bounds text) returns void
language plpgsql
set search_path from current
as $$
begin
  execute format('create table %I partition of audit_logs %s', partition_name, bounds);
  execute format(
    'create trigger audit_logs_refuse_truncate before truncate on %I '
    'for each statement execute function audit_logs_refuse_change()',
    partition_name
  );
end
$$;

-- Makes the partitions of this month and the three after it. Rows that fell into the default partition, because no
-- deploy came for months, move to the partition of their month.
create function audit_logs_make_partitions() returns integer
language plpgsql
set search_path from current
set timezone to 'UTC'
as $$
declare
  this_month constant timestamptz := date_trunc('month', now());
  first_month timestamptz := this_month;
  month timestamptz;
  partition_name text;
  made integer := 0;
  strays bigint;
begin
  lock table audit_logs in share update exclusive mode;
  select count(*), least(this_month, date_trunc('month', min(created_at)))
  into strays, first_month
  from audit_logs_default
  where created_at < this_month + interval '4 months';
  if strays > 0 then
    alter table audit_logs detach partition audit_logs_default;
    alter table audit_logs_default rename to audit_logs_strays;
    perform audit_logs_make_partition('audit_logs_default', 'default');
  end if;
  month := first_month;
  while month <= this_month + interval '3 months' loop
    partition_name := 'audit_logs_' || to_char(month, 'YYYY_MM');
    if to_regclass(partition_name) is null then
      perform audit_logs_make_partition(
        partition_name,
        format('for values from (%L) to (%L)', month, month + interval '1 month')
      );
      made := made + 1;
    end if;
    month := month + interval '1 month';
  end loop;
  if strays > 0 then
    insert into audit_logs select * from audit_logs_strays;
    drop table audit_logs_strays;
  end if;
  return made;
end
$$;

select audit_logs_make_partition('audit_logs_default', 'default');
select audit_logs_make_partitions();
