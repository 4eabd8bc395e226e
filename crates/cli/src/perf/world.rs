//! What calls are made of: some of the users, an administrator who is signed in, accounts with a known password.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use time::OffsetDateTime;
use tokio_postgres::{
    Client,
    types::{ToSql, Type},
};
use usher_core::{
    Author, Connection, Database,
    passwords::{Cost, Owner, PasswordHash, Passwords},
    secret::{self, Secret},
    sessions::{self, Actor, Session, SignIn},
    tokens::{Presented, Principal},
    users,
};
use usher_domain::{
    Clock, Email, Method, Methods, Name, NewUser, Origin, Password, Permission, RoleName, RoleSet,
    UserAgent, UserId,
};

use super::people::{DOMAIN, Dice};

/// How many users are asked for, at most.
const SAMPLE: usize = 10_000;
/// How many neighbours are, so that what they need is soon in memory.
const NEIGHBOURS: i64 = 1000;
/// How many accounts sign in.
const ACCOUNTS: usize = 20;

/// A user who is asked for.
#[derive(Debug)]
pub(super) struct Sampled {
    pub(super) id: UserId,
    pub(super) email: Email,
    pub(super) name: String,
    pub(super) created_at: OffsetDateTime,
}

/// Which users are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Any of them.
    Any,
    /// Some whose ids follow on each other.
    Neighbours,
}

/// What calls are made of.
pub(super) struct World {
    /// Active users in no order, none of them twice.
    pub(super) users: Vec<Sampled>,
    /// Who did the most.
    pub(super) busiest: UserId,
    pub(super) actor: Actor,
    pub(super) principal: Principal,
    pub(super) origin: Origin,
    pub(super) secret: Secret,
    pub(super) passwords: Passwords,
    /// The addresses of accounts with the password.
    pub(super) accounts: Vec<Email>,
    pub(super) password: String,
    pub(super) hash: PasswordHash,
    run: String,
    next: AtomicUsize,
}

impl World {
    /// Looks around in a database that was loaded, and makes the accounts.
    pub(super) async fn prepare(
        client: &Client,
        database: &Database,
        choice: Choice,
    ) -> Result<Self> {
        let (users, busiest) = (some_users(client, choice).await?, busiest(client).await?);
        let connection = database.connection().await?;
        let request_id = secret::request_id();
        let run = request_id.as_str().replace('-', "").to_lowercase();
        let origin = Origin {
            ip: None,
            user_agent: Some(UserAgent::from_text("usher perf")),
            request_id,
        };
        let passwords = Passwords::new(Cost::default());
        let password = Secret::generate()?;
        // There is no pepper, so that all accounts can have the same one.
        let owner = Owner::User(UserId::new(1));
        let hash = passwords.hash(Password::parse(&password)?, owner).await?;
        let mut accounts = Vec::new();
        for number in 0..ACCOUNTS {
            let new = account(&run, number)?;
            accounts.push(new.email.clone());
            let everything = Permission::ALL
                .iter()
                .map(|permission| permission.as_str())
                .collect();
            let made = users::insert(
                &connection,
                Author::nobody(&origin),
                &new,
                Some(&hash),
                &everything,
            )
            .await?;
            made.context("the role admin allows something that this build does not know: use the newest `usher`")?;
        }
        let secret = Secret::parse(&Secret::generate()?).map_err(anyhow::Error::msg)?;
        let session = sign_in(&connection, &origin, &secret, &accounts[0]).await?;
        let principal = session.principal();
        let actor = sessions::authorise(
            &connection,
            Presented::issued(principal, Clock::default().now()),
        )
        .await?;
        Ok(Self {
            users,
            busiest,
            actor: actor.context("the administrator of the run was signed out by somebody")?,
            principal,
            origin,
            secret,
            passwords,
            accounts,
            password,
            hash,
            run,
            next: AtomicUsize::new(0),
        })
    }

    /// Returns a number that nobody had before.
    pub(super) fn number(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the user of a number; the users take turns.
    pub(super) fn user(&self, number: usize) -> &Sampled {
        &self.users[number % self.users.len()]
    }

    /// Returns the lowest and the highest id of the users.
    pub(super) fn bounds(&self) -> (i64, i64) {
        let ids = || self.users.iter().map(|user| user.id.get());
        (
            ids().min().unwrap_or_default(),
            ids().max().unwrap_or_default(),
        )
    }

    /// Returns the address of the account of a number; the accounts take turns.
    pub(super) fn account(&self, number: usize) -> &Email {
        &self.accounts[number % self.accounts.len()]
    }

    /// Returns somebody who is not there yet.
    pub(super) fn newcomer(&self) -> Result<NewUser> {
        newcomer(&format!("new.{}.{}", self.run, self.number()), &["user"])
    }
}

/// Begins a session without looking at the password.
pub(super) async fn sign_in(
    connection: &Connection,
    origin: &Origin,
    secret: &Secret,
    email: &Email,
) -> Result<Session> {
    let found = users::find_credentials(connection, email).await?;
    let found = found.context("an account of the run was removed by somebody")?;
    let Some(checked) = &found.password else {
        bail!("an account of the run lost its password");
    };
    let sign_in = SignIn {
        user: found.user.id,
        checked,
        rehashed: None,
        attempt: None,
        methods: &Methods::one(Method::Password),
    };
    let session = sessions::start(connection, origin, secret, sign_in).await?;
    session.context("an account of the run was changed by somebody")
}

/// The first account is the administrator.
fn account(run: &str, number: usize) -> Result<NewUser> {
    let roles: &[&str] = if number == 0 {
        &["admin", "user"]
    } else {
        &["user"]
    };
    newcomer(&format!("account.{run}.{number}"), roles)
}

fn newcomer(local: &str, roles: &[&str]) -> Result<NewUser> {
    let roles = roles.iter().map(|role| RoleName::parse(role));
    Ok(NewUser {
        name: Name::parse("Nova Newcomer")?,
        email: Email::parse(&format!("{local}@perf{DOMAIN}"))?,
        roles: RoleSet::new(roles.collect::<Result<_, _>>()?)?,
        is_active: true,
        avatar_url: None,
    })
}

/// Returns some of the users that were loaded.
async fn some_users(client: &Client, choice: Choice) -> Result<Vec<Sampled>> {
    let bounds = "
        select
          coalesce(min(id), 0) as first,
          coalesce(max(id), 0) as last
        from users
        where email like '%' || $1";
    let row = client
        .query_typed_one(bounds, &[(&DOMAIN, Type::TEXT)])
        .await?;
    let (first, last): (i64, i64) = (row.try_get("first")?, row.try_get("last")?);
    let mut dice = Dice::new(1);
    let count = (last - first + 1).cast_unsigned();
    let ids: Vec<_> = match choice {
        Choice::Any => (0..SAMPLE * 2)
            .map(|_| first + dice.below(count).cast_signed())
            .collect(),
        Choice::Neighbours => {
            let middle = first + (last - first) / 2;
            (middle..middle + NEIGHBOURS).collect()
        }
    };
    let some = "
        select
          id,
          email,
          name,
          created_at
        from users
        where id = any($1)
          and email like '%' || $2
          and email not like '%@perf' || $2
          and is_active
          and roles = '{user}'
        order by md5(id::text)
        limit $3";
    let limit = i64::try_from(SAMPLE)?;
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
        (&ids, Type::INT8_ARRAY),
        (&DOMAIN, Type::TEXT),
        (&limit, Type::INT8),
    ];
    let rows = client.query_typed(some, &parameters).await?;
    let users = rows.iter().map(|row| {
        Ok(Sampled {
            id: UserId::new(row.try_get("id")?),
            email: Email::parse(row.try_get("email")?)?,
            name: row.try_get("name")?,
            created_at: row.try_get("created_at")?,
        })
    });
    let users = users.collect::<Result<Vec<_>>>()?;
    if users.is_empty() {
        bail!("there are no users to measure with: ask for more by --users");
    }
    Ok(users)
}

/// Returns who did the most.
async fn busiest(client: &Client) -> Result<UserId> {
    let statement = "
        select actor_id
        from audit_logs
        where actor_id is not null
        group by actor_id
        order by count(*) desc, actor_id
        limit 1";
    let row = client
        .query_typed_one(statement, &[])
        .await
        .context("nobody is in the audit log")?;
    Ok(UserId::new(row.try_get("actor_id")?))
}
