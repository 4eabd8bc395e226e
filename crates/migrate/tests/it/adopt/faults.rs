//! What can be in the way of an adoption, and what is said about it.

/// What somebody did to the tables, and what is said about it.
pub(super) const SHAPES: [(&str, &str); 25] = [
    (
        "create table posts (id serial primary key, author int references users)",
        "table posts is not of that schema: move it",
    ),
    (
        "create view seen as select id from users",
        "view seen is not of that schema: move it",
    ),
    (
        "create type mood as enum ('glad')",
        "type mood is not of that schema: move it",
    ),
    (
        "create function f() returns int language sql as 'select 1'",
        "function f() is not of that schema: move it",
    ),
    (
        "create sequence counter",
        "sequence counter is not of that schema: move it",
    ),
    (
        "alter table users add column country text",
        "column users.country has no place in the new schema: drop it",
    ),
    (
        "alter table users drop column \"avatarUrl\"",
        "column users.avatarUrl is missing: make it as Prisma does, `character varying(500)`",
    ),
    (
        "alter table users alter column name type text",
        "column users.name is `text not null`: make it `character varying(120) not null`",
    ),
    (
        "alter table users alter column id type bigint",
        "column users.id is `bigint not null default",
    ),
    (
        "alter table audit_logs alter column \"createdAt\" type timestamptz",
        "column audit_logs.createdAt is `timestamp with time zone",
    ),
    (
        "alter table users alter column \"isActive\" drop not null",
        "column users.isActive is `boolean default true`",
    ),
    (
        "alter table users alter column roles set default '{}'",
        "column users.roles is `text[] default '{}'::text[]`",
    ),
    (
        "alter table users add constraint adult check (id > 0)",
        "constraint users.adult (CHECK (id > 0)) is not of that schema: drop it",
    ),
    (
        "alter table audit_logs drop constraint audit_logs_pkey",
        "constraint audit_logs.audit_logs_pkey is missing: make it",
    ),
    (
        "create index users_name_idx on users (name)",
        "index users_name_idx (CREATE INDEX users_name_idx ON users USING btree (name)) is not",
    ),
    (
        "create trigger t before insert on users for each row execute function suppress_redundant_updates_trigger()",
        "trigger users.t",
    ),
    (
        "create rule quiet as on delete to users do instead nothing",
        "rule users.quiet",
    ),
    ("create policy p on users", "policy users.p"),
    (
        "alter table users enable row level security",
        "table users has `row level security`: undo that",
    ),
    (
        "comment on column users.email is 'an address'",
        "comment users.email (an address) is not of that schema: drop it",
    ),
    (
        "create schema other; create table other.posts (author int references public.users)",
        "foreign key posts_author_fkey of other.posts is about the old tables: drop it",
    ),
    (
        "create schema other; create view other.seen as select id from public.users",
        "view other.seen is about the old tables: drop it",
    ),
    (
        "create schema other; create function other.f() returns setof public.users language plpgsql as 'begin end'",
        "function other.f() is about the old tables: drop it",
    ),
    (
        "create publication p for table users",
        "publication p is about the old tables: drop it",
    ),
    (
        "create schema prisma",
        "there is a schema prisma already, where the old tables would go: rename it",
    ),
];

/// What somebody wrote into the tables, and what is said about it.
pub(super) const ROWS: [(&str, &str); 13] = [
    (
        "update users set email = 'ADA@example.com' where id = 2",
        "the address is that of another user but for its case, change it or remove the user: 2 users (id 1, 2)",
    ),
    (
        "update users set id = 0 where id = 3",
        "the id has to be 1 or more, give another one: 1 user (id 0)",
    ),
    (
        "update users set \"createdAt\" = 'infinity' where id = 3",
        "createdAt is no time that can be written, correct it: 1 user (id 3)",
    ),
    (
        "update users set \"updatedAt\" = '0044-03-15 BC' where id = 3",
        "updatedAt is no time that can be written, correct it: 1 user (id 3)",
    ),
    (
        "update users set roles = '{user,moderator}'",
        "the role moderator is not known here, take it away or use --create-roles to register it without permissions: 3 users",
    ),
    (
        "update audit_logs set \"createdAt\" = '-infinity' where id = 2",
        "createdAt is no time that can be written, correct it: 1 audit entry (id 2)",
    ),
    (
        "update audit_logs set action = '' where id > 2",
        "the action is empty, correct it: 2 audit entries (id 3, 4)",
    ),
    (
        "update audit_logs set entity = ''",
        "the entity is empty, correct it: 4 audit entries (id 1, 2, 3, 4)",
    ),
    (
        "alter table audit_logs drop constraint \"audit_logs_actorId_fkey\"; update audit_logs set \"actorId\" = 99 where id = 4",
        "the actor is no user who is there, set actorId to null: 1 audit entry (id 4)",
    ),
    (
        "update users set name = ' ' where id = 3",
        "name is empty: 1 user (id 3)",
    ),
    (
        "insert into users (name, email, password, \"updatedAt\") select '', n || '@example.com', '', now() from generate_series(1, 9) n",
        "name is empty: 9 users (id 5, 6, 7, 8, 9, …)",
    ),
    (
        "update users set email = 'x' where id = 3",
        "email is short: 1 user (id 3)",
    ),
    (
        "update users set \"avatarUrl\" = '/a.png' where id = 3",
        "avatarUrl is strange: 1 user (id 3)",
    ),
];
