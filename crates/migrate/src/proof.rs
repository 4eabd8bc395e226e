//! What trying out a migration showed.

use std::collections::BTreeMap;

use crate::{Difference, Loss, Migration};

/// What trying out one migration showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The whole name of the migration.
    pub migration: String,
    /// Whether it is proved.
    pub outcome: Outcome,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
    /// What a rollback takes away when there are rows: tables and columns, with the number of their rows or values.
    pub losses: Vec<Loss>,
    /// What the server said, when it refuses the rollback as soon as there are rows.
    pub refusal: Option<String>,
    /// The number of rows in each table when it was undone.
    pub rows: BTreeMap<String, i64>,
    /// The roles of the product that the server lacks, so that grants to them were not tried.
    pub missing_roles: Vec<String>,
}

/// How the trial of a migration ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was applied, undone and applied again, and each time the schema was the one it had to be.
    Proved,
    /// It was applied; its rollback gives this reason why it cannot be undone.
    Irreversible(String),
    /// Something is wrong with it.
    Failed,
    /// It was not tried, since one before it cannot be applied.
    Untried,
}

/// One thing that is wrong with a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whether there were rows in the tables.
    pub with_rows: bool,
    /// What is wrong.
    pub what: String,
    /// How the schema differs from the one it had to be.
    pub differences: Vec<Difference>,
}

impl Outcome {
    /// Returns the word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Irreversible(_) => "irreversible",
            Self::Failed => "failed",
            Self::Untried => "not tried",
        }
    }
}

impl Proof {
    pub(crate) fn untried(migration: &Migration) -> Self {
        Self {
            migration: migration.name().to_owned(),
            outcome: Outcome::Untried,
            faults: Vec::new(),
            losses: Vec::new(),
            refusal: None,
            rows: BTreeMap::new(),
            missing_roles: Vec::new(),
        }
    }

    /// Returns whether nothing is wrong with it. A rollback that loses rows, or is refused for them, is no fault.
    pub fn is_good(&self) -> bool {
        matches!(self.outcome, Outcome::Proved | Outcome::Irreversible(_))
    }

    /// Notes what is lost, beside what is known to be.
    pub(crate) fn lose(&mut self, losses: Vec<Loss>) {
        for loss in losses {
            let known = self
                .losses
                .iter_mut()
                .find(|known| known.object == loss.object);
            match known {
                Some(known) => known.rows = known.rows.zip(loss.rows).map(|(a, b)| a + b),
                None => self.losses.push(loss),
            }
        }
    }
}
