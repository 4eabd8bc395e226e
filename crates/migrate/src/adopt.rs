//! Takes over a database that Prisma made: the tables `users` and `audit_logs` of the schema that this product comes from.
//!
//! One transaction: either all of it is there afterwards or nothing was changed. What is not recognised is named before,
//! with what to do about it. The old tables stay as they were in a schema of their own, so that there is a way back.

use std::{fmt, pin::pin, time::Duration};

use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;

use crate::{
    DeployOptions, Deployed, Entry, Error, Migrations, Result, State, apply::is_about_locks, lock,
};

mod judge;
mod rows;
mod script;
mod shape;

pub use judge::{Candidate, Objection};
pub use script::Step;

/// The newest migration before the rows come: what follows finds them there, as in any other database.
const BASELINE: i64 = 20_261_124_100_000;

/// The schema that the old tables move to.
const PLACE: &str = "prisma";

/// How often the tables are asked for when others use them, and the pause between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// How long a statement runs before it is told that it still does.
const PATIENCE: Duration = Duration::from_secs(5);

/// How an adoption goes about it.
#[derive(Clone, Copy)]
pub struct AdoptOptions<'a> {
    /// Registers the roles that users hold and the migrations do not.
    pub creates_roles: bool,
    /// Leaves out passwords that are no argon2 hashes.
    pub drops_passwords: bool,
    /// Says what is wrong with a user.
    pub judge: &'a (dyn Fn(&Candidate<'_>) -> Vec<Objection> + Sync),
    /// How long to wait for a deploy.
    pub lock_wait: Duration,
    /// Is told what takes a while.
    pub progress: &'a (dyn Fn(&str) + Sync),
}

/// What an adoption found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The number of users.
    pub users: i64,
    /// The number of audit entries.
    pub audit_logs: i64,
    /// The number of months that they are of.
    pub months: i64,
    /// What will not be as it was.
    pub notes: Vec<String>,
    /// What is in the way, each with what to do.
    pub faults: Vec<String>,
    has_history: bool,
}

/// What an adoption did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// What it found.
    pub survey: Survey,
    /// What the deploy after it did.
    pub deployed: Deployed,
}

impl Survey {
    /// Fails when something is in the way.
    pub fn refuse(&self) -> Result<()> {
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(Error::Unadoptable(self.faults.clone()))
        }
    }
}

impl fmt::Display for Survey {
    /// Writes the contents, such as `3 users and 2 audit entries of 1 month`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [users, audit_logs, months] = [
            (self.users, "user"),
            (self.audit_logs, "audit entry"),
            (self.months, "month"),
        ]
        .map(|(number, one)| rows::many(number, one));
        write!(formatter, "{users} and {audit_logs} of {months}")
    }
}

impl Migrations {
    /// Looks at a database without changing or locking anything.
    pub async fn survey(&self, client: &mut Client, options: &AdoptOptions<'_>) -> Result<Survey> {
        let began = Error::database("look at the database in one transaction");
        let transaction = client.build_transaction().read_only(true);
        let transaction = transaction.start().await.map_err(began)?;
        self.look_at(transaction.client(), options).await
    }

    /// Returns the statements that adopt a database of which this was found, in one transaction.
    pub async fn adoption(&self, survey: &Survey, options: &AdoptOptions<'_>) -> Result<Vec<Step>> {
        script::steps(self, options, survey.has_history).await
    }

    /// Adopts a database of which this was found, then applies the migrations that came after the adoption was written.
    pub async fn adopt(
        &self,
        client: &mut Client,
        survey: &Survey,
        options: &AdoptOptions<'_>,
    ) -> Result<Adopted> {
        survey.refuse()?;
        lock::take(client, options.lock_wait, options.progress).await?;
        let adopted = self.adopt_alone(client, options).await;
        let released = lock::release(client).await;
        let adopted = adopted?;
        released?;
        Ok(adopted)
    }

    async fn look_at(&self, client: &Client, options: &AdoptOptions<'_>) -> Result<Survey> {
        let status = self.status(client).await?;
        let is_pending = |entry: &Entry| entry.state == State::Pending;
        if !status.entries.iter().all(is_pending) {
            let fault = "there is a history of migrations already: `usher migrate status` shows it";
            return Ok(Survey {
                faults: vec![fault.to_owned()],
                ..Survey::default()
            });
        }
        let shape = shape::Shape::read(client).await?;
        let mut survey = Survey {
            has_history: shape.has_history,
            faults: shape.faults,
            notes: shape.notes,
            ..Survey::default()
        };
        if shape.is_readable {
            rows::look(client, options, &mut survey).await?;
        }
        Ok(survey)
    }

    async fn adopt_alone(
        &self,
        client: &mut Client,
        options: &AdoptOptions<'_>,
    ) -> Result<Adopted> {
        begin(client, options.progress).await?;
        let survey = match self.take_over(client, options).await {
            Ok(survey) => survey,
            Err(error) => {
                // Without a connection the server does it by itself.
                let _ = client.batch_execute("rollback").await;
                return Err(error);
            }
        };
        let committed = client.batch_execute("commit").await;
        committed.map_err(Error::database(
            "learn how the commit ended; `usher migrate status` tells whether all of it is there or nothing",
        ))?;
        (options.progress)("the adoption is done, what is newer is deployed now");
        let deploy = DeployOptions {
            progress: options.progress,
            ..DeployOptions::default()
        };
        let deployed = self.deploy_alone(client, deploy).await?;
        Ok(Adopted { survey, deployed })
    }

    /// Does all of it inside of a transaction. The rows are looked at again: nobody else can change them now.
    async fn take_over(&self, client: &Client, options: &AdoptOptions<'_>) -> Result<Survey> {
        let survey = self.look_at(client, options).await?;
        survey.refuse()?;
        for step in self.adoption(&survey, options).await?.iter().skip(1) {
            run(client, step, options.progress).await?;
        }
        Ok(survey)
    }
}

/// Begins the transaction with the first step, which takes the tables. Others are waited for in short turns.
async fn begin(client: &Client, progress: &(dyn Fn(&str) + Sync)) -> Result<()> {
    let step = script::lock();
    let sql = format!("begin;\n{}", step.sql);
    for left in (0..TRIES).rev() {
        let failed = match client.batch_execute(&sql).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let _ = client.batch_execute("rollback").await;
        if left == 0 || !failed.as_db_error().is_some_and(is_about_locks) {
            return Err(Error::adoption(&step.title)(failed));
        }
        progress(&format!(
            "others use the tables, trying again ({left} tries left)"
        ));
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Runs a step, and tells now and then that it still runs.
async fn run(client: &Client, step: &Step, progress: &(dyn Fn(&str) + Sync)) -> Result<()> {
    progress(&step.title);
    let started = Instant::now();
    let mut work = pin!(client.batch_execute(&step.sql));
    loop {
        if let Ok(ended) = timeout(PATIENCE, &mut work).await {
            return ended.map_err(Error::adoption(&step.title));
        }
        progress(&format!("  for {} s", started.elapsed().as_secs()));
    }
}
