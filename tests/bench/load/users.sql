-- Makes {users} users who could be real: names that many share and names that few have, addresses made of them, a minute
-- between two of them; the first twentieth came from another product and has its domain.
do $$
declare
  definitions constant text[] := array(
    select pg_get_indexdef(indexrelid)
    from pg_index
    where indrelid = 'users'::regclass and not indisprimary
  );
  names constant text[] := array(
    select indexrelid::regclass
    from pg_index
    where indrelid = 'users'::regclass and not indisprimary
  );
  definition text;
begin
  -- No triggers, and indexes only when the rows are there.
  set local session_replication_role = replica;
  set local maintenance_work_mem = '1GB';
  set local synchronous_commit = off;
  execute 'drop index ' || array_to_string(names, ', ');
  perform setseed(0.5);
  with words as (
    select
      regexp_split_to_array(
        'James Mary Michael Patricia Robert Jennifer John Linda David Elizabeth William Barbara Richard Susan Joseph '
        'Jessica Thomas Karen Christopher Sarah Charles Lisa Daniel Nancy Matthew Sandra Anthony Betty Mark Ashley Donald '
        'Emily Steven Kimberly Andrew Margaret Paul Donna Joshua Michelle Kenneth Carol Kevin Amanda Brian Melissa Timothy '
        'Deborah Ronald Stephanie Jason Rebecca George Sharon Edward Laura Jeffrey Cynthia Ryan Dorothy Jacob Amy Nicholas '
        'Kathleen Gary Angela Eric Shirley Jonathan Emma Stephen Brenda Larry Pamela Justin Nicole Scott Anna Brandon '
        'Samantha Benjamin Katherine Samuel Christine Gregory Debra Alexander Rachel Patrick Carolyn Frank Janet Raymond '
        'Maria Jack Olivia Dennis Heather Jerry Helen José François Zoë Jürgen Søren Łukasz Yolanda Xavier Quentin', '\s+'
      ) as first,
      regexp_split_to_array(
        'Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson '
        'Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis Robinson '
        'Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera Campbell '
        'Mitchell Carter Roberts', '\s+'
      ) as last,
      regexp_split_to_array(
        'ba be bo da de do fa fi ga go ha hi ka ki ko la le li lo ma me mi na ne ni no pa pe ra re ri ro sa se shi so ta te '
        'ti to va ve vo wa ya yu za zo ber man son ski sen ton ley dar lin gar bra sch', '\s+'
      ) as syllable,
      array['example.com', 'example.org', 'mail.example.net', 'post.example', 'acme.example', 'initech.example',
        'globex.example'] as domain
  ),
  drawn as (
    select number, random() as a, random() as b, random() as c, random() as d, random() as e, random() as f
    from generate_series(1, {users}) as number
  ),
  named as (
    select
      number,
      first[1 + floor(cardinality(first) * power(a, 1.7))::integer] as first,
      case
        when b < 0.5 then last[1 + floor(cardinality(last) * power(c, 1.5))::integer]
        else initcap(
          syllable[1 + floor(cardinality(syllable) * c)::integer]
          || syllable[1 + floor(cardinality(syllable) * d)::integer]
          || syllable[1 + floor(cardinality(syllable) * e)::integer]
        )
      end as last,
      case
        when number <= {users} / 20 then 'old.example.com'
        else domain[1 + floor(cardinality(domain) * power(f, 2))::integer]
      end as domain
    from drawn
    cross join words
  )
  insert into users (name, email, password, roles, is_active, created_at, updated_at)
  select
    first || ' ' || last,
    lower(translate(first, 'éçëüøŁ', 'eceuol') || '.' || last || number || '@' || domain),
    '$argon2id$v=19$m=19456,t=2,p=1$' || left(md5(number::text), 22) || '$' || left(md5(number::text) || md5(last), 43),
    case when number % 1000 = 0 then '{auditor,user}' when number % 20 = 3 then '{helper,user}' else '{user}' end::text[],
    number % 50 <> 0,
    now() - make_interval(mins => {users} - number),
    now()
  from named
  order by number;
  foreach definition in array definitions loop
    execute definition;
  end loop;
end
$$
