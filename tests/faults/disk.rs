//! The disk of the server is full: first that of its tables, then that of its log.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    catalogue::{FULL_LOG, FULL_TABLES},
    ledger::Account,
    readers::Readers,
    stage::Stage,
    writers::Writers,
};

/// How long anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// A small disk of its own. Dropping it takes it away.
struct Disk(PathBuf);

impl Disk {
    /// Makes a disk of this many megabytes.
    fn make(size: usize) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let (process, number) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let place = std::env::temp_dir().join(format!("usher-disk-{process}-{number}"));
        fs::create_dir_all(&place).unwrap();
        let owner = fs::metadata(&place).unwrap();
        let (user, group) = (owner.uid(), owner.gid());
        let options = format!("size={size}m,mode=700,uid={user},gid={group}");
        let mut mount = as_root("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "usher-faults"]);
        let mounted = mount.arg(&place).output().unwrap();
        assert!(
            mounted.status.success(),
            "cannot mount a small disk: run the tests as root, or allow sudo without a password; {}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        Self(place)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// Fills the disk to the last byte.
    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        for size in [65_536, 512, 1] {
            let piece = vec![0; size];
            let full = loop {
                if let Err(error) = ballast.write_all(&piece) {
                    break error;
                }
            };
            assert_eq!(full.kind(), ErrorKind::StorageFull);
        }
    }

    /// Makes room again.
    fn clear(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = as_root("umount").arg("--lazy").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

/// Only root may mount; others may by `sudo`, if it asks for no password.
fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", program]);
    command
}

mod tables {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_full_disk_puts_changes_off_and_lets_reads_through() {
        let (disk, elsewhere) = (Disk::make(160), Disk::make(160));
        let stage = Stage::with_log(disk.path(), elsewhere.path(), &[]).await;
        let instances = [stage.serve().await, stage.serve().await];
        let addresses = crate::stage::addresses(&instances);
        let writers = Writers::start(&stage, 4, &addresses).await;
        for _ in 0..FULL_TABLES.size() {
            writers.work(20).await;
            disk.fill();
            let refused = writers.ledger.failures();
            wait(|| writers.ledger.failures() > refused + 20).await;
            let readers = Readers::start(&stage, 4, &addresses, Duration::from_millis(5));
            sleep(Duration::from_secs(1)).await;
            let readings = readers.finish().await;
            assert!(readings.share() >= 1.0, "{readings:?}");
            disk.clear();
            writers.work(20).await;
        }
        let account = writers.finish().await.check(&stage.client().await).await;
        account.assert_clean();
        assert!(stage.log().contains("No space left on device"));
        FULL_TABLES.saw(&format!("every read answered; {account}"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_change_and_its_entry_in_two_transactions_part_on_a_full_disk() {
        const CHANGE: &str = "insert into users (name, email) values ('Naive', $1)";
        const ENTRY: &str =
            "insert into audit_logs (action, entity, request_id) values ('CREATE', 'User', $1)";
        let (disk, elsewhere) = (Disk::make(160), Disk::make(160));
        let stage = Stage::with_log(disk.path(), elsewhere.path(), &[]).await;
        let client = stage.client().await;
        disk.fill();
        let (mut parted, tries) = (0, 400);
        for number in 0..tries {
            let id = format!("naive-{number}@example.com");
            // Whichever has no room first, the other one is there without it.
            let (first, second) = if number % 2 == 0 {
                (CHANGE, ENTRY)
            } else {
                (ENTRY, CHANGE)
            };
            if client.execute(first, &[&id]).await.is_ok() {
                parted += usize::from(client.execute(second, &[&id]).await.is_err());
            }
        }
        disk.clear();
        assert!(parted > 0, "this test cannot tell");
        FULL_TABLES.saw_wrong(&format!(
            "{parted} of {tries} times the one was there without the other"
        ));
    }
}

mod log {
    use super::*;

    /// Fills the disk of the log under writers until the server breaks down, makes room, and returns what became of it.
    async fn break_down(commit: &str, rounds: usize) -> Account {
        // Old segments are not kept until they fill the disk by themselves.
        let settings = ["min_wal_size = 32MB", "max_wal_size = 64MB", commit];
        let (disk, elsewhere) = (Disk::make(160), Disk::make(160));
        let mut stage = Stage::with_log(elsewhere.path(), disk.path(), &settings).await;
        let instance = stage.serve().await;
        let writers = Writers::start(&stage, 8, &[instance.address()]).await;
        for _ in 0..rounds {
            writers.work(40).await;
            disk.fill();
            let client = stage.client().await;
            // To the next segment of the log, until there is none.
            while client.query("select pg_switch_wal()", &[]).await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
            assert!(stage.log().contains("No space left on device"));
            disk.clear();
            stage.outlive().await;
        }
        let account = writers.finish().await.check(&stage.client().await).await;
        stage.check_pages();
        account
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_server_that_breaks_down_at_a_full_log_loses_nothing() {
        let account = break_down("synchronous_commit = on", FULL_LOG.size()).await;
        account.assert_clean();
        FULL_LOG.saw(&account.to_string());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn without_synchronous_commit_a_server_that_breaks_down_forgets() {
        let started = Instant::now();
        loop {
            let account = break_down("synchronous_commit = off", 1).await;
            if account.lost > 0 {
                let (lost, all) = (account.lost, account.acknowledged);
                return FULL_LOG.saw_wrong(&format!("{lost} of {all} acknowledged changes lost"));
            }
            assert!(
                started.elapsed() < PATIENCE,
                "nothing was lost, so this test cannot tell"
            );
        }
    }
}

async fn wait(is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(
            started.elapsed() < PATIENCE,
            "what was waited for does not happen"
        );
        sleep(Duration::from_millis(10)).await;
    }
}
