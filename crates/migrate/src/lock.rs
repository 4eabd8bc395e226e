//! Lets one deploy run at a time.
//!
//! The lock is asked for again and again: a session that waits inside Postgres holds a snapshot, which
//! `create index concurrently` of the deploy that has the lock would wait for in turn. For the same reason it is
//! asked for by the simple protocol, which leaves nothing open.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::{Error, Result};

/// The key of the lock; keys are counted per database.
const KEY: i64 = 7_306_366_115_370_000;

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Takes the lock for the session, or fails when somebody else still has it after `wait`.
pub(crate) async fn take(
    client: &Client,
    wait: Duration,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<()> {
    let started = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    let mut has_told = false;
    notice_death(client).await?;
    loop {
        let answer = ask(
            client,
            &format!("select pg_try_advisory_lock({KEY}) as answer"),
        )
        .await;
        if answer
            .map_err(Error::database("take the lock of the deploy"))?
            .as_deref()
            == Some("t")
        {
            return Ok(());
        }
        let left = wait.saturating_sub(started.elapsed());
        if left.is_zero() {
            let holder = holder(client).await;
            return Err(Error::Busy {
                holder,
                seconds: wait.as_secs(),
            });
        }
        if !has_told {
            progress(&format!(
                "waiting for another deploy: {}",
                holder(client).await
            ));
            has_told = true;
        }
        sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Asks the server to look every second whether this process still lives, so that one which is killed in the middle of a
/// long statement does not keep the lock to its end. Servers before version 14 and some systems cannot.
async fn notice_death(client: &Client) -> Result<()> {
    match client
        .batch_execute("set client_connection_check_interval = '1s'")
        .await
    {
        Err(error) if error.as_db_error().is_none() => {
            Err(Error::database("prepare the session of the deploy")(error))
        }
        _ => Ok(()),
    }
}

/// Gives the lock back; a connection that is closed has done so already.
pub(crate) async fn release(client: &Client) -> Result<()> {
    match ask(client, &format!("select pg_advisory_unlock({KEY})")).await {
        Err(error) if !error.is_closed() => {
            Err(Error::database("release the lock of the deploy")(error))
        }
        _ => Ok(()),
    }
}

/// Says who has the lock, as far as this role may see it.
async fn holder(client: &Client) -> String {
    let statement = format!(
        "select format('process %s (%s)', pid, coalesce(nullif(application_name, ''), usename, 'unknown')) as answer
         from pg_locks
         left join pg_stat_activity using (pid)
         where locktype = 'advisory' and granted and objsubid = 1
           and database = (select oid from pg_database where datname = current_database())
           and classid::bigint = {} and objid::bigint = {}",
        KEY >> 32,
        KEY & 0xffff_ffff,
    );
    match ask(client, &statement).await {
        Ok(Some(holder)) => holder,
        _ => "a process that has just ended".to_owned(),
    }
}

async fn ask(
    client: &Client,
    statement: &str,
) -> std::result::Result<Option<String>, tokio_postgres::Error> {
    let messages = client.simple_query(statement).await?;
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}
