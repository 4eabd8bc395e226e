//! The rows that migrations are tried with.

use std::{env, fs, process};

use usher_migrate::{Migrations, Outcome};

use crate::support::{Proving, ask};

/// Tables of many types and constraints.
const TABLES: &str = "
create type mood as enum ('calm', 'cross');
create domain code as text check (value ~ '^[A-Z0-9]{8}$');
create domain share as numeric(4, 3) not null check (value between 0 and 1);

create table things (
  id int generated always as identity primary key,
  \"order\" serial unique,
  small smallint not null check (small between 5 and 7),
  money numeric(6, 2) not null,
  float real not null,
  is_true boolean not null,
  mood mood not null,
  moods mood[] not null check (cardinality(moods) = 2),
  code text not null unique check (code ~ '^[0-9a-f]{64}$'),
  name varchar(5) not null,
  slug text not null check (slug = lower(slug) and slug like 'thing:%'),
  letters char(3) not null,
  share share,
  half numeric generated always as (share / 2) stored,
  day date not null,
  at timestamp not null,
  clock time not null,
  span interval not null check (span >= interval '1 day'),
  key uuid not null unique,
  document jsonb not null check (jsonb_typeof(document) = 'array'),
  hash bytea not null check (octet_length(hash) = 20),
  address inet not null,
  device macaddr not null,
  flags bit(8) not null,
  search tsvector not null,
  span_of_time tstzrange not null,
  tags text[] not null check (tags <@ '{red,green}'),
  constraint whole check ((is_true and small = 6) or (not is_true and mood = 'cross'))
);

-- A key of two columns, one of which is a key of its own, and a row that points at one of its kind.
create table countries (name text primary key);
create table towns (country text references countries, name text, primary key (country, name));
create table people (
  id bigint primary key,
  country text not null,
  town text not null,
  parent bigint references people,
  constraint people_town_fkey foreign key (country, town) references towns,
  constraint people_country_fkey foreign key (country) references countries
);
-- One row for each person, in a circle with another table.
create table passports (person bigint primary key references people, visa bigint);
create table visas (id bigint primary key, passport bigint references passports);
alter table passports add foreign key (visa) references visas;
create unique index visas_passport_key on visas (passport);

create table events (at timestamptz not null, kind text not null) partition by list (kind);
create table events_in partition of events for values in ('in', 'inside');
create table events_out partition of events for values in ('out');

create table codes (code code primary key, other code);
create function refuse_others() returns trigger language plpgsql as $$
begin
  if new.other is null then raise 'other is missing'; end if;
  return new;
end $$;
create trigger refuse_others before insert on codes for each row execute function refuse_others();
";

const AWAY: &str =
    "drop table codes, events, visas, passports, people, towns, countries, things cascade;
drop function refuse_others(); drop domain share; drop domain code; drop type mood";

#[tokio::test]
async fn our_own_migrations_are_proved_with_a_value_in_every_column() {
    // What the last one makes is empty at the end, so another one comes after it.
    let migrations = Migrations::embedded()
        .and_then(|all| all.and("V99991231000000__nothing", "select 1", "select 1"))
        .unwrap();
    let mut proving = Proving::default();
    let proofs = proving.run(&migrations).await;
    for proof in &proofs {
        assert!(proof.is_good() && proof.refusal.is_none(), "{proof:?}");
    }
    // The second of the databases has the rows.
    let client = proving.connect(1).await;
    let tables = "select string_agg(relname, ' ' order by relname collate \"C\")
        from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
          and relname <> 'refinery_schema_history'";
    let rows = &proofs.last().unwrap().rows;
    let filled: Vec<_> = rows
        .iter()
        // There is one retention, and three of everything else.
        .filter(|(table, rows)| **rows >= if *table == "audit_retention" { 1 } else { 3 })
        .map(|(table, _)| table.as_str())
        .collect();
    assert_eq!(ask(&client, tables).await.unwrap(), filled.join(" "));
    for table in filled {
        let empty = format!(
            "with given as (
              select pair.name
              from {table} as row, jsonb_each(to_jsonb(row)) as pair (name, value)
              where pair.value <> 'null'
            )
            select string_agg(attname, ' ')
            from pg_attribute
            where attrelid = '{table}'::regclass and attnum > 0 and not attisdropped and attname not in (table given)"
        );
        assert_eq!(
            ask(&client, &empty).await,
            None,
            "columns of {table} without any value"
        );
    }
}

#[tokio::test]
async fn tables_of_many_types_and_constraints_are_filled() {
    let migrations = Migrations::from_parts(&[("V1__things", TABLES, AWAY)]).unwrap();
    let proofs = Proving::default().run(&migrations).await;
    assert_eq!(
        (&proofs[0].outcome, &proofs[0].faults),
        (&Outcome::Proved, &vec![])
    );
    let rows: Vec<_> = proofs[0]
        .rows
        .iter()
        .map(|(table, rows)| (table.as_str(), *rows))
        .collect();
    let expected = [
        "codes",
        "countries",
        "events",
        "passports",
        "people",
        "things",
        "towns",
        "visas",
    ];
    assert_eq!(rows, expected.map(|table| (table, 3)));
}

/// Proves two migrations of a folder, with rows made by hand: what was wrong, and the rows of a table at the end.
async fn by_hand(test: &str, rows: &[(&str, &str)]) -> (Vec<String>, i64) {
    let folder = env::temp_dir().join(format!("usher-rows-{}-{test}", process::id()));
    let odd = "create table odd (secret text not null check (md5(secret) = '48bb6e862e54f2a795ffc4e541caed4d'));";
    let more = "alter table odd add column number int not null default 1;";
    let away = "alter table odd drop column number;";
    for (name, up, down) in [
        ("V1__odd", odd, "drop table odd;"),
        ("V2__more", more, away),
    ] {
        let place = folder.join(name);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join(format!("{name}.sql")), up).unwrap();
        fs::write(place.join("rollback.sql"), down).unwrap();
    }
    for (name, statements) in rows {
        fs::write(folder.join(name).join("rows.sql"), statements).unwrap();
    }
    let migrations = Migrations::from_folder(&folder).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let proofs = Proving::default().run(&migrations).await;
    let faults = proofs.iter().flat_map(|proof| &proof.faults);
    let faults = faults.map(|fault| fault.what.clone()).collect();
    (faults, proofs[1].rows["odd"])
}

#[tokio::test]
async fn a_table_that_takes_no_row_is_a_fault_until_rows_are_made_by_hand() {
    let (faults, rows) = by_hand("none", &[]).await;
    let fault = "no row could be made for odd: new row for relation \"odd\" violates check constraint \
                 \"odd_secret_check\"; write some into rows.sql beside the migration";
    assert_eq!((faults, rows), (vec![fault.to_owned()], 0));
    let one = "-- The only one there is.\ninsert into odd (secret) values ('easy');";
    // Before the second migration, and when it was applied again.
    assert_eq!(by_hand("one", &[("V1__odd", one)]).await, (vec![], 2));
}

#[tokio::test]
async fn rows_made_by_hand_hold_until_a_newer_migration_has_its_own() {
    let one = ("V1__odd", "insert into odd (secret) values ('easy');");
    let two = (
        "V2__more",
        "insert into odd (secret, number) values ('easy', 1), ('easy', 2);",
    );
    assert_eq!(by_hand("two", &[one, two]).await, (vec![], 3));
    let wrong = (
        "V2__more",
        "\ninsert into odd (secret, number) values ('easy', 'many');",
    );
    let (faults, _) = by_hand("wrong", &[one, wrong]).await;
    let start = "V2__more failed at line 2 of rows.sql: invalid input syntax for type integer";
    assert!(
        faults.len() == 1 && faults[0].starts_with(start),
        "{faults:?}"
    );
}
