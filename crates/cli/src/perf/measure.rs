//! Makes the calls of a measurement and times them: alone and in turns with the bare statements, then many at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use tokio::task::JoinSet;
use usher_core::Database;

use super::{
    address::{self, Address},
    job::Job,
    measured::Measured,
    measurements::Measurement,
    people::Dice,
    plan::Plan,
    recorder::Recorder,
    tally::{Level, Tally},
    task::Task,
    times::Times,
    wire::Request,
    world::World,
};

/// How many calls are not counted at the start.
const WARMING_UP: usize = 5;
/// How many calls there are at least, however long they take.
const LEAST: usize = WARMING_UP + 3;
/// How many statements of readings are recorded; they are said again in turn.
const RECORDED: usize = 100;

/// Everything that a measurement needs.
pub(super) struct Bench {
    pub(super) world: Arc<World>,
    pub(super) address: Address,
    pub(super) recorder: Option<Recorder>,
    /// The longest that the calls of one level are made.
    pub(super) limit: Duration,
    /// What budgets are multiplied by.
    pub(super) factor: f64,
    pub(super) is_durable: bool,
    /// The most connections at once.
    pub(super) connections: usize,
}

impl Bench {
    /// Makes a measurement.
    pub(super) async fn measure(&self, measurement: &Measurement) -> Result<Measured> {
        let task = measurement.task;
        let judged_at = if task.hashes() { 1 } else { 10 };
        let mut measured = Measured::new(
            &measurement.name,
            measurement.budget.times(self.factor),
            judged_at,
        );
        if !self.is_durable {
            measured.budget.ratio = None;
        }
        // The pool stays: what it prepared under a name is there as long as its connection is.
        let (kept, _pool) = self.record(task).await?;
        let mut rows = self.alone(task, &kept, &mut measured).await?;
        for connections in task
            .levels()
            .iter()
            .copied()
            .filter(|level| (2..=self.connections).contains(level))
        {
            let (level, found) = self.together(task, connections).await?;
            measured.levels.push(level);
            rows += found;
        }
        if let Some(recorder) = self.recorder.as_ref().filter(|_| !task.writes()) {
            self.explain(recorder, &kept, &mut measured).await;
        }
        if task.finds().is_some_and(|finds| finds != (rows > 0)) {
            measured
                .over
                .push(format!("{rows} rows were found, which cannot be"));
        }
        measured.judge();
        Ok(measured)
    }

    /// Prepares calls; those that only read are the same ones each time.
    async fn jobs(&self, task: Task, count: usize) -> Result<Vec<Job>> {
        let database = self.address.database(1)?;
        let connection = database.connection().await?;
        let mut dice = Dice::new(1);
        let mut jobs = Vec::with_capacity(count);
        for _ in 0..count {
            jobs.push(task.job(&self.world, &connection, &mut dice).await?);
        }
        Ok(jobs)
    }

    /// Keeps the statements of calls. What writes is not done yet.
    async fn record(&self, task: Task) -> Result<(Vec<Vec<Request>>, Option<Database>)> {
        let Some(recorder) = &self.recorder else {
            return Ok((Vec::new(), None));
        };
        let count = if task.writes() {
            count(task, 1)
        } else {
            RECORDED
        };
        let jobs = self.jobs(task, count).await?;
        let database = address::open(recorder.address())?;
        let started = Instant::now();
        let mut kept = Vec::new();
        recorder.take();
        for job in &jobs {
            // What writes fails here, as it is meant to.
            let _ = job.run(&self.world, &database).await;
            kept.push(recorder.take());
            if started.elapsed() > self.limit && kept.len() >= LEAST {
                break;
            }
        }
        if kept.iter().all(Vec::is_empty) {
            return Err(anyhow!(
                "no statement was seen between the pool and the server"
            ));
        }
        Ok((kept, Some(database)))
    }

    /// Calls on one connection, in turns with the bare statements, and returns how many rows there were.
    async fn alone(
        &self,
        task: Task,
        kept: &[Vec<Request>],
        measured: &mut Measured,
    ) -> Result<usize> {
        let jobs = self.jobs(task, count(task, 1)).await?;
        let database = self.address.database(1)?;
        let (mut tally, mut bare) = (Tally::default(), Vec::new());
        let (started, mut calling) = (Instant::now(), Duration::ZERO);
        let mut recorder = self.recorder.as_ref();
        for number in 0..jobs.len() {
            // What only reads is called again, so that both do the same in turns.
            let turn = if task.writes() || kept.is_empty() {
                number
            } else {
                number % kept.len()
            };
            let (begun, is_counted) = (Instant::now(), number >= WARMING_UP);
            call(&mut tally, &jobs[turn], &self.world, &database, is_counted).await;
            if is_counted {
                calling += begun.elapsed();
            }
            let requests = kept.get(turn);
            if let Some((server, requests)) = recorder.zip(requests) {
                match say(server, requests, task.writes()).await {
                    Ok(took) if is_counted => bare.push(took),
                    Ok(_) => {}
                    Err(error) => {
                        measured.over.push(format!("{error:#}"));
                        recorder = None;
                    }
                }
            }
            if number + 1 >= LEAST && started.elapsed() > 2 * self.limit {
                break;
            }
        }
        let rows = tally.rows;
        measured.levels.push(tally.into_level(1, calling));
        measured.bare = Times::of(bare);
        let own = measured.levels.first().and_then(|level| level.times);
        measured.ratio = own.zip(measured.bare).map(|(own, bare)| own.p25 / bare.p25);
        Ok(rows)
    }

    /// Calls on many connections at once.
    async fn together(&self, task: Task, connections: usize) -> Result<(Level, usize)> {
        let jobs = Arc::new(self.jobs(task, count(task, connections)).await?);
        let database = self.address.database(connections)?;
        open_all(&database, connections).await?;
        let next = Arc::new(AtomicUsize::new(0));
        let (started, limit) = (Instant::now(), self.limit);
        let mut calling = JoinSet::new();
        for _ in 0..connections {
            let (jobs, next, world, database) = (
                Arc::clone(&jobs),
                Arc::clone(&next),
                Arc::clone(&self.world),
                database.clone(),
            );
            calling.spawn(async move {
                let mut tally = Tally::default();
                let mut is_counted = false;
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    call(&mut tally, job, &world, &database, is_counted).await;
                    if is_counted && started.elapsed() > limit {
                        break;
                    }
                    is_counted = true;
                }
                tally
            });
        }
        let mut tally = Tally::default();
        while let Some(part) = calling.join_next().await {
            tally.add(part?);
        }
        let rows = tally.rows;
        Ok((tally.into_level(connections, started.elapsed()), rows))
    }

    /// Looks at what the statements read, as many as there is time for, and keeps the most.
    async fn explain(&self, recorder: &Recorder, kept: &[Vec<Request>], measured: &mut Measured) {
        const LEAST: usize = 3;
        let started = Instant::now();
        for (number, request) in kept.iter().flatten().enumerate() {
            if number >= LEAST && started.elapsed() > self.limit {
                break;
            }
            match Plan::of(recorder, request).await {
                Ok(plan) => measured.plan = Some(measured.plan.map_or(plan, |most| most.max(plan))),
                Err(error) => return measured.over.push(format!("{error:#}")),
            }
        }
    }
}

/// Makes a call, and counts it unless it is one of the first.
async fn call(tally: &mut Tally, job: &Job, world: &World, database: &Database, is_counted: bool) {
    let started = Instant::now();
    match job.run(world, database).await {
        Ok(rows) => {
            tally.rows += rows;
            if is_counted {
                tally.times.push(started.elapsed());
            }
        }
        Err(error) => tally.failures.push(format!("{error:#}")),
    }
}

/// Returns how many calls there are at most.
fn count(task: Task, connections: usize) -> usize {
    let (least, each) = if task.writes() { (200, 5) } else { (1000, 20) };
    WARMING_UP + connections + least.max(each * connections)
}

/// Says statements to the server, and returns how long it took to answer.
async fn say(recorder: &Recorder, requests: &[Request], writes: bool) -> Result<Duration> {
    let (started, mut rows) = (Instant::now(), 0);
    for request in requests {
        rows = recorder.say(&request.sent).await?.rows;
    }
    if writes && rows == 0 {
        return Err(anyhow!("a bare statement changed nothing"));
    }
    Ok(started.elapsed())
}

/// Opens all connections of a pool, so that nobody has to wait for that later.
async fn open_all(database: &Database, connections: usize) -> Result<()> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(database.connection().await?);
    }
    Ok(())
}
