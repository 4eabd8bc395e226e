//! One call of the core, with everything it needs made beforehand: only the call itself is timed.

use anyhow::{Context, Result, bail};
use usher_core::{
    Connection, Database, audit_logs,
    passwords::Owner,
    refresh::RefreshToken,
    sessions::{self, Rotation, SignIn},
    tokens::Presented,
    users::{self, ListUsers},
};
use usher_domain::{
    Action, AuditFilter, Email, Limit, Method, Methods, Name, NewUser, Password, PasswordAttempt,
    Position, User, UserId,
};

use super::world::{World, sign_in};

/// A call.
pub(super) enum Job {
    FindUser(UserId),
    FindCredentials(Email),
    Authorise(Presented),
    List(ListUsers),
    Audit {
        filter: AuditFilter,
        after: Option<Position>,
    },
    Create {
        new: NewUser,
        is_hashed: bool,
    },
    Update {
        before: User,
        after: User,
    },
    Login(Email),
    Refresh(RefreshToken),
}

impl Job {
    /// Makes the call on a connection of a pool, and returns how many rows there were.
    pub(super) async fn run(&self, world: &World, database: &Database) -> Result<usize> {
        let connection = database.connection().await?;
        let connection = &connection;
        match self {
            Self::FindUser(id) => one(users::find(connection, *id).await?),
            Self::FindCredentials(email) => one(users::find_credentials(connection, email).await?),
            Self::Authorise(token) => one(sessions::authorise(connection, *token).await?),
            Self::List(request) => Ok(users::list(connection, request).await?.rows.len()),
            Self::Audit { filter, after } => {
                let page =
                    audit_logs::list(connection, filter, Limit::default(), after.as_ref()).await?;
                Ok(page.rows.len())
            }
            Self::Create { new, is_hashed } => create(world, connection, new, *is_hashed).await,
            Self::Update { before, after } => {
                let author = world.actor.author(&world.origin);
                let may = &world.actor.permissions;
                one(
                    users::change(connection, author, Action::Update, before, after, may, None)
                        .await?,
                )
            }
            Self::Login(email) => login(world, connection, email).await,
            Self::Refresh(token) => {
                match sessions::rotate(connection, &world.origin, token, &world.secret, None)
                    .await?
                {
                    Rotation::Renewed(_) => Ok(1),
                    Rotation::Refused | Rotation::Reused => {
                        bail!("a refresh token in force was refused")
                    }
                }
            }
        }
    }

    /// Prepares a change of a user's name.
    pub(super) async fn update(world: &World, connection: &Connection) -> Result<Self> {
        let number = world.number();
        let before = users::find(connection, world.user(number).id).await?;
        let before = before.context("a user of the run was removed by somebody")?;
        let mut after = before.clone();
        after.name = Name::parse(&format!("{} {number}", world.user(number).name))?;
        Ok(Self::Update { before, after })
    }

    /// Prepares the refresh of a session of its own.
    pub(super) async fn refresh(world: &World, connection: &Connection) -> Result<Self> {
        let session = sign_in(
            connection,
            &world.origin,
            &world.secret,
            world.account(world.number()),
        )
        .await?;
        Ok(Self::Refresh(session.refresh))
    }
}

async fn create(
    world: &World,
    connection: &Connection,
    new: &NewUser,
    is_hashed: bool,
) -> Result<usize> {
    let hashed = if is_hashed {
        &world
            .passwords
            .hash(
                Password::parse(&world.password)?,
                Owner::Address(&new.email),
            )
            .await?
    } else {
        &world.hash
    };
    let author = world.actor.author(&world.origin);
    one(users::insert(
        connection,
        author,
        new,
        Some(hashed),
        &world.actor.permissions,
    )
    .await?)
}

/// Signs in as the endpoint does it.
async fn login(world: &World, connection: &Connection, email: &Email) -> Result<usize> {
    let found = users::find_credentials(connection, email).await?;
    let found = found.context("an account of the run was removed by somebody")?;
    let checked = found
        .password
        .context("an account of the run lost its password")?;
    let attempt = PasswordAttempt::parse(&world.password)?;
    let verdict = world
        .passwords
        .verify(attempt, Some((&checked, &found.user)))
        .await?;
    if !verdict.is_right {
        bail!("the right password was refused");
    }
    let rehashed = verdict.rehashed.as_ref();
    let sign_in = SignIn {
        user: found.user.id,
        checked: &checked,
        rehashed,
        attempt: None,
        methods: &Methods::one(Method::Password),
    };
    one(sessions::start(connection, &world.origin, &world.secret, sign_in).await?)
}

fn one<T>(found: Option<T>) -> Result<usize> {
    found.map(|_| 1).context("a call hit no row")
}
