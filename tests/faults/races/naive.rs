//! The same races as they are lost by those who look first and write afterwards.

use std::{collections::BTreeSet, sync::Arc};

use tokio::task::JoinSet;
use tokio_postgres::Client;

use super::MANY;
use crate::{catalogue::RACES, stage::Stage};

/// How often each is given a chance to go wrong.
const CHANCES: usize = 20;

/// A race: what is there at the start, what each looks at, what each then writes, and what must be 0 afterwards. `$1` is
/// the number of who does it.
struct Race {
    name: &'static str,
    start: &'static str,
    look: &'static str,
    write: &'static str,
    violations: &'static str,
}

const RACES_LOST: [Race; 5] = [
    Race {
        name: "a secret for one use",
        start: "create table secrets as select 0 as uses",
        look: "select uses = 0 from secrets where $1 >= 0",
        write: "update secrets set uses = uses + 1 where $1 >= 0",
        violations: "select greatest(uses - 1, 0)::bigint from secrets",
    },
    Race {
        name: "the last admin",
        start: "create table admins as select generate_series(0, 15) as id",
        look: "select count(*) > 1 from admins where $1 >= 0",
        write: "delete from admins where id = $1",
        violations: "select (count(*) = 0)::int::bigint from admins",
    },
    Race {
        name: "an address",
        start: "create table addresses (owner int)",
        look: "select count(*) = 0 from addresses where $1 >= 0",
        write: "insert into addresses values ($1)",
        violations: "select greatest(count(*) - 1, 0) from addresses",
    },
    Race {
        name: "a sign-in of somebody who is deactivated",
        start: "create table account as select true as is_active; create table logins (owner int)",
        look: "select is_active from account where $1 >= 0",
        // The first one deactivates the account and ends the sessions that it sees.
        write: "with deactivated as (update account set is_active = false where $1 = 0),
                ended as (delete from logins where $1 = 0)
            insert into logins select $1 where $1 > 0",
        violations: "select count(*) from logins, account where not is_active",
    },
    Race {
        name: "a refresh of somebody who signs out",
        start: "create table tokens as select -1 as owner, true as is_alive",
        look: "select bool_or(is_alive) from tokens where $1 >= 0",
        write: "with revoked as (update tokens set is_alive = false where $1 = 0)
            insert into tokens select $1, true where $1 > 0",
        violations: "select count(*) from tokens where is_alive and owner > 0",
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_looks_first_and_writes_afterwards_loses_every_race() {
    let stage = Stage::start().await;
    let mut clients = Vec::new();
    for _ in 0..MANY {
        clients.push(Arc::new(stage.client().await));
    }
    let mut lost = BTreeSet::new();
    for race in &RACES_LOST {
        for _ in 0..CHANCES {
            if violations(race, &clients).await > 0 {
                lost.insert(race.name);
                break;
            }
        }
    }
    assert_eq!(lost.len(), RACES_LOST.len(), "{lost:?}");
    let lost: Vec<_> = lost.into_iter().collect();
    RACES.saw_wrong(&format!("all of them lost: {}", lost.join(", ")));
}

async fn violations(race: &Race, clients: &[Arc<Client>]) -> i64 {
    let owner = &clients[0];
    let clean = "drop table if exists secrets, admins, addresses, account, logins, tokens";
    owner.batch_execute(clean).await.unwrap();
    owner.batch_execute(race.start).await.unwrap();
    let mut running = JoinSet::new();
    for (number, client) in clients.iter().enumerate() {
        let (client, look, write) = (Arc::clone(client), race.look, race.write);
        let number = i32::try_from(number).unwrap();
        running.spawn(async move {
            let may: bool = client.query_one(look, &[&number]).await.unwrap().get(0);
            if may {
                client.execute(write, &[&number]).await.unwrap();
            }
        });
    }
    running.join_all().await;
    owner.query_one(race.violations, &[]).await.unwrap().get(0)
}
