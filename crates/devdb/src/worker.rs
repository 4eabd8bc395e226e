//! The thread that creates and drops the databases of tests.
//!
//! Each test has a runtime of its own, which ends with it; a database has to be dropped after that. So the work is
//! done by one thread with its own runtime, which also holds the lock that shows that this run is alive.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use tokio::{
    runtime,
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
};
use tokio_postgres::Client;

use crate::{
    Error, Result,
    databases::{self, PREFIX, connect, quote},
    files,
};

/// How many databases are made at a time: more only wait for each other.
const AT_A_TIME: usize = 4;

#[derive(Debug)]
enum Job {
    Create {
        name: String,
        template: String,
        answer: oneshot::Sender<Result<()>>,
    },
    Drop {
        name: String,
    },
}

/// A handle to the thread, which ends when the last handle is gone.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    jobs: mpsc::UnboundedSender<Job>,
    run: u64,
    count: Arc<AtomicU64>,
}

impl Worker {
    pub(crate) fn start(admin_url: String) -> Self {
        let (jobs, received) = mpsc::unbounded_channel();
        let run = files::random();
        // Without the thread the other end of the channel is gone, which every job reports.
        let _ = thread::Builder::new()
            .name("databases".to_owned())
            .spawn(move || work(&admin_url, run, received));
        Self {
            jobs,
            run,
            count: Arc::default(),
        }
    }

    /// Creates a database from a template and returns its name.
    pub(crate) async fn create(&self, template: &str) -> Result<String> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{:016x}_{count}", self.run);
        let (answer, answered) = oneshot::channel();
        let job = Job::Create {
            name: name.clone(),
            template: template.to_owned(),
            answer,
        };
        self.jobs.send(job).map_err(|_| Error::Stopping)?;
        answered.await.map_err(|_| Error::Stopping)??;
        Ok(name)
    }

    /// Lets a database be dropped soon.
    pub(crate) fn drop_soon(&self, name: String) {
        // What is left is swept away by the next run.
        let _ = self.jobs.send(Job::Drop { name });
    }
}

fn work(admin_url: &str, run: u64, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    runtime.block_on(async {
        let opened = open(admin_url, run).await;
        let (admin, version) = match opened {
            Ok(opened) => opened,
            Err(error) => return refuse(error, &mut jobs).await,
        };
        let mut tasks = JoinSet::new();
        let slots = Arc::new(Semaphore::new(AT_A_TIME));
        while let Some(job) = jobs.recv().await {
            let (slots, url) = (slots.clone(), admin_url.to_owned());
            tasks.spawn(async move {
                let _slot = slots.acquire_owned().await;
                perform(&url, version, job).await;
            });
            while tasks.try_join_next().is_some() {}
        }
        tasks.join_all().await;
        drop(admin);
    });
}

/// Opens the connection that holds the lock of this run, and asks for the version of the server.
async fn open(admin_url: &str, run: u64) -> Result<(Client, u32)> {
    let admin = connect(admin_url).await?;
    databases::try_lock(&admin, run.cast_signed()).await?;
    // Two runs may sweep the same database; who comes second finds it gone.
    let _ = databases::sweep(&admin).await;
    let row = admin
        .query_typed_one(
            "select current_setting('server_version_num')::integer as version",
            &[],
        )
        .await;
    let version: i32 = row
        .and_then(|row| row.try_get("version"))
        .map_err(Error::database("ask for the version of the server"))?;
    Ok((admin, version.unsigned_abs()))
}

/// Answers the first job with the reason; the others learn that there is no worker.
async fn refuse(error: Error, jobs: &mut mpsc::UnboundedReceiver<Job>) {
    while let Some(job) = jobs.recv().await {
        if let Job::Create { answer, .. } = job {
            let _ = answer.send(Err(error));
            return;
        }
    }
}

async fn perform(admin_url: &str, version: u32, job: Job) {
    match job {
        Job::Create {
            name,
            template,
            answer,
        } => {
            let _ = answer.send(create(admin_url, version, &name, &template).await);
        }
        Job::Drop { name } => {
            if let Ok(admin) = connect(admin_url).await {
                let _ = databases::drop_database(&admin, &name).await;
            }
        }
    }
}

async fn create(admin_url: &str, version: u32, name: &str, template: &str) -> Result<()> {
    // Copying the files is three times faster than writing every page to the log, and the only way before 15.
    let strategy = if version >= 150_000 {
        "strategy file_copy"
    } else {
        ""
    };
    let statement = format!(
        "create database {} template {} {strategy}",
        quote(name),
        quote(template)
    );
    let admin = connect(admin_url).await?;
    admin
        .batch_execute(&statement)
        .await
        .map_err(Error::database("create the database of a test"))
}
