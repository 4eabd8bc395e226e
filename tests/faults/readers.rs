//! Callers who read all the time.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;
use usher_tests::Person;

use crate::{asks::Ask, stage::Stage, writers::describe};

/// What is read, in turn.
const PATHS: [&str; 4] = [
    "/api/me",
    "/api/users/4",
    "/api/users?limit=10&sort=name",
    "/api/health/ready",
];

/// A number of callers.
pub(crate) struct Readers {
    is_over: Arc<AtomicBool>,
    running: JoinSet<Readings>,
}

/// What they saw.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    /// Reads that were answered.
    pub(crate) done: usize,
    /// Reads that were put off.
    pub(crate) put_off: usize,
    /// Whatever else came, or did not.
    pub(crate) strange: BTreeSet<String>,
    /// The longest that anybody waited.
    pub(crate) slowest: Duration,
}

impl Readings {
    /// Returns the share of reads that were answered.
    #[expect(clippy::cast_precision_loss, reason = "there are not that many")]
    pub(crate) fn share(&self) -> f64 {
        self.done as f64 / (self.done + self.put_off + self.strange.len()) as f64
    }

    fn add(&mut self, other: Self) {
        self.done += other.done;
        self.put_off += other.put_off;
        self.strange.extend(other.strange);
        self.slowest = self.slowest.max(other.slowest);
    }
}

impl Readers {
    /// Lets this many callers loose on instances, each with a pause between two reads.
    pub(crate) fn start(
        stage: &Stage,
        count: usize,
        addresses: &[SocketAddr],
        pause: Duration,
    ) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let token = stage.tokens(Person::Admin);
        let mut running = JoinSet::new();
        for number in 0..count {
            let address = addresses[number % addresses.len()];
            let (is_over, token) = (Arc::clone(&is_over), Arc::clone(&token));
            running.spawn(async move {
                let mut readings = Readings::default();
                for path in PATHS.iter().cycle().skip(number) {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    readings.read(path, &token(), address).await;
                    tokio::time::sleep(pause).await;
                }
                readings
            });
        }
        Self { is_over, running }
    }

    /// Lets everybody finish, and returns what they saw.
    pub(crate) async fn finish(mut self) -> Readings {
        self.is_over.store(true, Ordering::Relaxed);
        let mut readings = Readings::default();
        while let Some(ended) = self.running.join_next().await {
            readings.add(ended.unwrap());
        }
        readings
    }
}

impl Readings {
    async fn read(&mut self, path: &str, token: &str, address: SocketAddr) {
        let reply = Ask::get(path).with_token(token).to(address).await;
        self.slowest = self.slowest.max(reply.took);
        if reply.is_done() {
            self.done += 1;
        } else if reply.is_put_off() {
            self.put_off += 1;
        } else {
            self.strange.insert(format!("{path}: {}", describe(&reply)));
        }
    }
}
