select
  {columns},
  page.is_end
from (
  with walked as materialized (
    select
      id,
      {hit} as is_hit
    from users
    where {walked}
    order by {order}
    limit {reach}
  ),
  near as materialized (
    select *
    from walked
    limit {glance}
  ),
  glance as materialized (
    select id
    from near
    where is_hit
      and (select {filters} from users where users.id = near.id)
    limit {count}
  ),
  rare as materialized ({rare}),
  sample as materialized (
    select id
    from (select id from near limit {sample}) as near
    where (select {filters} from users where users.id = near.id)
  ),
  narrow as materialized (
    select
      id,
      {column} as key,
      {hit} {after} as is_match
    from users
    where {filters}
    {narrow_order}
    limit {narrow_limit} + 1
  ),
  chosen as materialized (
    select case
      when {goes_on} then 'walk'
      when (select count(*) from glance) = {count} then 'glance'
      when (select count(*) from near) < {glance} then 'glance'
      when (select count(*) from near where is_hit) < {few} and (select count(*) from rare) <= {rare_limit} then 'rare'
      when {is_filtered} and (select count(*) from sample) < 2 and (select count(*) from narrow) <= {narrow_limit} then 'narrow'
      else 'walk'
    end as way
  ),
  hits as materialized (
    select id
    from walked
    where is_hit
    limit {hit_limit}
  ),
  walk as materialized (
    select id
    from hits
    where (select way from chosen) = 'walk'
      and (select {filters} from users where users.id = hits.id)
    limit {count}
  )
  select
    id,
    false
  from glance
  where (select way from chosen) = 'glance'
  union all
  (
    select
      id,
      false
    from rare
    where (select way from chosen) = 'rare'
      and is_match
    order by {key_order}
    limit {count}
  )
  union all
  (
    select
      id,
      false
    from narrow
    where (select way from chosen) = 'narrow'
      and is_match
    order by {key_order}
    limit {count}
  )
  union all
  select
    id,
    false
  from walk
  union all
  select
    coalesce(
      (select id from hits offset {hit_limit} - 1),
      (select id from walked offset {reach} - 1)
    ),
    true
  where (select way from chosen) = 'walk'
    and (select count(*) from walk) < {count}
) as page (id, is_end)
join users on users.id = page.id
order by {order}, is_end
