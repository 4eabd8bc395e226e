//! Callers who send one request after the other for a while, and how long they waited.

use std::time::{Duration, Instant};

use usher_tests::{Answer, Caller};

/// How many callers there are at once.
pub(crate) const CALLERS: usize = 10;

/// How long answers took, in order.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Returns the time that this part of all answers did not exceed, in milliseconds.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index between the bounds"
        )]
        let index = ((self.0.len() - 1) as f64 * part) as usize;
        self.0[index].as_secs_f64() * 1000.0
    }
}

/// Lets all callers send requests for this long. `send` gets the caller with a number that no other request has.
pub(crate) async fn busy<F>(
    caller: &Caller,
    duration: Duration,
    send: impl Fn(Caller, usize) -> F + Clone + Send + 'static,
) -> Times
where
    F: Future<Output = Answer> + Send + 'static,
{
    let until = Instant::now() + duration;
    let callers = (0..CALLERS).map(|first| {
        let (caller, send) = (caller.clone(), send.clone());
        #[expect(clippy::disallowed_methods, reason = "a benchmark is no function")]
        tokio::spawn(async move {
            let (mut times, mut number) = (Vec::new(), first);
            while Instant::now() < until {
                let started = Instant::now();
                send(caller.clone(), number).await.expect(200);
                times.push(started.elapsed());
                number += CALLERS;
            }
            times
        })
    });
    let mut times = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        times.extend(caller.await.unwrap());
    }
    times.sort();
    Times(times)
}
