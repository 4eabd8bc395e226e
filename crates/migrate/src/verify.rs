//! Proves migrations: each is applied, undone and applied again, in an empty database and in one with rows in every table.
//!
//! After the rollback the schema has to be the one before, and after the second time the one after the first. What rows
//! are lost is told, and that a rollback is refused because of them: neither is a fault, and both have to be known.

use tokio_postgres::Client;

use self::trial::{Stand, Trial};
use crate::{DeployOptions, Error, Migrations, Outcome, Proof, Result, rows::Maker};

mod trial;

impl Migrations {
    /// Tries every migration out, oldest first, and returns what it showed.
    ///
    /// `fresh` connects to a new and empty database. That is asked for twice, and again after each migration that leaves
    /// one in a state on which the next cannot be tried.
    pub async fn verify<E: From<Error>>(
        &self,
        fresh: impl AsyncFn() -> Result<Client, E>,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Vec<Proof>, E> {
        let mut proofs: Vec<_> = self.iter().map(Proof::untried).collect();
        let (mut empty, mut filled, mut maker) = (None, None, Maker::new());
        let (count, mut before) = (proofs.len(), 0);
        for (number, (migration, proof)) in (1..).zip(self.iter().zip(&mut proofs)) {
            progress(&format!(
                "proving {} ({number} of {count})",
                migration.name()
            ));
            let migrations = self.up_to(migration.version());

            let mut client = self.take(&mut empty, before, &fresh).await?;
            let trial = Trial {
                migrations: &migrations,
                migration,
                client: &mut client,
                proof,
                with_rows: false,
            };
            let stand = trial.empty().await?;
            empty = (stand == Stand::Whole).then_some(client);
            proof.outcome = match migration.irreversible() {
                _ if stand == Stand::Unapplied => Outcome::Failed,
                Some(reason) => Outcome::Irreversible(reason.to_owned()),
                None => Outcome::Proved,
            };
            if stand == Stand::Unapplied {
                break;
            }

            let mut client = self.take(&mut filled, before, &fresh).await?;
            let trial = Trial {
                migrations: &migrations,
                migration,
                client: &mut client,
                proof,
                with_rows: true,
            };
            let stand = trial.filled(&mut maker).await?;
            filled = (stand == Stand::Whole).then_some(client);
            if !proof.faults.is_empty() {
                proof.outcome = Outcome::Failed;
            }
            proof.losses.sort_by(|a, b| a.object.cmp(&b.object));
            before = migration.version();
        }
        Ok(proofs)
    }

    /// Returns the database of the migration before, or a new one that is brought there.
    async fn take<E: From<Error>>(
        &self,
        kept: &mut Option<Client>,
        version: i64,
        fresh: &impl AsyncFn() -> Result<Client, E>,
    ) -> Result<Client, E> {
        if let Some(client) = kept.take() {
            return Ok(client);
        }
        let mut client = fresh().await?;
        let older = self.up_to(version);
        older.deploy(&mut client, DeployOptions::default()).await?;
        Ok(client)
    }
}
