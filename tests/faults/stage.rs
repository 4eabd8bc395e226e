//! A database server of its own for one test, durable as in production, that may be killed.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;
use time::OffsetDateTime;
use tokio::{
    sync::{Mutex, MutexGuard},
    task::block_in_place,
};
use tokio_postgres::{Client, NoTls};
use usher_core::{
    secret::Secret,
    tokens::{Principal, SigningKeys, Tokens},
};
use usher_devdb::{Binaries, Cluster, Options};
use usher_domain::{Clock, Method, Proof, SessionId, UserId};
use usher_tests::{
    Person, database,
    processes::{Plain, process::LIMITS},
};
use uuid::Uuid;

use crate::{
    prepared::{checksums, copy, prepared},
    victims::{children, is_alive, signal},
};

/// What a loaded machine may add to any time.
pub(crate) const SLACK: Duration = Duration::from_secs(2);

/// The database of the product.
pub(crate) const DATABASE: &str = "usher";
/// A recovery looks at every file first; one call for all of them does the same in a tenth of the time.
const QUICK: &str = "recovery_init_sync_method = syncfs";
const ISSUER: &str = "https://id.example.com";

/// The tests measure times and load the machine, so one runs at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A server with a database and everybody in it, and the secrets of the instances that use it.
pub(crate) struct Stage {
    cluster: Option<Cluster>,
    binaries: Binaries,
    folder: PathBuf,
    keys: String,
    secret: String,
    instances: AtomicUsize,
    _alone: MutexGuard<'static, ()>,
}

impl Stage {
    /// Starts a server with its usual settings: what was committed is on the disk.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts a server with these lines in its configuration.
    pub(crate) async fn with(settings: &[&str]) -> Self {
        let mut stage = Self::prepare(folder(), settings).await;
        stage.revive();
        stage
    }

    /// Starts a server whose tables are in one folder, and its log in another.
    pub(crate) async fn with_log(tables: &Path, log: &Path, settings: &[&str]) -> Self {
        let mut stage = Self::prepare(tables.join("cluster"), settings).await;
        let (usual, place) = (stage.data().join("pg_wal"), log.join("pg_wal"));
        copy(&usual, &place);
        fs::remove_dir_all(&usual).unwrap();
        std::os::unix::fs::symlink(&place, &usual).unwrap();
        stage.revive();
        stage
    }

    async fn prepare(folder: PathBuf, settings: &[&str]) -> Self {
        let alone = ALONE.lock().await;
        let binaries = Binaries::find_or_fetch(&|message| eprintln!("{message}")).unwrap();
        let _ = fs::remove_dir_all(folder.join("data"));
        fs::create_dir_all(&folder).unwrap();
        copy(&prepared(&binaries).await, &folder.join("data"));
        let file = folder.join("data/postgresql.conf");
        let usual = fs::read_to_string(&file).unwrap();
        let settings = settings.join("\n");
        fs::write(file, format!("{usual}\n{QUICK}\n{settings}\n")).unwrap();
        Self {
            cluster: None,
            binaries,
            folder,
            keys: SigningKeys::generate().unwrap(),
            secret: Secret::generate().unwrap(),
            instances: AtomicUsize::new(0),
            _alone: alone,
        }
    }

    /// Kills the server with all its processes: none of them gets to do anything any more.
    pub(crate) fn kill(&self) {
        let postmaster = self.postmaster().unwrap();
        // It starts no more processes while they are listed.
        signal(postmaster, Signal::STOP);
        let mut processes = children(postmaster);
        processes.push(postmaster);
        for &process in &processes {
            signal(process, Signal::KILL);
        }
        while processes.iter().any(|&process| is_alive(process)) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Returns the processes that serve the product.
    pub(crate) fn backends(&self) -> Vec<i32> {
        let mut processes = children(self.postmaster().unwrap());
        processes.retain(|process| {
            let title = fs::read_to_string(format!("/proc/{process}/cmdline"));
            title.is_ok_and(|title| title.starts_with("postgres: usher_app "))
        });
        processes
    }

    /// Waits until the server takes connections.
    pub(crate) async fn accepts(&self) {
        while tokio_postgres::connect(&self.url(), NoTls).await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Starts the server again, and returns when it takes connections.
    pub(crate) fn revive(&mut self) {
        let options = Options {
            data_dir: self.folder.clone(),
            durable: true,
        };
        block_in_place(|| {
            drop(self.cluster.take());
            self.cluster = Some(Cluster::start(&self.binaries, &options).unwrap());
        });
    }

    /// Waits until a server that broke down is back; when it could not start again by itself, it is started.
    pub(crate) async fn outlive(&mut self) {
        let started = Instant::now();
        while tokio_postgres::connect(&self.url(), NoTls).await.is_err() {
            if !self.postmaster().is_some_and(is_alive) {
                return self.revive();
            }
            assert!(started.elapsed() < Duration::from_mins(1), "{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops the server in order.
    pub(crate) fn stop(&mut self) {
        block_in_place(|| drop(self.cluster.take()));
    }

    /// Reads every page of the stopped server, and fails when one is not as it was written.
    pub(crate) fn check_pages(&mut self) {
        self.stop();
        checksums(&self.binaries, "--check", &self.folder.join("data"));
    }

    /// Returns the folder of the data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Returns what the server logged since it was started.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }

    /// Returns the connection string of the owner.
    pub(crate) fn url(&self) -> String {
        self.cluster().url(DATABASE)
    }

    /// Returns the connection string of the role that the product runs as.
    pub(crate) fn app_url(&self) -> String {
        self.cluster().url_as(DATABASE, "usher_app")
    }

    /// Connects as the owner.
    pub(crate) async fn client(&self) -> Client {
        database::connect(&self.url()).await
    }

    /// Starts an instance.
    pub(crate) async fn serve(&self) -> Plain {
        self.serve_with(&self.app_url(), &[]).await
    }

    /// Starts an instance at an address where another one was killed.
    pub(crate) async fn serve_at(&self, address: SocketAddr) -> Plain {
        let variables = self.variables(&self.app_url());
        Plain::start_at(address, "instance-again", &variables).await
    }

    /// Starts an instance with a connection string, and with these variables beside the usual ones.
    pub(crate) async fn serve_with(&self, url: &str, variables: &[(&str, &str)]) -> Plain {
        let number = self.instances.fetch_add(1, Ordering::Relaxed);
        let more = variables
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let mut all = self.variables(url);
        all.extend(more);
        Plain::start(&format!("instance-{number}"), &all).await
    }

    /// Returns the environment of an instance.
    pub(crate) fn variables(&self, url: &str) -> Vec<(&'static str, String)> {
        vec![
            ("DATABASE_URL", url.to_owned()),
            ("USHER_SIGNING_KEYS", self.keys.clone()),
            ("USHER_SECRET", self.secret.clone()),
            ("USHER_ISSUER", ISSUER.to_owned()),
            ("USHER_SIGN_UP", "open".to_owned()),
            ("USHER_MAIL_SIGN_IN", "on".to_owned()),
            ("USHER_LIMITS", LIMITS.to_owned()),
        ]
    }

    /// Returns an access token of somebody who is signed in from the start.
    pub(crate) fn token(&self, person: Person) -> String {
        self.tokens(person)()
    }

    /// Returns what makes access tokens of somebody who is signed in from the start; each lasts five minutes.
    pub(crate) fn tokens(&self, person: Person) -> Arc<dyn Fn() -> String + Send + Sync> {
        self.tokens_of(person.id(), person.session())
    }

    /// Returns an access token for a session.
    pub(crate) fn token_of(&self, user: i64, session: Uuid) -> String {
        self.tokens_of(user, session)()
    }

    /// Returns an access token that was given this many seconds ago.
    pub(crate) fn old_token(&self, person: Person, seconds: i64) -> String {
        let given = Clock::default().now() - time::Duration::seconds(seconds);
        self.issue(person.id(), person.session())(given)
    }

    fn tokens_of(&self, user: i64, session: Uuid) -> Arc<dyn Fn() -> String + Send + Sync> {
        let issue = self.issue(user, session);
        Arc::new(move || issue(Clock::default().now()))
    }

    fn issue(
        &self,
        user: i64,
        session: Uuid,
    ) -> impl Fn(OffsetDateTime) -> String + Send + Sync + use<> {
        let principal = Principal {
            user: UserId::new(user),
            session: SessionId::new(session),
        };
        let tokens = Tokens::new(SigningKeys::parse(&self.keys).unwrap(), ISSUER, ISSUER);
        move |now| {
            tokens
                .issue(principal, &Proof::by(Method::Password, now), now)
                .unwrap()
        }
    }

    fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().unwrap()
    }

    fn postmaster(&self) -> Option<i32> {
        let text = fs::read_to_string(self.data().join("postmaster.pid"));
        text.ok()?.lines().next()?.parse().ok()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.cluster.take());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn folder() -> PathBuf {
    env::temp_dir().join(format!("usher-faults-{}", std::process::id()))
}

/// Returns the addresses of instances.
pub(crate) fn addresses(instances: &[Plain]) -> Vec<SocketAddr> {
    instances.iter().map(Plain::address).collect()
}
