//! Reading what a permission opens, in the round trip that tells whether the caller holds it.

use std::{marker::PhantomData, sync::Arc};

use axum::extract::FromRequestParts;
use http::request::Parts;
use usher_core::{
    Connection, Result as CoreResult, replica,
    sessions::Actor,
    tokens::{Presented, Principal},
    users::{self, Subject},
};
use usher_domain::{Grant, Origin, User, UserId};

use super::{Access, Bearer, check, describe, describe_session, describe_user_id, token};
use crate::{
    App, Code, Problem,
    describe::{Docs, Part},
    input::{self, Seen},
    origin,
};

/// Somebody who wants to read what a permission opens.
#[derive(Debug)]
pub struct Reads<P> {
    app: App,
    bearer: Bearer,
    /// Where the request comes from.
    pub origin: Origin,
    permission: PhantomData<P>,
}

impl<P: Grant> Reads<P> {
    /// Reads data if the caller may, in the round trip that says so. The data is dropped unseen otherwise.
    pub(crate) async fn read<T, F>(
        &self,
        data: impl Fn(Arc<Connection>) -> F,
    ) -> Result<(Actor, T), Problem>
    where
        F: Future<Output = CoreResult<T>>,
    {
        let (actor, data) = both(&self.app, self.bearer, data).await?;
        check::<P>(&actor)?;
        Ok((actor, data?))
    }

    /// Reads much data as [`Reads::read`] does, from the replica when there is one and it knows of what the caller has
    /// seen. The check is the primary's: what was taken from an account is gone at once.
    pub(crate) async fn read_bulk<T, F>(
        &self,
        seen: &Seen,
        data: impl Fn(Arc<Connection>) -> F,
    ) -> Result<(Actor, T), Problem>
    where
        F: Future<Output = CoreResult<T>>,
    {
        let (database, bearer) = (&self.app.database, self.bearer);
        let Some(replica) = database.replica() else {
            return self.read(data).await;
        };
        let check = |connection: Arc<Connection>| async move {
            let (actor, standing) = tokio::join!(
                bearer.authorise(&connection),
                replica::standing(&connection)
            );
            Ok((actor?, standing))
        };
        let (checked, answer) = tokio::join!(database.read(check), replica.read(&data));
        let (actor, standing) = checked?;
        let believed = replica.believe(standing, answer, seen.0);
        let actor = permitted::<P>(actor)?;
        let data = match believed {
            Some(data) => data?,
            None => database.read(data).await?,
        };
        Ok((actor, data))
    }
}

impl<P: Grant> FromRequestParts<App> for Reads<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self {
            bearer: Bearer::of(parts, app)?,
            app: app.clone(),
            origin: origin::origin(parts),
            permission: PhantomData,
        })
    }
}

impl<P: Grant> Part for Reads<P> {
    fn describe(docs: &mut Docs) {
        describe(docs, Access::May(P::PERMISSION));
    }
}

/// The user that the path names, for whoever holds a permission to read it.
#[derive(Debug)]
pub struct Named<P> {
    pub(super) reads: Reads<P>,
    id: Option<UserId>,
}

impl<P: Grant> Named<P> {
    /// Tells whether it is this user.
    pub(crate) fn is(&self, user: UserId) -> bool {
        self.id == Some(user)
    }

    /// Returns the user.
    pub(crate) async fn user(&self) -> Result<User, Problem> {
        let find = |connection: Arc<Connection>| async move {
            match self.id {
                Some(id) => users::find(&connection, id).await,
                None => Ok(None),
            }
        };
        let (_, user) = self.reads.read(find).await?;
        Ok(user.ok_or(Code::UserNotFound)?)
    }

    /// Returns the caller, and the user with the permissions held.
    pub(crate) async fn find(&self) -> Result<(Actor, Subject), Problem> {
        let (actor, subject) = self.look_up().await?;
        Ok((actor, subject.ok_or(Code::UserNotFound)?))
    }

    pub(super) async fn look_up(&self) -> Result<(Actor, Option<Subject>), Problem> {
        let find = |connection: Arc<Connection>, id| async move {
            users::find_subject(&connection, id).await
        };
        self.read(find).await
    }

    /// Returns the caller, and data of the user; a path that is no id names nobody.
    pub(crate) async fn read<T, F>(
        &self,
        data: impl Fn(Arc<Connection>, UserId) -> F,
    ) -> Result<(Actor, Option<T>), Problem>
    where
        F: Future<Output = CoreResult<Option<T>>>,
    {
        let id = self.id;
        let read = |connection| {
            let data = id.map(|id| data(connection, id));
            async move {
                match data {
                    Some(data) => data.await,
                    None => Ok(None),
                }
            }
        };
        self.reads.read(read).await
    }
}

impl<P: Grant> FromRequestParts<App> for Named<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self {
            reads: Reads::from_request_parts(parts, app).await?,
            id: input::user_id(parts).await.ok(),
        })
    }
}

impl<P: Grant> Part for Named<P> {
    fn describe(docs: &mut Docs) {
        Reads::<P>::describe(docs);
        describe_user_id(docs);
    }
}

/// Somebody who is signed in and wants to read what is their own.
#[derive(Debug)]
pub struct Own {
    app: App,
    token: Presented,
}

impl Own {
    /// Returns whom the request is from, and in which session.
    pub(crate) fn principal(&self) -> Principal {
        self.token.principal
    }

    /// Reads data of the caller, in the round trip that says whether the session is alive.
    pub(crate) async fn read<T, F>(
        &self,
        data: impl Fn(Arc<Connection>, UserId) -> F,
    ) -> Result<(Actor, T), Problem>
    where
        F: Future<Output = CoreResult<T>>,
    {
        let user = self.token.principal.user;
        let data = |connection| data(connection, user);
        let (actor, data) = both(&self.app, Bearer::Session(self.token), data).await?;
        Ok((actor, data?))
    }
}

impl FromRequestParts<App> for Own {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self {
            token: token(parts, app)?,
            app: app.clone(),
        })
    }
}

impl Part for Own {
    fn describe(docs: &mut Docs) {
        describe_session(docs);
    }
}

/// Asks who the caller is, and for data beside. The data is for the caller's eyes only once the caller is known.
pub(super) async fn both<T, F>(
    app: &App,
    bearer: Bearer,
    data: impl Fn(Arc<Connection>) -> F,
) -> Result<(Actor, CoreResult<T>), Problem>
where
    F: Future<Output = CoreResult<T>>,
{
    let ask = |connection: Arc<Connection>| {
        let data = data(Arc::clone(&connection));
        async move {
            match tokio::join!(bearer.authorise(&connection), data) {
                // The connection ended between the two.
                (Ok(_), Err(error)) if error.is_closed() => Err(error),
                (actor, data) => Ok((actor?, data)),
            }
        }
    };
    let (actor, data) = app.database.read(ask).await?;
    Ok((actor.ok_or(Code::Unauthenticated)?, data))
}

fn permitted<P: Grant>(actor: Option<Actor>) -> Result<Actor, Problem> {
    let actor = actor.ok_or(Code::Unauthenticated)?;
    check::<P>(&actor)?;
    Ok(actor)
}
