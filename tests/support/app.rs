//! An instance of the product for one test.

use axum::Router;
use serde_json::Value;
use time::Duration;
use tokio_postgres::{Client, SimpleQueryMessage, types::ToSql};
use usher_core::{
    Config,
    secret::Secret,
    tokens::{Principal, SigningKeys},
};
use usher_devdb::{TestDatabase, test_cluster};
use usher_domain::{Clock, Method, Origin, Proof, RequestId, SessionId, UserId};
use usher_http::{App, router, routes};
use usher_mail::{Catcher, Caught, Pace};
use uuid::Uuid;

use crate::{Caller, Person, Wire, database};

/// The secret of the scheduler, for an instance that has one.
pub const CRON_SECRET: &str = "a secret of the scheduler";

/// The role that the product runs as.
const APP_ROLE: &str = "usher_app";

/// A whole instance with a database of its own. Both go when it is dropped.
pub struct TestApp {
    /// The instance.
    pub app: App,
    catcher: Catcher,
    router: Router,
    client: Client,
    database: TestDatabase,
}

impl TestApp {
    /// Starts an instance.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts an instance that is configured with these variables beside the usual ones.
    pub async fn with(variables: &[(&str, &str)]) -> Self {
        Self::on(database::create().await, variables).await
    }

    /// Starts an instance of development with 3 connections at most, whose way to the database is watched.
    pub async fn on_a_wire() -> (Self, Wire) {
        Self::on_a_wire_with("").await
    }

    /// Starts an instance as [`TestApp::on_a_wire`] does, with further parameters of the connection string: `a=b`.
    pub async fn on_a_wire_with(more: &str) -> (Self, Wire) {
        let database = database::create().await;
        let wire = Wire::to(database.url()).await;
        let url = wire.along(&format!("{}?{more}", database.url_as(APP_ROLE)));
        let variables = [
            ("DATABASE_URL", url.as_str()),
            ("USHER_ENV", "development"),
            ("CRON_SECRET", CRON_SECRET),
        ];
        (Self::on(database, &variables).await, wire)
    }

    /// Starts an instance on a database that was made before, configured with these variables beside the usual ones.
    pub async fn on(database: TestDatabase, variables: &[(&str, &str)]) -> Self {
        let catcher = Catcher::default();
        let app = instance(&database.url_as(APP_ROLE), variables, &catcher);
        let client = database::connect(database.url()).await;
        Self {
            router: router(routes::ALL, app.clone()),
            app,
            catcher,
            client,
            database,
        }
    }

    /// Starts another instance on the same database, configured with these variables beside the usual ones.
    pub fn beside(&self, variables: &[(&str, &str)]) -> (App, Caller) {
        let app = instance(&self.app_url(), variables, &self.catcher);
        let caller = Caller::new(router(routes::ALL, app.clone()));
        (app, caller)
    }

    /// Sends what is in the outbox, and returns all mails that were caught so far, the oldest first.
    pub async fn mails(&self) -> Vec<Caught> {
        let origin = Origin {
            ip: None,
            user_agent: None,
            request_id: RequestId::unknown(),
        };
        let drained = self
            .app
            .mailer
            .drain(&self.app.database, &origin, Pace::ANSWERED);
        drained.await.unwrap();
        let mut mails = self.catcher.mails();
        mails.reverse();
        mails
    }

    /// Returns the connection string of the owner of the database.
    pub fn url(&self) -> &str {
        self.database.url()
    }

    /// Returns the name of the database.
    pub fn database_name(&self) -> &str {
        self.database.name()
    }

    /// Returns the connection string of the role that the product runs as.
    pub fn app_url(&self) -> String {
        self.url_as(APP_ROLE)
    }

    /// Returns the connection string of a role.
    pub fn url_as(&self, role: &str) -> String {
        self.database.url_as(role)
    }

    /// Returns somebody who is signed in.
    pub fn caller(&self, person: Person) -> Caller {
        self.caller_since(person, Duration::ZERO)
    }

    /// Returns somebody who is signed in and got the access token this long ago.
    pub fn caller_since(&self, person: Person, age: Duration) -> Caller {
        let principal = Principal {
            user: UserId::new(person.id()),
            session: SessionId::new(person.session()),
        };
        let given = Clock::default().now() - age;
        let token = self
            .app
            .tokens
            .issue(principal, &Proof::by(Method::Password, given), given);
        self.anonymous().with_token(&token.unwrap())
    }

    /// Returns the admin.
    pub fn admin(&self) -> Caller {
        self.caller(Person::Admin)
    }

    /// Returns somebody with no special rights.
    pub fn member(&self) -> Caller {
        self.caller(Person::Member)
    }

    /// Returns somebody without an account.
    pub fn anonymous(&self) -> Caller {
        Caller::new(self.router.clone())
    }

    /// Returns the scheduler of an instance with [`CRON_SECRET`].
    pub fn scheduler(&self) -> Caller {
        self.anonymous().with_token(CRON_SECRET)
    }

    /// Returns somebody who is signed in and talks to another router.
    pub fn caller_of(&self, router: Router, person: Person) -> Caller {
        self.caller(person).to(router)
    }

    /// Returns one value that the owner of the database sees.
    pub async fn sql(&self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> Value {
        let statement = format!("select to_jsonb(value) from ({statement}) as answer (value)");
        let row = self.client.query_one(&statement, parameters).await.unwrap();
        row.get(0)
    }

    /// Returns one number that the owner of the database sees.
    pub async fn count(&self, statement: &str) -> i64 {
        self.client.query_one(statement, &[]).await.unwrap().get(0)
    }

    /// Returns how the database would run a statement with these values for the functions, whom policies apply to.
    pub async fn explain(&self, statement: &str, values: &[&str]) -> String {
        self.explain_as("", statement, values).await
    }

    /// Returns what the database did to run a statement with these values for the functions, in rows and without times.
    pub async fn explain_run(&self, statement: &str, values: &[&str]) -> String {
        let options = "(analyze, timing off, summary off, buffers off)";
        self.explain_as(options, statement, values).await
    }

    async fn explain_as(&self, options: &str, statement: &str, values: &[&str]) -> String {
        let values: Vec<_> = values.iter().map(|value| format!("'{value}'")).collect();
        self.execute(&format!(
            "deallocate all; set role usher_app; prepare explained as {statement}"
        ))
        .await;
        let values = if values.is_empty() {
            String::new()
        } else {
            format!("({})", values.join(", "))
        };
        let explain = format!("explain {options} execute explained {values}");
        let lines = self.client.simple_query(&explain).await.unwrap();
        self.execute("reset role").await;
        let text = lines.iter().filter_map(|line| match line {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        text.collect::<Vec<_>>().join("\n")
    }

    /// Runs statements as the owner of the database.
    pub async fn execute(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap();
    }

    /// Runs statements as the owner of the database that are to fail, and returns the SQLSTATE with the message.
    pub async fn refused(&self, statements: &str) -> String {
        let error = self.client.batch_execute(statements).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        format!("{}: {}", error.code().code(), error.message())
    }

    /// Returns a caller for each user and session that a statement finds.
    pub async fn callers(&self, statement: &str) -> Vec<(i64, Caller)> {
        let rows = self.client.query(statement, &[]).await.unwrap();
        let now = Clock::default().now();
        let caller = |(user, session): (i64, Uuid)| {
            let principal = Principal {
                user: UserId::new(user),
                session: SessionId::new(session),
            };
            let proof = Proof::by(Method::Password, now);
            let token = self.app.tokens.issue(principal, &proof, now).unwrap();
            (user, self.anonymous().with_token(&token))
        };
        rows.iter()
            .map(|row| caller((row.get(0), row.get(1))))
            .collect()
    }

    /// Closes the connections of the instance from the side of the server.
    pub async fn hang_up(&self) {
        let statement = "select pg_terminate_backend(pid, 5000)
            from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()";
        self.client.query(statement, &[]).await.unwrap();
    }

    /// Closes the connections of the instance and lets no new ones in.
    pub async fn shut_out(&self) {
        self.allow_connections(false).await;
        self.hang_up().await;
    }

    /// Lets connections in again.
    pub async fn let_in(&self) {
        self.allow_connections(true).await;
    }

    async fn allow_connections(&self, is_allowed: bool) {
        let name = self.database.name();
        let statement = format!("alter database \"{name}\" with allow_connections {is_allowed}");
        let admin = test_cluster().admin().await.unwrap();
        admin.batch_execute(&statement).await.unwrap();
    }

    /// Locks a table until the returned connection is dropped.
    pub async fn lock(&self, table: &str) -> Client {
        let client = database::connect(self.url()).await;
        client
            .batch_execute(&format!(
                "begin; lock table {table} in access exclusive mode"
            ))
            .await
            .unwrap();
        client
    }

    /// Returns the entries that the audit log got since the people moved in, oldest first.
    pub async fn audit(&self) -> Vec<Value> {
        let statement = "select to_jsonb(audit_logs) from audit_logs where request_id is distinct from 'template' order by id";
        let rows = self.client.query(statement, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// Makes an instance whose database is nowhere, for what needs none.
pub fn app_without_database() -> App {
    instance("postgres://nobody@localhost/none", &[], &Catcher::default())
}

/// Makes an instance on a database. Its mails are caught unless `MAIL_URL` is among the variables.
fn instance(url: &str, variables: &[(&str, &str)], catcher: &Catcher) -> App {
    let keys = SigningKeys::generate().unwrap();
    let secret = Secret::generate().unwrap();
    // Enough connections that 16 requests at once race in the database and do not wait for each other here.
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}connection_limit=16");
    let usual = [
        ("DATABASE_URL", url.as_str()),
        ("USHER_SIGNING_KEYS", &keys),
        ("USHER_SECRET", &secret),
        ("USHER_ISSUER", "https://id.example.com"),
        ("USHER_SIGN_UP", "open"),
        ("USHER_MAIL_SIGN_IN", "on"),
        ("MAIL_FROM", "Example <no-reply@example.com>"),
    ];
    let config = Config::from_variables(|name| {
        let mut all = variables.iter().chain(&usual);
        all.find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    });
    let config = config.unwrap();
    if variables.iter().any(|(name, _)| *name == "MAIL_URL") {
        App::new(&config)
    } else {
        App::catching_mails(&config, catcher.clone())
    }
}
