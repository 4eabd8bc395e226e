//! What somebody can do to a schema, and how a comparison tells of it.

/// Changes of every kind, each with the beginning of the line that tells of it.
pub(super) const CHANGES: [(&str, &[&str]); 40] = [
    (
        "create table extra (id int)",
        &["+ column extra.id: integer", "+ table extra"],
    ),
    (
        "create view seen as select id from users",
        &["+ column seen.id: bigint", "+ view seen: SELECT "],
    ),
    (
        "create materialized view kept as select 1 as one",
        &["+ column kept.one: integer", "+ materialized view kept:"],
    ),
    (
        "create type mood as enum ('glad', 'sad')",
        &[
            "+ grant type mood to public: USAGE",
            "+ type mood: enum glad, sad",
        ],
    ),
    (
        "create domain word as text check (value <> '')",
        &[
            "+ constraint word.word_check:",
            "+ grant type word to public",
            "+ type word:",
        ],
    ),
    (
        "create sequence counter",
        &["+ sequence counter: bigint from 1"],
    ),
    (
        "create operator <+> (leftarg = int, rightarg = int, function = int4pl)",
        &["+ operator public.<+>(integer,integer)"],
    ),
    (
        "create statistics known on name, email from users",
        &["+ statistics known:"],
    ),
    (
        "alter table users add column country text",
        &["+ column users.country: text"],
    ),
    (
        "alter table sessions drop column ip",
        &["- column sessions.ip: inet"],
    ),
    (
        "alter table sessions alter column refresh_counter type bigint",
        &[
            "~ column sessions.refresh_counter\n    - integer not null default 0\n    + bigint not null default 0",
        ],
    ),
    (
        "alter table users alter column is_active set default false",
        &[
            "~ column users.is_active\n    - boolean not null default true\n    + boolean not null default false",
        ],
    ),
    (
        "alter table roles alter column description drop not null",
        &["~ column roles.description\n    - text not null\n    + text"],
    ),
    (
        "alter table users alter column avatar_url set storage external",
        &["~ column users.avatar_url\n    - text\n    + text storage e"],
    ),
    (
        "alter table users alter column name set statistics 500",
        &["~ column users.name\n    - text not null\n    + text not null statistics 500"],
    ),
    (
        "alter table users alter column id set generated always",
        &["~ column users.id\n"],
    ),
    (
        "alter table users drop constraint users_name_check",
        &["- constraint users.users_name_check: CHECK"],
    ),
    (
        "alter table sessions add constraint sessions_more check (refresh_counter < 9) not valid",
        &["+ constraint sessions.sessions_more: CHECK (refresh_counter < 9) NOT VALID"],
    ),
    ("drop index users_name_idx", &["- index users_name_idx:"]),
    (
        "create index users_more_idx on users (updated_at)",
        &["+ index users_more_idx: CREATE INDEX"],
    ),
    (
        "drop trigger users_check_roles on users",
        &["- trigger users.users_check_roles:"],
    ),
    (
        "alter table users disable trigger users_end_sessions",
        &["~ trigger users.users_end_sessions\n"],
    ),
    (
        "create rule quiet as on delete to roles do instead nothing",
        &["+ rule roles.quiet:"],
    ),
    (
        "create or replace function users_end_sessions() returns trigger language plpgsql as 'begin return null; end'",
        &["~ function users_end_sessions()\n"],
    ),
    (
        "create function added() returns int language sql as 'select 1'",
        &[
            "+ function added():",
            "+ grant function added() to public: EXECUTE",
        ],
    ),
    (
        "alter policy users_update on users to usher_auditor",
        &["~ policy users.users_update\n"],
    ),
    (
        "drop policy sessions_insert on sessions",
        &["- policy sessions.sessions_insert:"],
    ),
    (
        "alter table sessions disable row level security",
        &["~ table sessions\n    - row level security\n    + "],
    ),
    (
        "alter table roles replica identity full",
        &["~ table roles\n    - \n    + replica identity f"],
    ),
    (
        "grant delete on roles to usher_app",
        &["~ grant table roles to usher_app\n    - SELECT\n    + DELETE, SELECT"],
    ),
    (
        "grant select (email) on users to usher_auditor",
        &["+ grant column users.email to usher_auditor: SELECT"],
    ),
    (
        "revoke execute on function users_check_roles() from public",
        &["- grant function users_check_roles() to public: EXECUTE"],
    ),
    (
        "grant create on schema public to usher_app",
        &["~ grant schema public to usher_app\n    - USAGE\n    + CREATE, USAGE"],
    ),
    (
        "alter default privileges in schema public grant select on tables to usher_auditor",
        &["+ grant default privileges r of <owner> to usher_auditor: SELECT"],
    ),
    (
        "alter table database_grants owner to usher_app",
        &["~ table database_grants\n    - \n    + owned by usher_app"],
    ),
    (
        "alter function audit_logs_make_partition(text, text) owner to usher_app",
        &["~ function audit_logs_make_partition(partition_name text, bounds text)\n"],
    ),
    (
        "comment on column users.email is 'an address'",
        &["+ comment users.email: an address"],
    ),
    (
        "comment on constraint users_pkey on users is 'the key'",
        &["+ comment constraint users.users_pkey: the key"],
    ),
    (
        "alter sequence audit_logs_id_seq owned by none",
        &["~ sequence audit_logs_id_seq\n"],
    ),
    ("create extension btree_gist", &["+ extension btree_gist"]),
];
