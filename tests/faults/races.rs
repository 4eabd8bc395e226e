//! Sixteen at once, at two instances: what must happen once happens once, and what ended stays ended.

use std::{collections::BTreeSet, net::SocketAddr};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_postgres::Client;
use usher_tests::{PASSWORD, Person, processes::Plain};

use crate::{
    asks::{Ask, Reply},
    catalogue::RACES,
    stage::{Stage, addresses},
    writers::describe,
};

mod naive;

/// How many there are at once.
const MANY: usize = 16;

/// The places where a race takes place.
struct Arena {
    stage: Stage,
    client: Client,
    instances: [Plain; 2],
}

impl Arena {
    async fn open() -> Self {
        let stage = Stage::start().await;
        let url = format!("{}?connection_limit=8", stage.app_url());
        Self {
            client: stage.client().await,
            instances: [
                stage.serve_with(&url, &[]).await,
                stage.serve_with(&url, &[]).await,
            ],
            stage,
        }
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.instances)
    }

    fn admin(&self) -> String {
        self.stage.token(Person::Admin)
    }

    /// Sends all at the same time, in turn to each instance.
    async fn at_once(&self, asks: impl IntoIterator<Item = Ask>) -> Vec<Reply> {
        let mut sent = JoinSet::new();
        for (number, ask) in asks.into_iter().enumerate() {
            let address = self.addresses()[number % 2];
            sent.spawn(async move { ask.to(address).await });
        }
        sent.join_all().await
    }

    async fn count(&self, statement: &str) -> i64 {
        self.client.query_one(statement, &[]).await.unwrap().get(0)
    }

    async fn execute(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap();
    }

    /// Sends a request until it is not put off.
    async fn insist(&self, ask: &Ask) -> Reply {
        loop {
            let reply = ask.to(self.addresses()[0]).await;
            if !reply.is_put_off() {
                return reply;
            }
        }
    }

    async fn sign_in(&self, email: &str) -> Value {
        self.insist(&sign_in(email)).await.expect(200)
    }
}

fn sign_in(email: &str) -> Ask {
    let credentials = json!({ "email": email, "password": PASSWORD });
    Ask::post("/api/auth/login", credentials)
}

fn refresh(session: &Value) -> Ask {
    let token = json!({ "refreshToken": session["refreshToken"] });
    Ask::post("/api/auth/refresh", token)
}

/// Returns how many were done, after making sure that the others were refused as told, or put off by a loaded machine.
#[track_caller]
fn done(replies: &[Reply], refused: u16) -> usize {
    let is_expected =
        |reply: &&Reply| reply.is_done() || reply.is_put_off() || reply.status() == refused;
    let others = replies.iter().filter(|reply| !is_expected(reply));
    let others: Vec<_> = others.map(describe).collect();
    assert!(others.is_empty(), "{others:#?}");
    replies.iter().filter(|reply| reply.is_done()).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_must_happen_once_among_sixteen_happens_once() {
    let arena = Arena::open().await;
    for round in 0..RACES.size() {
        one_successor(&arena).await;
        one_admin_stays(&arena, round).await;
        one_address(&arena, round).await;
        one_new_address(&arena, round).await;
        no_session_of_the_inactive(&arena).await;
        no_session_of_the_signed_out(&arena).await;
    }
    RACES.saw(&format!("{} rounds of 6 races, no violation", RACES.size()));
}

/// A refresh token has one successor, whoever presents it.
async fn one_successor(arena: &Arena) {
    let session = arena.sign_in("auditor@example.com").await;
    let replies = arena.at_once(vec![refresh(&session); MANY]).await;
    assert!(done(&replies, 503) > 0);
    let given = replies.iter().filter(|reply| reply.is_done());
    let tokens: BTreeSet<_> = given
        .map(|reply| reply.expect(200)["refreshToken"].to_string())
        .collect();
    assert_eq!(tokens.len(), 1);
    let most = "select max(refresh_counter)::bigint from sessions where user_id = 2";
    assert_eq!(arena.count(most).await, 1);
}

/// Of sixteen admins who leave, or take the role from the next one, one stays at least.
async fn one_admin_stays(arena: &Arena, round: usize) {
    let prepare = "
        insert into users (id, name, email)
          select id, 'Admin', 'admin' || id || '@example.com' from generate_series(90101, 90116) as id
          on conflict do nothing;
        update users set roles = '{admin}', is_active = true where id between 90101 and 90116;
        update users set roles = '{user}' where id = 1";
    arena.execute(prepare).await;
    let mut asks = Vec::new();
    for id in 90_101..90_117_i64 {
        let session = "insert into sessions (id, user_id, refresh_hash, expires_at)
            values (gen_random_uuid(), $1, sha256('x'), now() + interval '1 day')
            returning id";
        let row = arena.client.query_one(session, &[&id]).await.unwrap();
        let next = if id == 90_116 { 90_101 } else { id + 1 };
        let no_role = json!({ "roles": ["user"] });
        let ask = match round % 3 {
            0 => Ask::put(&format!("/api/users/{next}/roles"), no_role),
            1 => Ask::put(&format!("/api/users/{id}/roles"), no_role),
            _ => Ask::patch(&format!("/api/users/{id}"), json!({ "isActive": false })),
        };
        asks.push(ask.with_token(&arena.stage.token_of(id, row.get(0))));
    }
    let replies = arena.at_once(asks).await;
    let gone = replies.iter().filter(|reply| reply.is_done()).count();
    let left = "select count(*) from users where roles @> '{admin}' and is_active";
    let left = usize::try_from(arena.count(left).await).unwrap();
    assert!(
        gone > 0 && left > 0 && left + gone <= MANY,
        "{gone} gone, {left} left"
    );
    arena
        .execute("update users set roles = '{user,admin}' where id = 1")
        .await;
}

/// An address makes one user, however it is spelled.
async fn one_address(arena: &Arena, round: usize) {
    let spellings = ["ada", "Ada", "ADA", " ada"];
    let asks = (0..MANY).map(|number| {
        let email = format!("{}{round}@Example.com", spellings[number % 4]);
        Ask::post("/api/users", json!({ "name": "Ada", "email": email })).with_token(&arena.admin())
    });
    let replies = arena.at_once(asks).await;
    assert!(done(&replies, 409) <= 1);
    let made = format!("select count(*) from users where email = 'ada{round}@example.com'");
    assert_eq!(arena.count(&made).await, 1);
}

/// Of users who all want an address, one gets it.
async fn one_new_address(arena: &Arena, round: usize) {
    let prepare = "
        insert into users (id, name, email)
          select id, 'User', 'user' || id || '@example.com' from generate_series(90201, 90216) as id
          on conflict do nothing";
    arena.execute(prepare).await;
    let asks = (90_201..).take(MANY).map(|id| {
        let change = json!({ "email": format!("wanted{round}@example.com") });
        Ask::patch(&format!("/api/users/{id}"), change).with_token(&arena.admin())
    });
    let replies = arena.at_once(asks).await;
    assert!(done(&replies, 409) <= 1);
    let got = format!("select count(*) from users where email = 'wanted{round}@example.com'");
    assert_eq!(arena.count(&got).await, 1);
}

/// Who signs in while the account is deactivated has no session afterwards.
async fn no_session_of_the_inactive(arena: &Arena) {
    let activate = |is_active: bool| {
        let change = json!({ "isActive": is_active });
        Ask::patch("/api/users/4", change).with_token(&arena.admin())
    };
    let mut asks = vec![sign_in("member@example.com"); 4];
    asks.insert(2, activate(false));
    let replies = arena.at_once(asks).await;
    assert!(replies.iter().all(|reply| reply.answer.is_some()));
    let alive = "select count(*) from sessions join users on users.id = user_id
        where user_id = 4 and ended_at is null and not is_active";
    assert_eq!(arena.count(alive).await, 0);
    arena.insist(&activate(true)).await;
}

/// Who refreshes while signing out is signed out afterwards, with every token that was given.
async fn no_session_of_the_signed_out(arena: &Arena) {
    let session = arena.sign_in("member@example.com").await;
    let token = session["accessToken"].as_str().unwrap();
    let sign_out = Ask::post("/api/auth/logout", json!({})).with_token(token);
    let mut asks = vec![refresh(&session); MANY - 1];
    asks.insert(7, sign_out.clone());
    let replies = arena.at_once(asks).await;
    arena.insist(&sign_out).await;
    for reply in replies.iter().filter(|reply| reply.status() == 200) {
        let given = reply.expect(200);
        refresh(&given).to(arena.addresses()[0]).await.expect(401);
        let own = Ask::get("/api/me").with_token(given["accessToken"].as_str().unwrap());
        own.to(arena.addresses()[1]).await.expect(401);
    }
}
