-- The search for users by a piece of the name or the address: what an index of pieces holds, and what is asked of it.

-- Functions look into this schema, and last into temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);

-- Every four characters that follow each other in the name or the address, and the shorter ends: each piece of either
-- begins one of them. Before each stands a number that some 32,000 neighbouring ids share, so that a piece that very
-- many users have can be looked up in steps that are small, whatever the size of the table.
create function user_grams(id bigint, name text, email text) returns tsvector
language sql
immutable
parallel safe
set search_path from current
as $$
  select array_to_tsvector(array(
    select lpad(to_hex(greatest(id, 0) >> 15 & 255), 2, '0') || substr(text, place, 4)
    -- The collation is named, since that of the address is not for letters beyond ASCII and would count for both.
    from (values (lower(name collate "default")), (email)) as texts (text)
    cross join generate_series(1, char_length(text)) as place
  ))
$$;

-- What to ask the index for a term, step by step: five of its pieces are enough to leave few users who have them all but
-- not the term. The term must not contain U+0001, which stands for the number until that is known.
create function user_search_steps(term text) returns setof tsquery
language sql
stable
parallel safe
rows 64
set search_path from current
as $$
  with lowered as (
    select
      lower(term) as text,
      char_length(lower(term)) - 3 as places
  ),
  asked as (
    select string_agg(
      '''' || chr(1)
        || replace(replace(substr(text, place, 4), '\', '\\'), '''', '''''')
        || case when places < 1 then ''':*' else '''' end,
      ' & '
    ) as text
    from lowered
    cross join generate_series(1, greatest(places, 1), greatest((places + 4) / 5, 1)) as place
  )
  select replace(asked.text, chr(1), lpad(to_hex(step), 2, '0'))::tsquery
  from asked
  cross join generate_series(0, (select least(max(id) >> 15, 255) from users)) as step
$$;
