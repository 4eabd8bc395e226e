//! Sixteen at once, and the control that says that such a race can be lost.

use std::{future::Future, sync::Arc};

use tokio::{sync::Barrier, task::JoinSet};
use usher_tests::{TestApp, connect};

/// How many try at once.
pub(crate) const MANY: usize = 16;

/// Returns how often they try: as often as is usual for a test, or as `USHER_RACES` says; 1,000 is the long form.
#[expect(
    clippy::disallowed_methods,
    reason = "asks for a longer test, configures nothing"
)]
pub(crate) fn rounds(usual: usize) -> usize {
    let wanted = std::env::var("USHER_RACES").ok();
    wanted.map_or(usual, |rounds| rounds.parse().unwrap())
}

/// Runs something many times at once, each with its number, and returns what each said.
pub(crate) async fn all_at_once<T, F>(attempt: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(MANY));
    let mut tasks = JoinSet::new();
    for number in 0..MANY {
        let (start, attempt) = (Arc::clone(&start), attempt(number));
        tasks.spawn(async move {
            start.wait().await;
            attempt.await
        });
    }
    tasks.join_all().await
}

/// Runs something many times at once, and returns how often it was successful.
pub(crate) async fn winners<F>(attempt: impl Fn(usize) -> F) -> usize
where
    F: Future<Output = bool> + Send + 'static,
{
    let outcomes = all_at_once(attempt).await;
    outcomes.into_iter().filter(|is_winner| *is_winner).count()
}

/// Who looks first and writes afterwards lets more than one through: without that, it would say nothing that one gets there.
///
/// `back` makes it open again, `look` tells whether it is open, and `write` takes it.
pub(crate) async fn can_be_lost(t: &TestApp, back: &str, look: &'static str, write: &'static str) {
    let mut clients = Vec::new();
    for _ in 0..MANY {
        clients.push(Arc::new(connect(t.url()).await));
    }
    let mut most = 0;
    for _ in 0..rounds(20) {
        t.execute(back).await;
        let count = winners(|number| {
            let client = Arc::clone(&clients[number]);
            async move {
                let is_open: bool = client.query_one(look, &[]).await.unwrap().get(0);
                if is_open {
                    client.batch_execute(write).await.unwrap();
                }
                is_open
            }
        })
        .await;
        most = most.max(count);
    }
    assert!(
        most > 1,
        "the race cannot be lost, so that winning it says nothing"
    );
}
