//! Two servers: a primary, and a streaming replica of it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::MutexGuard;
use tokio_postgres::Client;
use usher_devdb::{Binaries, Cluster, Options, TestDatabase};
use usher_tests::{Answer, TestApp, database};

/// The role that the product runs as.
pub(crate) const APP_ROLE: &str = "usher_app";

/// What both servers are told: a replica that is slow to connect still finds all that it lacks, looks for it at once, and waits
/// for no reader for longer than the tests wait for it.
const SETTINGS: &str = "wal_keep_size = '2GB'
wal_retrieve_retry_interval = '100ms'
max_standby_streaming_delay = '5s'
";

/// A primary with its replica. Both end when this is dropped, and their folders are removed.
pub(crate) struct Pair {
    pub(crate) primary: Cluster,
    pub(crate) replica: Cluster,
    folders: [Folder; 2],
}

/// The pair of the tests that leave both servers alive, for one of them at a time.
pub(crate) struct Shared {
    pair: Arc<Pair>,
    _alone: MutexGuard<'static, ()>,
}

impl std::ops::Deref for Shared {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        &self.pair
    }
}

impl Pair {
    /// Returns the shared pair, whose replica is up to date.
    pub(crate) async fn shared() -> Shared {
        static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        static PAIR: Mutex<Weak<Pair>> = Mutex::new(Weak::new());
        let alone = ALONE.lock().await;
        let kept = PAIR.lock().unwrap().upgrade();
        let pair = match kept {
            Some(pair) => pair,
            None => Arc::new(Self::start().await),
        };
        *PAIR.lock().unwrap() = Arc::downgrade(&pair);
        pair.resume().await;
        Shared {
            pair,
            _alone: alone,
        }
    }

    /// Starts both servers.
    pub(crate) async fn start() -> Self {
        let folders = [Folder::create(), Folder::create()];
        let [first, second] = [folders[0].path(), folders[1].path()];
        // The replica begins as a copy of the empty primary.
        start(first).stop();
        fs::write(first.join("data/postgresql.auto.conf"), SETTINGS).unwrap();
        copy(&first.join("data"), &second.join("data"));
        let primary = start(first);
        let replica = start_replica(second, &primary.url("postgres"));
        let pair = Self {
            primary,
            replica,
            folders,
        };
        // The servers are quick and forgetful; what is committed is to be on its way at once all the same.
        let prompt = "alter role all set synchronous_commit = on";
        let admin = pair.primary.admin().await.unwrap();
        admin.batch_execute(prompt).await.unwrap();
        pair
    }

    /// Starts an instance on a new database that is read from the replica, with these variables beside the usual ones.
    pub(crate) async fn app(&self, variables: &[(&str, &str)]) -> TestApp {
        let database = database::create_on(&self.primary).await;
        self.catch_up().await;
        let replica = self.replica_url(&database);
        app_with(database, &replica, variables).await
    }

    /// Returns the connection string of a database on the replica.
    pub(crate) fn replica_url(&self, database: &TestDatabase) -> String {
        self.replica.url_as(database.name(), APP_ROLE)
    }

    /// Stops the replay on the replica.
    pub(crate) async fn pause(&self) {
        let replica = self.replica.admin().await.unwrap();
        replica
            .batch_execute("select pg_wal_replay_pause()")
            .await
            .unwrap();
        let question = "select pg_get_wal_replay_pause_state() = 'paused'";
        eventually("the replay is paused", &replica, question).await;
    }

    /// Lets the replay go on, until it has come to where the primary is.
    pub(crate) async fn resume(&self) {
        let replica = self.replica.admin().await.unwrap();
        replica
            .batch_execute("select pg_wal_replay_resume()")
            .await
            .unwrap();
        self.catch_up().await;
    }

    /// Waits until the replica shows all that was committed.
    pub(crate) async fn catch_up(&self) {
        let primary = self.primary.admin().await.unwrap();
        let row = primary
            .query_one("select pg_current_wal_flush_lsn()::text", &[])
            .await
            .unwrap();
        let position: String = row.get(0);
        let replica = self.replica.admin().await.unwrap();
        let question = format!("select pg_last_wal_replay_lsn() >= '{position}'");
        eventually(
            &format!("the replica is at {position}"),
            &replica,
            &question,
        )
        .await;
    }

    /// Kills the replica with everything that runs on it.
    pub(crate) fn kill_replica(&self) {
        signal(postmaster(self.folders[1].path()), Signal::QUIT);
    }

    /// Starts the replica again after it was killed.
    pub(crate) fn restart_replica(&mut self) {
        self.replica = start_replica(self.folders[1].path(), &self.primary.url("postgres"));
    }

    /// Stops the processes of the replica without ending them, and returns what to tell them to go on.
    pub(crate) async fn freeze_replica(&self) -> Vec<i32> {
        let admin = self.replica.admin().await.unwrap();
        let others = "select pid from pg_stat_activity where pid <> pg_backend_pid()";
        let rows = admin.query(others, &[]).await.unwrap();
        let mut processes: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        processes.push(postmaster(self.folders[1].path()));
        for process in &processes {
            signal(*process, Signal::STOP);
        }
        processes
    }

    /// Makes the replica the primary, and the primary its replica.
    pub(crate) async fn fail_over(self) -> Self {
        let Self {
            primary,
            replica,
            folders: [first, second],
        } = self;
        primary.stop();
        promote(&replica).await;
        Self {
            replica: start_replica(first.path(), &replica.url("postgres")),
            primary: replica,
            folders: [second, first],
        }
    }

    /// Restarts the primary on a new timeline, as a recovery does.
    pub(crate) async fn recover_primary(self) -> Self {
        let nobody = self.primary.url("postgres");
        self.primary.stop();
        let primary = start_replica(self.folders[0].path(), &nobody);
        promote(&primary).await;
        Self { primary, ..self }
    }
}

/// Starts an instance that is told to read from some server.
pub(crate) async fn app_with(
    database: TestDatabase,
    replica: &str,
    variables: &[(&str, &str)],
) -> TestApp {
    let usual = [
        ("DATABASE_REPLICA_URL", replica),
        ("USHER_ENV", "development"),
    ];
    TestApp::on(database, &[variables, &usual].concat()).await
}

/// Makes a replica a primary.
pub(crate) async fn promote(replica: &Cluster) {
    let admin = replica.admin().await.unwrap();
    admin.batch_execute("select pg_promote()").await.unwrap();
}

/// Tells the processes of a frozen server to go on.
pub(crate) fn thaw(processes: &[i32]) {
    for process in processes {
        signal(*process, Signal::CONT);
    }
}

/// Returns what came of asking the replica, or an empty text.
pub(crate) fn outcome(answer: &Answer) -> &str {
    let timing = answer.header("server-timing");
    timing.split("replica;desc=").nth(1).unwrap_or_default()
}

/// Asks a server how far it is, and what it waits for.
const STATE: &str = "select format('received %s, replayed %s, waiting for %s',
    pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(),
    (select string_agg(backend_type || ' ' || wait_event, ', ') from pg_stat_activity))";

/// Waits until a server says that something is so.
pub(crate) async fn eventually(claim: &str, client: &Client, question: &str) {
    let started = Instant::now();
    loop {
        let row = client.query_one(question, &[]).await.unwrap();
        if row.get::<_, Option<bool>>(0) == Some(true) {
            return;
        }
        if started.elapsed() > Duration::from_mins(1) {
            let state = client.query_one(STATE, &[]).await.unwrap();
            panic!("not true in time: {claim}; {}", state.get::<_, String>(0));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn start(folder: &Path) -> Cluster {
    let binaries = Binaries::find_or_fetch(&|_| {}).unwrap();
    let options = Options {
        data_dir: folder.to_owned(),
        durable: false,
    };
    Cluster::start(&binaries, &options).unwrap()
}

fn start_replica(folder: &Path, primary: &str) -> Cluster {
    let data = folder.join("data");
    fs::write(data.join("standby.signal"), "").unwrap();
    let source = format!("{SETTINGS}primary_conninfo = '{primary}'\n");
    fs::write(data.join("postgresql.auto.conf"), source).unwrap();
    start(folder)
}

/// Copies a folder; every file keeps its owner.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(status.unwrap().success());
}

fn postmaster(folder: &Path) -> i32 {
    let text = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

fn signal(process: i32, signal: Signal) {
    kill_process(Pid::from_raw(process).unwrap(), signal).unwrap();
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("usher-replica-{}-{count}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
