//! The way of one migration there and back, in one database.

use tokio_postgres::Client;

use crate::{
    Back, DeployOptions, Difference, Error, Fault, Migration, Migrations, Proof, Result, Snapshot,
    contents::Contents, failure::chain, rows::Maker,
};

const LEFT: &str = "its rollback leaves another schema than the one before it";
const AGAIN: &str = "applied again after its rollback it makes another schema than at first";
const NOT_AGAIN: &str = "it cannot be applied again after its rollback";

/// A migration, a database that has the ones before it, and what is found out.
pub(super) struct Trial<'a> {
    /// The migration and the ones before it.
    pub(super) migrations: &'a Migrations,
    pub(super) migration: &'a Migration,
    pub(super) client: &'a mut Client,
    pub(super) proof: &'a mut Proof,
    /// Whether there are rows in the tables.
    pub(super) with_rows: bool,
}

/// How a trial leaves the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// It is as the migration makes it.
    Whole,
    /// Nothing more can be tried in it.
    Spoilt,
    /// The migration cannot be applied.
    Unapplied,
}

impl<'a> Trial<'a> {
    /// Tries it in a database without rows, but for those that migrations make.
    pub(super) async fn empty(mut self) -> Result<Stand> {
        let before = Snapshot::read(self.client).await?;
        let Some(made) = self.apply("it cannot be applied").await? else {
            return Ok(Stand::Unapplied);
        };
        if self.migration.irreversible().is_some() {
            return Ok(Stand::Whole);
        }
        match self.undo().await? {
            Ok(left) => self.expect(LEFT, &before, &left),
            Err(reason) => {
                self.fault(format!("it cannot be undone: {reason}"));
                return Ok(Stand::Spoilt);
            }
        };
        self.apply_again(&made).await
    }

    /// Tries it with rows in every table: those that were there before it, and then also some that came after it.
    pub(super) async fn filled(mut self, maker: &mut Maker) -> Result<Stand> {
        let by_hand = self.with_rows_by_hand(self.migration.version() - 1);
        // What is wrong with these was told with the migration before.
        maker.fill(self.client, by_hand).await?;
        let (before, rows) = self.look().await?;
        let can_be_undone = self.migration.irreversible().is_none() && self.proof.faults.is_empty();
        let Some(made) = self
            .apply("it cannot be applied to tables with rows")
            .await?
        else {
            return Ok(Stand::Unapplied);
        };
        if !can_be_undone {
            self.fill(maker).await?;
            return Ok(Stand::Whole);
        }
        if let Err(reason) = self.undo().await? {
            return self.refused(reason, &made, maker).await;
        }
        let (left, mut kept) = self.look().await?;
        self.expect(LEFT, &before, &left);
        self.proof.lose(rows.missing(&kept));
        if self.apply_again(&made).await? != Stand::Whole {
            return Ok(Stand::Spoilt);
        }

        let (_, rows) = self.look().await?;
        let more = self.fill(maker).await?;
        if let Err(reason) = self.undo().await? {
            return self.refused(reason, &made, maker).await;
        }
        let (left, rest) = self.look().await?;
        self.expect(LEFT, &before, &left);
        kept.grow(&rows, &more);
        self.proof.lose(more.without(&made, &left));
        self.proof.lose(kept.missing(&rest));
        self.apply_again(&made).await
    }

    /// Notes that the rollback was refused because of rows, and goes on with the migration as it is.
    async fn refused(
        mut self,
        reason: String,
        made: &Snapshot,
        maker: &mut Maker,
    ) -> Result<Stand> {
        self.proof.refusal = Some(reason);
        let (left, _) = self.look().await?;
        let is_whole = self.expect(
            "its rollback is refused and leaves something behind",
            made,
            &left,
        );
        self.fill(maker).await?;
        Ok(if is_whole {
            Stand::Whole
        } else {
            Stand::Spoilt
        })
    }

    /// Applies the migration as a deploy does, and returns the schema, or notes why that is not possible.
    async fn apply(&mut self, or_else: &str) -> Result<Option<Snapshot>> {
        let options = DeployOptions::default();
        let reason = match self.migrations.deploy(self.client, options).await {
            Ok(deployed) => {
                self.proof.missing_roles = deployed.missing_roles;
                return Snapshot::read(self.client).await.map(Some);
            }
            Err(Error::Failed(failure)) => failure.to_string(),
            Err(error @ Error::After { .. }) => chain(&error),
            Err(error) => return Err(error),
        };
        self.fault(format!("{or_else}: {reason}"));
        Ok(None)
    }

    /// Applies it once more and compares with the first time.
    async fn apply_again(&mut self, made: &Snapshot) -> Result<Stand> {
        let again = self.apply(NOT_AGAIN).await?;
        let is_whole = again.is_some_and(|again| self.expect(AGAIN, made, &again));
        Ok(if is_whole {
            Stand::Whole
        } else {
            Stand::Spoilt
        })
    }

    /// Undoes the migration as a rollback does, and returns the schema, or why that is not possible.
    async fn undo(&mut self) -> Result<Result<Snapshot, String>> {
        match self
            .migrations
            .rollback(self.client, Back::Steps(1), &|_| {})
            .await
        {
            Ok(_) => Snapshot::read(self.client).await.map(Ok),
            Err(Error::RollbackFailed(failure)) => Ok(Err(failure.to_string())),
            Err(error @ Error::NoRollback { .. }) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }

    async fn look(&self) -> Result<(Snapshot, Contents)> {
        let schema = Snapshot::read(self.client).await?;
        Ok((schema, Contents::read(self.client).await?))
    }

    /// Makes rows in every table, and returns what there is then.
    async fn fill(&mut self, maker: &mut Maker) -> Result<Contents> {
        let by_hand = self.with_rows_by_hand(self.migration.version());
        for fault in maker.fill(self.client, by_hand).await? {
            self.fault(fault);
        }
        let contents = Contents::read(self.client).await?;
        self.proof.rows = contents.rows();
        Ok(contents)
    }

    /// Returns the newest migration up to a version that brings rows of its own.
    fn with_rows_by_hand(&self, version: i64) -> Option<&'a Migration> {
        let mut newest_first = self.migrations.iter().rev();
        newest_first.find(|migration| migration.version() <= version && migration.rows().is_some())
    }

    /// Notes how a schema differs from the one it has to be, and returns whether it does not.
    fn expect(&mut self, what: &str, expected: &Snapshot, found: &Snapshot) -> bool {
        let differences = expected.differences(found);
        let is_same = differences.is_empty();
        if !is_same {
            self.note(what.to_owned(), differences);
        }
        is_same
    }

    fn fault(&mut self, what: String) {
        self.note(what, Vec::new());
    }

    fn note(&mut self, what: String, differences: Vec<Difference>) {
        self.proof.faults.push(Fault {
            with_rows: self.with_rows,
            what,
            differences,
        });
    }
}
