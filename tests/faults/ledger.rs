//! What callers were told was done: the oracle of every fault.
//!
//! A request leaves its id in the audit log. So for each change that a caller knows of, the database must have one entry
//! of that id, and what the change made; and it must have no entry besides.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio_postgres::Client;

/// A change that a caller was told of.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    /// The id of the request.
    pub(crate) request: String,
    /// Whom it was about.
    pub(crate) user: i64,
    /// What it was.
    pub(crate) made: Made,
}

/// What a change made.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    /// A user with this address.
    User { email: String },
    /// Another name of a user.
    Name(String),
    /// The next refresh token of a session.
    Token,
}

/// What callers know.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// How the ids of their requests and the addresses of their users begin.
    name: String,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    effects: Vec<Effect>,
    /// Answers that were no success, and did not put off either.
    strange: Vec<String>,
    /// Tries that ended without a success.
    failed: usize,
    /// The longest that a caller waited for an answer.
    slowest: Duration,
}

/// What became of the changes that callers were told of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Changes that callers were told of.
    pub(crate) acknowledged: usize,
    /// Tries of which the caller did not learn how they ended, and which were repeated.
    pub(crate) repeated: usize,
    /// Changes that are not there.
    pub(crate) lost: usize,
    /// Changes without their entry in the audit log.
    pub(crate) unaudited: usize,
    /// Changes that were made more than once.
    pub(crate) doubled: usize,
    /// Entries without a change, and changes that nobody was told of.
    pub(crate) unknown: usize,
    /// Answers that a caller could make nothing of.
    pub(crate) strange: Vec<String>,
    /// The longest that a caller waited for an answer.
    pub(crate) slowest: Duration,
}

impl Account {
    /// Fails unless every change was made once, with its entry, and nothing else happened.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        let clean = Self {
            acknowledged: self.acknowledged,
            repeated: self.repeated,
            slowest: self.slowest,
            ..Self::default()
        };
        assert_eq!(*self, clean);
        assert!(self.acknowledged > 0, "nothing was done at all");
    }
}

impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            acknowledged,
            repeated,
            lost,
            unaudited,
            doubled,
            ..
        } = self;
        write!(
            formatter,
            "{acknowledged} changes acknowledged, {repeated} tries repeated; {lost} lost, {unaudited} without entry, {doubled} made twice"
        )
    }
}

impl Ledger {
    /// Begins a ledger for callers of a name that no other callers have.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            known: Mutex::default(),
        }
    }

    /// Writes a change down.
    pub(crate) fn acknowledge(&self, request: String, user: i64, made: Made) {
        let effect = Effect {
            request,
            user,
            made,
        };
        self.known().effects.push(effect);
    }

    /// Notes how long a caller waited.
    pub(crate) fn waited(&self, time: Duration) {
        let mut known = self.known();
        known.slowest = known.slowest.max(time);
    }

    /// Notes that a caller did not learn how a try ended.
    pub(crate) fn fail(&self) {
        self.known().failed += 1;
    }

    /// Returns how many tries ended without a success.
    pub(crate) fn failures(&self) -> usize {
        self.known().failed
    }

    /// Notes an answer that is neither a success nor puts off.
    pub(crate) fn find_strange(&self, answer: String) {
        self.known().strange.push(answer);
    }

    /// Returns how many changes were written down.
    pub(crate) fn len(&self) -> usize {
        self.known().effects.len()
    }

    /// Compares what is written down with the database. All requests of the writers must have been answered.
    pub(crate) async fn check(&self, client: &Client) -> Account {
        let stored = Stored::read(client, &self.name).await;
        let known = self.known();
        let mut account = Account {
            acknowledged: known.effects.len(),
            repeated: known.failed,
            strange: known.strange.clone(),
            slowest: known.slowest,
            ..Account::default()
        };
        let mut expected: BTreeMap<i64, (Option<&str>, usize)> = BTreeMap::new();
        for effect in &known.effects {
            let entries = stored.entries.get(&effect.request).copied().unwrap_or(0);
            account.unaudited += usize::from(entries == 0);
            account.doubled += usize::from(entries > 1);
            let (name, changes) = expected.entry(effect.user).or_default();
            match &effect.made {
                Made::User { email } => {
                    let is_there = stored.users.get(&effect.user);
                    account.lost += usize::from(is_there.is_none_or(|user| user.email != *email));
                }
                Made::Name(new) => {
                    *name = Some(new);
                    *changes += 1;
                }
                Made::Token => {}
            }
        }
        for (id, (name, changes)) in &expected {
            let Some(user) = stored.users.get(id) else {
                continue;
            };
            // Each change raises the version by one.
            account.lost += changes.saturating_sub(user.changes);
            account.doubled += user.changes.saturating_sub(*changes);
            account.lost += usize::from(name.is_some_and(|name| name != user.name));
        }
        account.lost += known.tokens().saturating_sub(stored.rotations);
        account.doubled += stored.rotations.saturating_sub(known.tokens());
        let ids: BTreeSet<_> = known.effects.iter().map(|effect| &effect.request).collect();
        let others = stored.entries.keys().filter(|id| !ids.contains(id));
        let users = stored.users.keys().filter(|id| !expected.contains_key(id));
        account.unknown = others.count() + users.count();
        account
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn tokens(&self) -> usize {
        let is_token = |effect: &&Effect| matches!(effect.made, Made::Token);
        self.effects.iter().filter(is_token).count()
    }
}

/// What the database has of the writers.
struct Stored {
    entries: BTreeMap<String, usize>,
    users: BTreeMap<i64, User>,
    rotations: usize,
}

struct User {
    email: String,
    name: String,
    changes: usize,
}

impl Stored {
    async fn read(client: &Client, name: &str) -> Self {
        let one = |statement: &'static str| async move {
            let row = client.query_one(statement, &[&name]).await.unwrap();
            row.get::<_, Value>(0)
        };
        let entries = one(
            "select coalesce(jsonb_object_agg(request_id, entries), '{}')
            from (
              select request_id, count(*) as entries
              from audit_logs
              where starts_with(request_id, $1 || '-')
              group by request_id
            ) as counted",
        );
        let users = one(
            "select coalesce(jsonb_object_agg(id, jsonb_build_array(email, name, version)), '{}')
            from users
            where starts_with(email, $1 || '-')",
        );
        let rotations = one("select to_jsonb(coalesce(sum(refresh_counter), 0))
            from sessions
            where user_agent = $1");
        let (entries, users, rotations) = tokio::join!(entries, users, rotations);
        let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let users = users.as_object().unwrap().iter().map(|(id, user)| {
            let user = User {
                email: text(&user[0]),
                name: text(&user[1]),
                changes: number(&user[2]) - 1,
            };
            (id.parse().unwrap(), user)
        });
        let entries = entries.as_object().unwrap().iter();
        Self {
            entries: entries
                .map(|(id, entries)| (id.clone(), number(entries)))
                .collect(),
            users: users.collect(),
            rotations: number(&rotations),
        }
    }
}
