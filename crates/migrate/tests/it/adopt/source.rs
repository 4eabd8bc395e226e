//! A database as Prisma leaves it, with a few rows of every kind.

use tokio_postgres::Client;
use usher_devdb::TestDatabase;
use usher_migrate::{AdoptOptions, Adopted, Error, Migrations, Snapshot};

use crate::support::{ask, connect, database};

/// The schema that Prisma makes.
pub(super) const PRISMA: &str = include_str!("prisma.sql");

/// Users 1 to 3 of four, and entries of three months, one before 1970.
pub(super) const ROWS: &str = r#"
    insert into users (name, email, password, roles, "isActive", "createdAt", "updatedAt", "avatarUrl")
    values
      ('Ada Lovelace', 'ada@example.com', '$argon2id$a', '{user,admin}', true,
       '2024-02-29 23:59:59.999', '2025-03-30 02:30:00.001', 'https://example.com/ada.png'),
      (E' Grace\tHopper ', ' Grace@Example.COM', '', '{}', true, '2023-12-31 23:30', '2024-01-01', ''),
      ('Zoë', 'zoe@example.com', '$argon2i$z', '{auditor,user,user}', false, '2024-01-01', '2024-01-02', null),
      ('Gone', 'gone@example.com', 'x', null, true, now(), now(), null);
    delete from users where id = 4;
    insert into audit_logs ("actorId", action, entity, "entityId", payload, "createdAt")
    values
      (1, 'CREATE', 'User', 2, '{"after": {"name": "Grace"}}', '2023-12-31 23:30:00.123'),
      (null, 'LOGIN', 'User', 1, null, '2024-01-31 23:59:59.999'),
      (3, 'UPDATE', 'Role', null, 'null', '2024-02-01'),
      (1, 'DELETE', 'User', 4, '[1]', '1969-07-20 20:17');
    select setval('audit_logs_id_seq', 77)"#;

/// A database of Prisma.
pub(super) struct Source {
    pub(super) database: TestDatabase,
    pub(super) client: Client,
}

impl Source {
    pub(super) async fn filled() -> Self {
        let database = database().await;
        let client = connect(database.url()).await;
        let source = Self { database, client };
        source.execute(PRISMA).await;
        source.execute(ROWS).await;
        source
    }

    pub(super) async fn execute(&self, statements: &str) {
        let ran = self.client.batch_execute(statements).await;
        ran.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    pub(super) async fn adopt(&mut self) -> Result<Adopted, Error> {
        self.adopt_with(&options()).await
    }

    pub(super) async fn adopt_with(
        &mut self,
        options: &AdoptOptions<'_>,
    ) -> Result<Adopted, Error> {
        let migrations = Migrations::embedded().unwrap();
        let survey = migrations.survey(&mut self.client, options).await?;
        migrations.adopt(&mut self.client, &survey, options).await
    }

    /// Returns all that is there: the objects and the rows.
    pub(super) async fn all(&self) -> (Snapshot, Option<String>) {
        let rows = "select string_agg(line, ' ' order by line) from (
            select to_jsonb(users)::text from users
            union all
            select to_jsonb(audit_logs)::text from audit_logs
            union all
            select to_jsonb(_prisma_migrations)::text from _prisma_migrations
          ) as lines (line)";
        let snapshot = Snapshot::read(&self.client).await.unwrap();
        (snapshot, ask(&self.client, rows).await)
    }

    /// Compares with what the migrations make.
    pub(super) async fn drift(&mut self) -> Vec<String> {
        let migrations = Migrations::embedded().unwrap();
        let live = migrations.look(&mut self.client).await.unwrap();
        assert!(live.status.is_clean(), "{:?}", live.status);
        let empty = database().await;
        let mut empty = connect(empty.url()).await;
        let differences = migrations.drift(&live, &mut empty).await.unwrap();
        differences.iter().map(ToString::to_string).collect()
    }
}

/// Judges nobody, agrees to nothing.
pub(super) fn options() -> AdoptOptions<'static> {
    AdoptOptions {
        creates_roles: false,
        drops_passwords: false,
        judge: &|_| Vec::new(),
        lock_wait: std::time::Duration::from_secs(1),
        progress: &|_| {},
    }
}
