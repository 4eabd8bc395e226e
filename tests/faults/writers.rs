//! Callers who change things all the time, and come again until they know how it ended.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use usher_tests::{PASSWORD, Person};

use crate::{
    asks::{Ask, Reply},
    ledger::{Ledger, Made},
    stage::Stage,
};

/// How long a caller waits before the same request is sent again.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a request is sent at most.
const TRIES: usize = 600;

/// A number of callers.
pub(crate) struct Writers {
    pub(crate) ledger: Arc<Ledger>,
    is_over: Arc<AtomicBool>,
    running: JoinSet<()>,
}

/// One caller.
struct Writer {
    name: String,
    addresses: Vec<SocketAddr>,
    token: Arc<dyn Fn() -> String + Send + Sync>,
    ledger: Arc<Ledger>,
    count: usize,
}

impl Writers {
    /// Lets this many callers loose on instances, in turn.
    pub(crate) async fn start(stage: &Stage, count: usize, addresses: &[SocketAddr]) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let name = format!("w{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let ledger = Arc::new(Ledger::new(&name));
        let is_over = Arc::<AtomicBool>::default();
        let token = stage.tokens(Person::Admin);
        let mut running = JoinSet::new();
        for number in 0..count {
            let mut writer = Writer {
                name: format!("{name}-{number}"),
                addresses: addresses.to_vec(),
                token: Arc::clone(&token),
                ledger: Arc::clone(&ledger),
                count: 0,
            };
            let session = sign_in(addresses[0], &name).await;
            let is_over = Arc::clone(&is_over);
            running.spawn(async move { writer.run(session, &is_over).await });
        }
        Self {
            ledger,
            is_over,
            running,
        }
    }

    /// Waits until this many more changes were acknowledged.
    pub(crate) async fn work(&self, changes: usize) {
        let enough = self.ledger.len() + changes;
        while self.ledger.len() < enough {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets everybody finish, and returns what they know.
    pub(crate) async fn finish(mut self) -> Arc<Ledger> {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        self.ledger
    }
}

/// Signs somebody in who calls by that name, and returns the session.
async fn sign_in(address: SocketAddr, name: &str) -> Value {
    let credentials = json!({ "email": Person::Member.email(), "password": PASSWORD });
    Ask::post("/api/auth/login", credentials)
        .with("user-agent", name.to_owned())
        .to(address)
        .await
        .expect(200)
}

impl Writer {
    async fn run(&mut self, mut session: Value, is_over: &AtomicBool) {
        while !is_over.load(Ordering::Relaxed) {
            let Some(user) = self.create().await else {
                continue;
            };
            self.rename(user).await;
            self.rename(user).await;
            if let Some(next) = self.refresh(&session).await {
                session = next;
            }
        }
    }

    async fn create(&mut self) -> Option<i64> {
        let id = self.next_id();
        let email = format!("{id}@example.com");
        let new = json!({ "name": "New", "email": email });
        let ask = Ask::post("/api/users", new).with_token(&(self.token)());
        let user = self.insist(&ask, &id).await?["id"].as_i64().unwrap();
        self.ledger.acknowledge(id, user, Made::User { email });
        Some(user)
    }

    async fn rename(&mut self, user: i64) {
        let id = self.next_id();
        let path = format!("/api/users/{user}");
        let ask = Ask::patch(&path, json!({ "name": id })).with_token(&(self.token)());
        if self.insist(&ask, &id).await.is_some() {
            self.ledger.acknowledge(id.clone(), user, Made::Name(id));
        }
    }

    async fn refresh(&mut self, session: &Value) -> Option<Value> {
        let id = self.next_id();
        let token = json!({ "refreshToken": session["refreshToken"] });
        let next = self
            .insist(&Ask::post("/api/auth/refresh", token), &id)
            .await?;
        let user = Person::Member.id();
        self.ledger.acknowledge(id, user, Made::Token);
        Some(next)
    }

    /// Sends a request until it is done. Whatever else is answered is strange.
    async fn insist(&self, ask: &Ask, id: &str) -> Option<Value> {
        let ask = ask.clone().with_id(id).with_key(id);
        for number in 0..TRIES {
            let reply = ask.to(self.address(number)).await;
            self.ledger.waited(reply.took);
            if reply.is_done() {
                return reply.answer.map(|answer| answer.json());
            }
            if reply.answer.is_some() && !reply.is_put_off() {
                self.ledger.find_strange(describe(&reply));
                return None;
            }
            self.ledger.fail();
            tokio::time::sleep(PAUSE).await;
        }
        self.ledger.find_strange(format!("{id} was never done"));
        None
    }

    fn address(&self, number: usize) -> SocketAddr {
        self.addresses[(self.count + number) % self.addresses.len()]
    }

    fn next_id(&mut self) -> String {
        self.count += 1;
        format!("{}-{}", self.name, self.count)
    }
}

/// Returns an answer as it may stand in a report.
pub(crate) fn describe(reply: &Reply) -> String {
    let (status, text) = reply.shown();
    format!("{status} {text} after {:?}", reply.took)
}
