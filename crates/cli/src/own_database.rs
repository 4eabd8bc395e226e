//! The database of `usher dev`: a private server in the data folder, for as long as a command needs it.

use anyhow::{Context, Result};
use tokio::task::spawn_blocking;
use usher_devdb::{Binaries, Cluster, Options};

use crate::data_folder::DataFolder;

const DATABASE: &str = "usher";

/// The role that the functions run as: it owns nothing.
const APP_ROLE: &str = "usher_app";

/// The running database. Dropping it stops the server, when this command started it.
#[derive(Debug)]
pub(crate) struct OwnDatabase {
    url: String,
    server: String,
    // In this order: the server ends before its folder is free.
    cluster: Cluster,
    _folder: DataFolder,
}

impl OwnDatabase {
    /// Starts the server, or finds it running, and makes the database when it is not there yet.
    pub(crate) async fn start(
        folder: DataFolder,
        progress: &'static (dyn Fn(&str) + Sync),
    ) -> Result<Self> {
        let start = move || -> Result<_> {
            let binaries = Binaries::find_or_fetch(progress)?;
            let options = options(&folder);
            if !folder.has_cluster() {
                progress("making a new cluster");
            }
            let cluster = Cluster::start(&binaries, &options)?;
            Ok((folder, binaries, cluster))
        };
        let (folder, binaries, cluster) = spawn_blocking(start)
            .await
            .context("the start of the server was given up")??;
        let url = cluster.ensure_database(DATABASE).await?;
        let directory = binaries.directory().display();
        let server = format!("PostgreSQL {} from {directory}", binaries.major());
        Ok(Self {
            url,
            server,
            cluster,
            _folder: folder,
        })
    }

    /// Returns the connection string of the owner.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the connection string of the role that the functions run as.
    pub(crate) fn app_url(&self) -> String {
        self.cluster.url_as(DATABASE, APP_ROLE)
    }

    /// Returns the version of the server and where its programs are.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Tells whether the server ends with this command.
    pub(crate) fn is_started_here(&self) -> bool {
        self.cluster.is_started_here()
    }
}

/// Removes the cluster of a folder with all its data.
pub(crate) fn remove(folder: &DataFolder, progress: &(dyn Fn(&str) + Sync)) -> Result<()> {
    let binaries = Binaries::find_or_fetch(progress)?;
    Ok(Cluster::remove(&binaries, &options(folder))?)
}

fn options(folder: &DataFolder) -> Options {
    Options {
        data_dir: folder.cluster(),
        durable: true,
    }
}
