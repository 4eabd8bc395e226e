//! What the role of the functions may do in the database, whatever statement it sends.

use tokio_postgres::{Client, error::SqlState};
use usher_tests::{TestApp, connect};

/// What the role may not do, with the SQLSTATE that it gets.
const REFUSED: [(&str, &str); 47] = [
    // No definitions.
    ("create table t (id int)", "42501"),
    (
        "create function f() returns int language sql as 'select 1'",
        "42501",
    ),
    ("alter table users add column x int", "42501"),
    ("alter table users disable row level security", "42501"),
    ("alter table audit_logs disable trigger all", "42501"),
    ("drop table audit_logs_default", "42501"),
    ("truncate users cascade", "42501"),
    ("set session_replication_role = replica", "42501"),
    ("select grant_privileges()", "42501"),
    // The log only grows, at the moment of the entry.
    ("update audit_logs set action = 'X'", "42501"),
    ("delete from audit_logs", "42501"),
    ("truncate audit_logs", "42501"),
    (
        "insert into audit_logs_default (action, entity) values ('X', 'User')",
        "42501",
    ),
    (
        "insert into audit_logs (action, entity, created_at) values ('X', 'User', now() - interval '1 day')",
        "42501",
    ),
    // Nobody is removed from the table, and nothing else is the role's business.
    ("delete from users", "42501"),
    ("delete from sessions", "42501"),
    (
        "insert into roles (name, description) values ('root', '')",
        "42501",
    ),
    ("update users set id = 99 where id = 4", "42501"),
    (
        "update sessions set expires_at = now() + interval '1 year'",
        "42501",
    ),
    ("select * from database_grants", "42501"),
    // What was done stays known as it was.
    ("delete from idempotency_keys", "42501"),
    ("update idempotency_keys set outcome = '{}'", "42501"),
    (
        "insert into idempotency_keys values (sha256('k'), sha256('r'), '{}', now() - interval '1 hour')",
        "42501",
    ),
    // A mail says what it said, and a secret is for what it was for.
    ("update mails set sealed = sealed", "42501"),
    (
        "insert into mails (sealed, attempts) values (decode(repeat('00', 64), 'hex'), 1)",
        "42501",
    ),
    (
        "update one_time_secrets set purpose = 'reset-password'",
        "42501",
    ),
    ("update one_time_secrets set subject = 'x'", "42501"),
    ("update users set is_self_registered = false", "42501"),
    ("update email_changes set user_id = 1", "42501"),
    ("update account_deletions set user_id = 1", "42501"),
    (
        "insert into account_deletions (user_id, due_at, restore_hash, created_at)
         values (4, now(), sha256('a'), now() - interval '1 day')",
        "42501",
    ),
    (
        "insert into email_changes (user_id, old_email, new_email, session_id, old_hash, new_hash, cancel_hash, expires_at, old_confirmed_at)
         values (4, 'a@b.c', 'd@b.c', gen_random_uuid(), sha256('a'), sha256('b'), sha256('c'), now() + interval '1 day', now())",
        "42501",
    ),
    // What was counted stays with whom it was counted of, and nobody begins in the middle.
    ("update request_rates set key = sha256('x')", "42501"),
    ("update credential_tries set key = sha256('x')", "42501"),
    (
        "insert into credential_tries values (sha256('x'), 7, now(), now(), true)",
        "42501",
    ),
    // A passkey stays that of its user, and a challenge lasts no longer than it was to.
    ("update passkeys set user_id = 1", "42501"),
    ("update passkeys set credential_id = sha256('x')", "42501"),
    (
        "insert into passkeys (id, user_id, credential_id, credential, name, sign_count, is_syncable, is_synced, last_used_at)
        values (gen_random_uuid(), 4, sha256('x'), '{}', 'x', 0, true, true, now())",
        "42501",
    ),
    (
        "update passkey_ceremonies set expires_at = now() + interval '9 minutes'",
        "42501",
    ),
    ("update passkey_ceremonies set user_id = 1", "42501"),
    // How long the log is kept is the owner's to say, and nobody else ends a month.
    ("select * from audit_retention", "42501"),
    ("insert into audit_retention (months) values (3)", "42501"),
    ("update audit_retention set months = 3", "42501"),
    ("select audit_logs_make_partitions()", "42501"),
    ("select audit_logs_drop_old_months(3, null)", "42501"),
    (
        "alter table audit_logs detach partition audit_logs_default",
        "42501",
    ),
    (
        "select audit_logs_make_partition('audit_logs_mine', 'default')",
        "42501",
    ),
];

async fn app(t: &TestApp) -> Client {
    connect(&t.app_url()).await
}

#[tokio::test]
async fn the_instance_runs_as_the_role_that_owns_nothing() {
    let t = TestApp::start().await;
    t.admin().get("/api/me").await.expect(200);
    t.execute("revoke select on users from usher_app").await;
    t.admin().get("/api/me").await.problem(503);
    let owned = "select count(*) from pg_class where relowner = 'usher_app'::regrole";
    assert_eq!(t.count(owned).await, 0);
    let may_become = "select pg_has_role('usher_app', datdba, 'member') from pg_database where datname = current_database()";
    assert_eq!(t.sql(may_become, &[]).await, false);
}

#[tokio::test]
async fn the_role_defines_nothing_and_rewrites_no_history() {
    let t = TestApp::start().await;
    let app = app(&t).await;
    for (statement, expected) in REFUSED {
        let error = app.batch_execute(statement).await.expect_err(statement);
        assert_eq!(
            error.code().map(SqlState::code),
            Some(expected),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn a_raw_statement_does_not_cross_the_policies() {
    let t = TestApp::start().await;
    t.admin().delete("/api/users/4").await.expect(204);
    let app = app(&t).await;
    for (statement, row) in [
        // A user who was removed stays removed.
        (
            "update users set deleted_at = null, is_active = true",
            "select to_jsonb(users) from users where id = 4",
        ),
        (
            "update users set name = 'Ghost', email = 'ghost@example.com' where id = 4",
            "select to_jsonb(users) from users where id = 4",
        ),
        // A session that ended stays ended.
        (
            "update sessions set ended_at = null, end_reason = null",
            "select to_jsonb(sessions) from sessions where user_id = 4",
        ),
        (
            "update sessions set refresh_hash = sha256('x') where user_id = 4",
            "select to_jsonb(sessions) from sessions where user_id = 4",
        ),
    ] {
        let before = t.sql(row, &[]).await;
        app.batch_execute(statement).await.unwrap();
        assert_eq!(t.sql(row, &[]).await, before, "{statement}");
        assert!(!before.is_null());
    }
    for statement in [
        "insert into users (name, email, deleted_at) values ('a', 'a@b.c', now())",
        "insert into sessions (id, user_id, refresh_hash, expires_at, created_at)
          values (gen_random_uuid(), 1, sha256('x'), now(), now() - interval '1 year')",
        "insert into sessions (id, user_id, refresh_hash, expires_at, ended_at, end_reason)
          values (gen_random_uuid(), 1, sha256('x'), now(), now(), 'logout')",
    ] {
        let error = app.batch_execute(statement).await.expect_err(statement);
        let message = error.as_db_error().unwrap().message();
        assert!(
            message.contains("row-level security"),
            "{statement}: {message}"
        );
    }
}

#[tokio::test]
async fn the_policies_are_those_that_refuse() {
    let t = TestApp::start().await;
    t.admin().delete("/api/users/4").await.expect(204);
    let app = app(&t).await;
    // Without the policies the same statement gets through.
    t.execute("alter table users disable row level security")
        .await;
    let revived = app
        .execute("update users set deleted_at = null where id = 4", &[])
        .await;
    assert_eq!(revived.unwrap(), 1);
}

#[tokio::test]
async fn a_temporary_table_stands_in_for_none() {
    let t = TestApp::start().await;
    let app = app(&t).await;
    app.batch_execute(
        "create temporary table users as
          select 9 as id, '{admin}'::text[] as roles, true as is_active, null::timestamptz as deleted_at;
        create temporary table roles as select 'ghost' as name;
        create temporary table sessions as select 4 as user_id, now() as ended_at, '' as end_reason;",
    )
    .await
    .unwrap();
    for (statement, constraint) in [
        (
            "update public.users set is_active = false where id = 1",
            "users_last_admin_check",
        ),
        (
            "update public.users set roles = '{ghost}' where id = 4",
            "users_roles_fkey",
        ),
    ] {
        let error = app.batch_execute(statement).await.expect_err(statement);
        let refused = error.as_db_error().unwrap().constraint();
        assert_eq!(refused, Some(constraint), "{statement}");
    }
    app.batch_execute("update public.users set is_active = false where id = 4")
        .await
        .unwrap();
    let reason = "select end_reason from sessions where user_id = 4";
    assert_eq!(t.sql(reason, &[]).await, "deactivated");
}

#[tokio::test]
async fn every_function_looks_into_temporary_tables_last() {
    let t = TestApp::start().await;
    let others = "select coalesce(string_agg(oid::regprocedure::text, ', '), '') from pg_proc
        where pronamespace = 'public'::regnamespace
          and 'search_path=public, pg_temp' <> all (coalesce(proconfig, '{}'))
          and not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e')";
    assert_eq!(
        t.sql(others, &[]).await,
        "",
        "begin their migration with set_config('search_path', …), as that of the maintenance does, and write \
         `set search_path from current`"
    );
}

#[tokio::test]
async fn an_auditor_of_the_database_reads_the_log_and_nothing_else() {
    let t = TestApp::start().await;
    let auditor = connect(&t.url_as("usher_auditor")).await;
    let rows = auditor
        .query("select * from audit_logs", &[])
        .await
        .unwrap();
    assert!(!rows.is_empty());
    for statement in [
        "select * from users",
        "select * from sessions",
        "insert into audit_logs (action, entity) values ('X', 'User')",
        "create table t (id int)",
    ] {
        let error = auditor.batch_execute(statement).await.expect_err(statement);
        assert_eq!(
            error.code().map(SqlState::code),
            Some("42501"),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn the_roles_have_limits_of_their_own() {
    let t = TestApp::start().await;
    for role in ["usher_app", "usher_auditor"] {
        let statement = format!(
            "select string_agg(setting, ',' order by setting)
            from pg_db_role_setting, unnest(setconfig) as setting
            where setrole = '{role}'::regrole and setdatabase = 0"
        );
        assert_eq!(
            t.sql(&statement, &[]).await,
            "idle_in_transaction_session_timeout=10s,lock_timeout=2s,statement_timeout=5s",
            "{role}"
        );
        let statement = format!(
            "select rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication
            from pg_roles where rolname = '{role}'"
        );
        assert_eq!(t.sql(&statement, &[]).await, false, "{role}");
    }
}
