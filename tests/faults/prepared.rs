//! A data folder that is made once for each schema, and copied for each test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tokio::task::block_in_place;
use usher_devdb::{Binaries, Cluster, Options};
use usher_migrate::Migrations;
use usher_tests::{database, processes::process::scratch};

use crate::stage::DATABASE;

/// Returns a data folder to copy: migrated, with everybody in it. It is made once for each schema.
pub(crate) async fn prepared(binaries: &Binaries) -> PathBuf {
    let migrations = Migrations::embedded().unwrap();
    let name = database::name_with_people(&migrations);
    let made = scratch().join(format!("cluster-{}-{name}", binaries.major()));
    if made.is_dir() {
        return made;
    }
    let options = Options {
        data_dir: scratch().join("cluster-new"),
        durable: true,
    };
    block_in_place(|| Cluster::remove(binaries, &options)).unwrap();
    let cluster = block_in_place(|| Cluster::start(binaries, &options)).unwrap();
    let url = cluster.ensure_database(DATABASE).await.unwrap();
    database::fill(&migrations, &url).await.unwrap();
    let data = cluster.folder().unwrap().join("data");
    block_in_place(|| cluster.stop());
    checksums(binaries, "--enable", &data);
    copy(&data, &made);
    block_in_place(|| Cluster::remove(binaries, &options)).unwrap();
    made
}

/// Runs `pg_checksums` on a data folder that no server uses.
pub(crate) fn checksums(binaries: &Binaries, action: &str, data: &Path) {
    let mut command = Command::new(binaries.directory().join("pg_checksums"));
    complete(command.arg(action).arg(data));
}

/// Copies a folder with the owners of its files.
pub(crate) fn copy(from: &Path, to: &Path) {
    let partial = to.with_extension("partial");
    let _ = fs::remove_dir_all(&partial);
    complete(Command::new("cp").arg("-a").arg(from).arg(&partial));
    fs::rename(&partial, to).unwrap();
}

/// Runs a program to its end, which is to be a success.
fn complete(command: &mut Command) {
    let output = block_in_place(|| command.output())
        .unwrap_or_else(|error| panic!("{command:?} does not run: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {said}");
}
