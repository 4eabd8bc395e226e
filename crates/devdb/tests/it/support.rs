//! Folders that are removed, the process table, and one question to a server.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use tokio_postgres::NoTls;
use usher_devdb::{Binaries, Cluster, Options};

/// A folder that is removed at the end of a test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Creates a folder with a name of its own.
    pub(crate) fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("usher-devdb-{}-{count}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// Returns its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts the server of a folder.
pub(crate) fn start(folder: &Path, durable: bool) -> usher_devdb::Result<Cluster> {
    let binaries = Binaries::find_or_fetch(&|_| {})?;
    Cluster::start(
        &binaries,
        &Options {
            data_dir: folder.to_path_buf(),
            durable,
        },
    )
}

/// Asks a database for one text.
pub(crate) async fn ask(url: &str, question: &str) -> Result<String, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let (answer, _) = tokio::join!(
        async {
            let row = client.query_one(question, &[]).await;
            drop(client);
            row?.try_get(0)
        },
        connection
    );
    answer
}

/// Returns a file in the data folder of a cluster.
pub(crate) fn data_file(cluster: &Cluster, name: &str) -> PathBuf {
    cluster.folder().unwrap().join("data").join(name)
}

/// Returns the process of the server.
pub(crate) fn process_of(cluster: &Cluster) -> u32 {
    let text = fs::read_to_string(data_file(cluster, "postmaster.pid")).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

/// Returns whether a process is alive; one that waits to be reaped is not.
pub(crate) fn is_alive(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until the claim holds, and fails the test when it does not within ten seconds.
pub(crate) fn eventually(claim: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "not true in time: {claim}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}
