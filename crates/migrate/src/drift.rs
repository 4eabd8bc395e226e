//! Compares a database with what its migrations make in an empty one.

use tokio_postgres::{Client, IsolationLevel, types::Type};

use crate::{
    DeployOptions, Difference, Error, Migrations, Result, Snapshot, State, Status, Surroundings,
};

/// All that is looked at in a database, of one moment.
#[derive(Debug)]
pub struct Live {
    /// How the migrations stand.
    pub status: Status,
    /// The schema, and where names are looked up.
    pub schema: String,
    search_path: String,
    /// What the schema has from around it.
    pub surroundings: Surroundings,
    /// Every object.
    pub snapshot: Snapshot,
    /// The major version of the server, such as 17.
    pub major: u32,
}

impl Migrations {
    /// Looks at a database. Needs no privilege but to read the history of the migrations, and writes nothing.
    pub async fn look(&self, client: &mut Client) -> Result<Live> {
        let ended = Error::database("look at the database in one transaction");
        let transaction = client.build_transaction().read_only(true);
        let transaction = transaction.isolation_level(IsolationLevel::RepeatableRead);
        let transaction = match transaction.start().await {
            Ok(transaction) => transaction,
            Err(error) => return Err(ended(error)),
        };
        let client = transaction.client();
        let statement = "
            select
              current_schema()::text as schema,
              current_setting('search_path') as search_path,
              current_setting('server_version_num')::integer / 10000 as major";
        let read = async {
            let row = client.query_typed_one(statement, &[]).await?;
            let schema: Option<String> = row.try_get("schema")?;
            let search_path: String = row.try_get("search_path")?;
            Ok((schema, search_path, row.try_get::<_, i32>("major")?))
        };
        let asked = read.await.map_err(Error::database("look for the schema"));
        let (schema, search_path, major) = asked?;
        let live = Live {
            status: self.status(client).await?,
            schema: schema.ok_or(Error::NoSchema)?,
            search_path,
            surroundings: Surroundings::read(client).await?,
            snapshot: Snapshot::read(client).await?,
            major: major.unsigned_abs(),
        };
        transaction.rollback().await.map_err(ended)?;
        Ok(live)
    }

    /// Makes the schema in an empty database, as far as the migrations of another one go, and returns how that one
    /// differs: added is what only it has. The roles that it names have to be there.
    pub async fn drift(&self, live: &Live, empty: &mut Client) -> Result<Vec<Difference>> {
        let prepared = prepare(live, empty).await;
        prepared.map_err(Error::database("prepare the empty database"))?;
        let is_there = |version| {
            let mut entries = live.status.entries.iter();
            entries.any(|entry| {
                entry.version == version && matches!(entry.state, State::Applied | State::Divergent)
            })
        };
        self.only(is_there)
            .deploy(empty, DeployOptions::default())
            .await?;
        let expected = Snapshot::read(empty).await?;
        Ok(expected.differences(&live.snapshot))
    }
}

impl Live {
    /// Returns the newest version that the database has; 0 without any.
    pub fn version(&self) -> i64 {
        let mut entries = self.status.entries.iter().rev();
        let newest =
            entries.find(|entry| !matches!(entry.state, State::Pending | State::OutOfOrder));
        newest.map_or(0, |entry| entry.version)
    }
}

/// Makes the schema and the places of the extensions, and looks names up as the other database does: they are written
/// out differently otherwise, and functions remember it.
async fn prepare(live: &Live, empty: &Client) -> Result<(), tokio_postgres::Error> {
    let mut schemas = vec![&live.schema];
    schemas.extend(live.surroundings.extensions.values());
    for schema in schemas {
        let making = format!("create schema if not exists {}", quote(schema));
        empty.batch_execute(&making).await?;
    }
    for (extension, schema) in &live.surroundings.extensions {
        if *schema != live.schema {
            let (extension, schema) = (quote(extension), quote(schema));
            let making = format!("create extension if not exists {extension} schema {schema}");
            empty.batch_execute(&making).await?;
        }
    }
    let setting = "select set_config('search_path', $1, false)";
    empty
        .query_typed(setting, &[(&live.search_path, Type::TEXT)])
        .await?;
    Ok(())
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
