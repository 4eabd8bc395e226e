//! Servers that go with the process: that of a test run, unless one is named, and those of scratch databases.

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock},
};

use crate::{
    Binaries, Cluster, Error, Options, Result, error::chain, files, platform, server::Server,
};

/// Name the server of the tests, in this order.
const VARIABLES: [&str; 2] = ["DATABASE_URL_TEST", "TEST_DATABASE_URL"];

/// How the name of a throw-away folder begins.
const PREFIX: &str = "usher-test-";

static CLUSTER: OnceLock<Cluster> = OnceLock::new();

/// What has to be cleared away when the process ends.
static SCRATCH: Mutex<Vec<Scratch>> = Mutex::new(Vec::new());

/// Returns the server for the tests of this process.
///
/// It is the one of `DATABASE_URL_TEST` or `TEST_DATABASE_URL`, else one that is started at the first call and thrown
/// away when the process ends.
///
/// # Panics
/// Panics when there is no server: a test that needs a database fails without one, it is never skipped.
pub fn test_cluster() -> &'static Cluster {
    CLUSTER.get_or_init(|| match open() {
        Ok(cluster) => cluster,
        Err(error) => panic!("no database for the tests: {}", chain(&error)),
    })
}

fn open() -> Result<Cluster> {
    for variable in VARIABLES {
        if let Some(address) = env::var_os(variable)
            && !address.is_empty()
        {
            return Cluster::at(&address.to_string_lossy(), variable);
        }
    }
    throw_away_cluster(&|message| {
        // Past the capture of the test harness: the fetch takes a while.
        let _ = writeln!(io::stderr(), "{message}");
    })
}

/// Starts a server for data that may be lost. It ends, and its data is removed, when the process exits.
///
/// `progress` is told when something takes longer than a moment.
pub fn throw_away_cluster(progress: &dyn Fn(&str)) -> Result<Cluster> {
    throw_away_cluster_with(&[], progress)
}

/// Starts a server as [`throw_away_cluster`] does, with settings such as `listen_addresses=127.0.0.1`.
pub fn throw_away_cluster_with(settings: &[&str], progress: &dyn Fn(&str)) -> Result<Cluster> {
    sweep(&env::temp_dir());
    start(&Binaries::find_or_fetch(progress)?, settings)
}

fn start(binaries: &Binaries, settings: &[&str]) -> Result<Cluster> {
    let folder = env::temp_dir().join(format!("{PREFIX}{:016x}", files::random()));
    files::create(&folder)?;
    let lock = claim(&folder)?;
    let options = Options {
        data_dir: folder.clone(),
        durable: false,
    };
    let mut cluster = Cluster::start_with(binaries, &options, settings)?;
    let moved = cluster
        .folder()
        .map_or_else(PathBuf::new, Path::to_path_buf);
    let scratch = Scratch {
        server: cluster.take_server(),
        folders: [moved, folder],
        _lock: lock,
    };
    if let Ok(mut kept) = SCRATCH.lock() {
        if kept.is_empty() {
            platform::at_exit(clear);
        }
        kept.push(scratch);
    }
    Ok(cluster)
}

/// A server of this process, its folder and the one that was asked for. The lock shows others that they are in use.
struct Scratch {
    server: Option<Server>,
    folders: [PathBuf; 2],
    _lock: File,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.server.take());
        for folder in &self.folders {
            let _ = files::remove(folder);
        }
    }
}

extern "C" fn clear() {
    if let Ok(mut kept) = SCRATCH.lock() {
        kept.clear();
    }
}

/// Marks a folder as in use. The mark gets its name when it is locked already, so that no sweep comes between.
fn claim(folder: &Path) -> Result<File> {
    let (unnamed, mark) = (folder.join("owner.new"), folder.join("owner"));
    let lock = files::lock(&unnamed, || {})?;
    fs::rename(&unnamed, &mark).map_err(Error::file("create", &mark))?;
    Ok(lock)
}

/// Removes the folders of processes that were killed; the server of each ended with its process.
fn sweep(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let folder = entry.path();
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let mark = folder.join("owner");
        if is_ours && mark.is_file() && matches!(files::try_lock(&mark), Ok(Some(_))) {
            let _ = files::remove(&folder);
        }
    }
}
