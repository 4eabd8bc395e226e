//! The work on a request ends at any point where it waits: the caller goes away, it panics, the instance is killed.

use std::{
    panic::resume_unwind,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use axum::{Router, body::Body};
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;
use tower::ServiceExt;
use usher_core::Config;
use usher_http::{App, router, routes};
use usher_tests::processes::Plain;

use crate::{
    asks::Ask,
    catalogue::{ABORTS, KILLED_INSTANCE},
    stage::Stage,
    writers::Writers,
    writes::{ALL, Write},
};

/// How the work ends after a number of polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is dropped while it waits.
    Dropped,
    /// It is dropped when what it waited for is there.
    DroppedLate,
    /// It panics.
    Panic,
}

const ENDS: [End; 3] = [End::Dropped, End::DroppedLate, End::Panic];

/// Polls a future this many times and ends it then. Returns its output when it was done before.
async fn abandon<F>(future: F, polls: usize, end: End) -> Option<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let work = async move {
        let (mut future, mut count) = (pin!(future), 0);
        std::future::poll_fn(|context| {
            if count == polls {
                match end {
                    End::Panic => resume_unwind(Box::new("as the test wants")),
                    End::Dropped | End::DroppedLate => return Poll::Ready(None),
                }
            }
            count += 1;
            match future.as_mut().poll(context) {
                Poll::Pending if count == polls && end == End::Dropped => Poll::Ready(None),
                polled => polled.map(Some),
            }
        })
        .await
    };
    let mut task = tokio::task::JoinSet::new();
    task.spawn(work);
    task.join_next().await.unwrap().unwrap_or_default()
}

/// Waits until the server has finished what was under way, and fails when something is left over.
async fn nothing_is_left(client: &Client) -> Result<(), String> {
    let started = Instant::now();
    let states = "select coalesce(string_agg(state, ', '), '')
        from pg_stat_activity
        where usename = 'usher_app'
          and state <> 'idle'";
    loop {
        let left: String = client.query_one(states, &[]).await.unwrap().get(0);
        if left.is_empty() {
            return Ok(());
        }
        if started.elapsed() > Duration::from_secs(3) {
            return Err(format!("connections are left {left}"));
        }
        sleep(Duration::from_millis(2)).await;
    }
}

mod requests {
    use super::*;

    /// The most connections of the instance.
    const POOL: usize = 2;

    /// An instance in this process, so that its work can be ended, and another one.
    struct Scene {
        stage: Stage,
        client: Client,
        app: App,
        router: Router,
        other: Plain,
    }

    impl Scene {
        async fn open() -> Self {
            let stage = Stage::start().await;
            let url = format!("{}?connection_limit={POOL}", stage.app_url());
            let variables = stage.variables(&url);
            let get = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.clone())
            };
            let app = App::new(&Config::from_variables(get).unwrap());
            Self {
                client: stage.client().await,
                router: router(routes::ALL, app.clone()),
                app,
                other: stage.serve().await,
                stage,
            }
        }

        fn send(&self, ask: &Ask) -> impl Future<Output = u16> + Send + use<> {
            let (router, request) = (self.router.clone(), ask.request::<Body>());
            async move {
                let Ok(response) = router.oneshot(request).await;
                response.status().as_u16()
            }
        }

        /// Fails unless every connection of the pool is there.
        async fn pool_is_whole(&self) -> Result<(), String> {
            let database = &self.app.database;
            let all = async {
                let mut taken = Vec::new();
                for _ in 0..POOL {
                    taken.push(database.connection().await);
                }
                taken.iter().all(Result::is_ok)
            };
            match timeout(Duration::from_secs(4), all).await {
                Ok(true) => Ok(()),
                _ => Err(format!(
                    "a place in the pool is lost: {:?}",
                    database.figures()
                )),
            }
        }

        /// Ends the work on a request, and tells whether it was done before.
        async fn end(
            &self,
            write: Write,
            id: &str,
            polls: usize,
            end: End,
        ) -> Result<bool, String> {
            let at = self.other.address();
            let prepared = write.prepare(&self.stage, &self.client, at, id).await;
            let ask = prepared.with_key();
            let ended = abandon(self.send(&ask), polls, end).await;
            nothing_is_left(&self.client).await?;
            self.pool_is_whole().await?;
            prepared.is_done_once_or_never(&self.client).await?;
            // The next one is fine: here, for others, and again.
            let next = self.send(&ask).await;
            let replies = [ask.to(at).await, ask.to(at).await];
            prepared.agree(&replies)?;
            prepared.is_done_once(&self.client).await?;
            assert_eq!(next, replies[0].status());
            Ok(ended.is_some())
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn work_that_ends_at_any_point_is_done_whole_or_not_at_all() {
        let scene = Scene::open().await;
        let mut points = 0;
        for round in 0..ABORTS.size() {
            for (write, end) in ALL.iter().flat_map(|write| ENDS.map(|end| (*write, end))) {
                for polls in 0.. {
                    let id = format!("{write:?}-{end:?}-{polls}-{round}").to_lowercase();
                    let was_done = scene.end(write, &id, polls, end).await;
                    if was_done.unwrap_or_else(|error| panic!("{id}: {error}")) {
                        points += polls;
                        break;
                    }
                }
            }
        }
        assert!(points > 3 * ALL.len(), "{points}");
        ABORTS.saw(&format!(
            "ended at {points} points, each done whole or not at all"
        ));
    }
}

mod instances {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn an_instance_that_is_killed_takes_nothing_with_it() {
        let stage = Stage::start().await;
        let client = stage.client().await;
        let mut instance = stage.serve().await;
        let writers = Writers::start(&stage, 8, &[instance.address()]).await;
        for _ in 0..KILLED_INSTANCE.size() {
            writers.work(20).await;
            let address = instance.address();
            drop(instance);
            instance = stage.serve_at(address).await;
        }
        let account = writers.finish().await.check(&client).await;
        account.assert_clean();
        nothing_is_left(&client).await.unwrap();
        KILLED_INSTANCE.saw(&account.to_string());
    }
}

/// What those do who trust that they come to the end of it.
mod naive {
    use super::*;

    async fn change(client: &Client, id: &str) {
        let statement = "insert into users (name, email) values ('Naive', $1)";
        client.execute(statement, &[&id]).await.unwrap();
    }

    async fn write_entry(client: &Client, id: &str) {
        let statement =
            "insert into audit_logs (action, entity, request_id) values ('CREATE', 'User', $1)";
        client.execute(statement, &[&id]).await.unwrap();
    }

    /// Ends the work of `run` after each number of polls, and returns how often `is_wrong` afterwards, and how many polls
    /// there were.
    async fn end_everywhere<W: Future<Output = ()> + Send + 'static>(
        stage: &Stage,
        run: impl Fn(Arc<Client>, String) -> W,
        is_wrong: impl AsyncFn(&str) -> bool,
    ) -> (usize, usize) {
        let (mut wrong, mut polls) = (0, 0);
        loop {
            let shared = Arc::new(usher_tests::connect(&stage.app_url()).await);
            let id = format!("naive-{polls}");
            let ended = abandon(run(Arc::clone(&shared), id.clone()), polls, End::Dropped).await;
            wrong += usize::from(is_wrong(&id).await);
            if ended.is_some() {
                return (wrong, polls);
            }
            polls += 1;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_transaction_that_is_abandoned_stays_open() {
        let stage = Stage::start().await;
        let client = stage.client().await;
        let run = |shared: Arc<Client>, id: String| async move {
            shared.batch_execute("begin").await.unwrap();
            change(&shared, &id).await;
            write_entry(&shared, &id).await;
            shared.batch_execute("commit").await.unwrap();
        };
        let is_wrong = async |_: &str| nothing_is_left(&client).await.is_err();
        let (wrong, polls) = end_everywhere(&stage, run, is_wrong).await;
        assert!(wrong > 0, "this test cannot tell");
        ABORTS.saw_wrong(&format!(
            "a transaction left open at {wrong} of {polls} points"
        ));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_change_and_its_entry_in_two_transactions_part() {
        let stage = Stage::start().await;
        let client = stage.client().await;
        let run = |shared: Arc<Client>, id: String| async move {
            change(&shared, &id).await;
            write_entry(&shared, &id).await;
        };
        let is_wrong = async |id: &str| {
            nothing_is_left(&client).await.unwrap();
            let parted = "select (select count(*) from users where email = $1)
                <> (select count(*) from audit_logs where request_id = $1)";
            client.query_one(parted, &[&id]).await.unwrap().get(0)
        };
        let (wrong, polls) = end_everywhere(&stage, run, is_wrong).await;
        assert!(wrong > 0, "this test cannot tell");
        KILLED_INSTANCE.saw_wrong(&format!(
            "a change without entry at {wrong} of {polls} points"
        ));
    }
}
