-- Indexes that no statement may use: left over by a `concurrently` that failed. Not those that are just being built.
select
  relname::text as object,
  format('the index on %s is not valid: it costs writes and answers nothing', indrelid::regclass) as what,
  case relkind
    when 'i' then format(
      'run `reindex index concurrently %I`, or drop it and run what was to make it again',
      relname
    )
    else 'attach to it an index of each partition, or drop it and make it anew'
  end as advice
from pg_index
join pg_class on pg_class.oid = indexrelid
where relnamespace = quote_ident(current_schema())::regnamespace
  and not (indisvalid and indisready)
  and not exists (select from pg_stat_progress_create_index as running where running.index_relid = indexrelid)
order by relname
