//! Starting, finding, stopping and surviving.

use std::{
    env, fs,
    io::Read,
    process::{Command, Stdio},
};

use usher_devdb::{Binaries, Cluster, Options};

use crate::support::{Folder, ask, data_file, eventually, is_alive, process_of, start};

#[tokio::test]
async fn a_cluster_starts_and_keeps_its_data_until_the_next_start() {
    let folder = Folder::create();
    let cluster = start(folder.path(), true).unwrap();
    assert!(cluster.is_started_here());
    let url = cluster.ensure_database("usher").await.unwrap();
    assert_eq!(cluster.ensure_database("usher").await.unwrap(), url);
    ask(&url, "create table kept (); select 'x'")
        .await
        .unwrap_err();
    let admin = cluster.admin().await.unwrap();
    admin.batch_execute("create table kept ()").await.unwrap();
    drop(admin);
    let process = process_of(&cluster);
    cluster.stop();
    assert!(!is_alive(process));

    let cluster = start(folder.path(), true).unwrap();
    assert_eq!(
        cluster.url("usher"),
        url,
        "the connection string stays good"
    );
    let table = ask(&cluster.url("postgres"), "select to_regclass('kept')::text")
        .await
        .unwrap();
    assert_eq!(table, "kept");
}

#[tokio::test]
async fn a_second_start_uses_the_running_server_and_leaves_it_running() {
    let folder = Folder::create();
    let first = start(folder.path(), false).unwrap();
    let second = start(folder.path(), false).unwrap();
    assert!(!second.is_started_here());
    assert_eq!(second.url("postgres"), first.url("postgres"));
    second.stop();
    assert_eq!(
        ask(&first.url("postgres"), "select 'here'").await.unwrap(),
        "here"
    );
}

#[test]
fn concurrent_starts_share_one_server() {
    let folder = Folder::create();
    let clusters: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| start(folder.path(), false).unwrap()))
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    assert_eq!(
        clusters
            .iter()
            .filter(|cluster| cluster.is_started_here())
            .count(),
        1
    );
}

#[test]
fn a_file_of_a_dead_server_does_not_stop_the_next_start() {
    let folder = Folder::create();
    let cluster = start(folder.path(), false).unwrap();
    let file = data_file(&cluster, "postmaster.pid");
    cluster.stop();
    let mut ended = Command::new("true").spawn().unwrap();
    eventually("the child has ended", || !is_alive(ended.id()));
    // One is alive and another program, the other one dead and not reaped.
    for process in [std::process::id(), ended.id()] {
        let text = format!("{process}\n/data\n1700000000\n5432\n/tmp\n\n  1 2\nready\n");
        fs::write(&file, text).unwrap();
        let cluster = start(folder.path(), false).unwrap();
        assert!(cluster.is_started_here());
    }
    ended.wait().unwrap();
}

#[test]
fn a_cluster_whose_making_was_interrupted_is_made_anew() {
    let folder = Folder::create();
    fs::create_dir_all(folder.path().join("data.partial/base")).unwrap();
    let cluster = start(folder.path(), false).unwrap();
    assert!(cluster.is_started_here());
    assert!(!data_file(&cluster, "../data.partial").exists());
}

#[test]
fn a_folder_that_is_no_cluster_is_left_alone() {
    let folder = Folder::create();
    let letter = folder.path().join("data/letter");
    fs::create_dir_all(folder.path().join("data")).unwrap();
    fs::write(&letter, "dear reader").unwrap();
    let error = start(folder.path(), false).unwrap_err().to_string();
    assert!(
        error.starts_with("could not move the new cluster to"),
        "{error}"
    );
    assert!(letter.exists());
}

#[test]
fn a_server_that_does_not_start_shows_its_log() {
    let folder = Folder::create();
    let cluster = start(folder.path(), false).unwrap();
    let settings = data_file(&cluster, "postgresql.conf");
    cluster.stop();
    fs::write(settings, "work_mem = nonsense\n").unwrap();
    let error = start(folder.path(), false).unwrap_err().to_string();
    assert!(
        error.contains("invalid value for parameter \"work_mem\""),
        "{error}"
    );
}

#[test]
fn a_cluster_of_another_version_is_refused() {
    let folder = Folder::create();
    fs::create_dir_all(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/PG_VERSION"), "9.6\n").unwrap();
    let error = start(folder.path(), false).unwrap_err().to_string();
    assert!(error.contains("was made by PostgreSQL 9.6"), "{error}");
}

#[tokio::test]
async fn letters_beyond_ascii_are_letters() {
    let cluster = usher_devdb::test_cluster();
    let lower = ask(&cluster.url("postgres"), "select lower('ÉÄ')")
        .await
        .unwrap();
    assert_eq!(lower, "éä");
}

/// Names the folder in which a copy of this program starts a server and waits to be killed.
const VICTIM: &str = "USHER_DEVDB_VICTIM";

#[cfg(target_os = "linux")]
#[test]
fn a_killed_parent_leaves_no_server() {
    let folder = Folder::create();
    let mut parent = Command::new(env::current_exe().unwrap())
        .args(["--exact", "cluster::waits_to_be_killed", "--nocapture"])
        .env(VICTIM, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut process = 0;
    eventually("the parent has a server", || {
        let text = fs::read_to_string(folder.path().join("process")).unwrap_or_default();
        text.parse().map(|found| process = found).is_ok()
    });
    assert!(is_alive(process));
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually("the server has ended", || !is_alive(process));
}

/// The parent of the test above; on its own it does nothing.
#[test]
fn waits_to_be_killed() {
    let Some(folder) = env::var_os(VICTIM) else {
        return;
    };
    let folder = std::path::PathBuf::from(folder);
    let cluster = start(&folder, false).unwrap();
    fs::write(folder.join("process"), process_of(&cluster).to_string()).unwrap();
    // Ends with the test above, should that one be killed itself.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_removed_cluster_is_stopped_first() {
    let folder = Folder::create();
    let cluster = start(folder.path(), true).unwrap();
    let process = process_of(&cluster);
    let binaries = Binaries::find_or_fetch(&|_| {}).unwrap();
    let options = Options {
        data_dir: folder.path().to_path_buf(),
        durable: true,
    };
    Cluster::remove(&binaries, &options).unwrap();
    assert!(!is_alive(process));
    assert!(!folder.path().exists());
    drop(cluster);
}
