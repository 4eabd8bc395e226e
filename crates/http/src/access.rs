//! Who may do what: extractors in the signature of a handler, decided before a body is read.
//!
//! - [`Reads`] runs the check and the reading of the data in one round trip; the data may come from a replica.
//! - [`May`] and [`SignedIn`] check first; what follows is a change, in a second round trip.
//! - [`Caller`] is anybody with a session or an API key. A key also passes [`Reads`], [`Named`], [`May`] and [`Target`], and nothing
//!   else: the others ask for a session.
//! - [`Challenged`] is [`SignedIn`] for what the password is asked for again.
//! - [`Recent`] is [`SignedIn`] for what asks for a proof of the last minutes, and for the second factor where there is one.
//! - [`Target`] checks, and loads the user that the change is about in the same round trip.
//!
//! Each asks the database for the session, the account and its roles as they are now. The answers are 401 when nobody
//! is signed in, 403 when the account may not do this at all, and only then 404.

use std::{marker::PhantomData, ops::Deref};

use axum::extract::FromRequestParts;
use http::{header, request::Parts};
use serde_json::json;
use usher_core::{
    Author, Connection, Result as CoreResult,
    actor::{By, KeyUse, Live},
    api_keys,
    sessions::{self, Actor},
    tokens::{Presented, Principal},
};
use usher_domain::{Grant, Origin, User, UserId};

pub use crate::describe::Access;
use crate::{
    App, Code, Problem,
    describe::{Docs, Part},
    input, origin,
};

mod challenged;
mod reads;
mod recent;

pub use challenged::Challenged;
pub use reads::{Named, Own, Reads};
pub use recent::Recent;
pub(crate) use recent::check as check_recent;

/// Somebody who acts: in a session, or a machine with an API key.
#[derive(Debug)]
pub struct Caller {
    /// The user, as of now.
    pub actor: Actor,
    /// Where the request comes from.
    pub origin: Origin,
}

impl Caller {
    /// Returns the caller as the author of a change.
    pub fn author(&self) -> Author<'_> {
        self.actor.author(&self.origin)
    }

    /// Returns whose `Idempotency-Key`s the caller's are.
    pub(crate) fn sender(&self) -> String {
        sender(self.actor.user.id)
    }
}

/// Returns whose `Idempotency-Key`s those of a user are.
pub(crate) fn sender(user: UserId) -> String {
    format!("user {user}")
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let bearer = Bearer::of(parts, app)?;
        let actor = app
            .database
            .read(|connection| async move { bearer.authorise(&connection).await })
            .await?;
        let actor = actor.ok_or(Code::Unauthenticated)?;
        Ok(Self {
            actor,
            origin: origin::origin(parts),
        })
    }
}

impl Part for Caller {
    fn describe(docs: &mut Docs) {
        describe(docs, Access::SignedIn);
        docs.takes_keys = true;
    }
}

/// Somebody who is signed in. An API key is not: it opens none of what this is asked for.
#[derive(Debug)]
pub struct SignedIn {
    caller: Caller,
    /// The session.
    pub session: Live,
}

impl SignedIn {
    /// Returns who it is, and in which session.
    pub(crate) fn principal(&self) -> Principal {
        Principal {
            user: self.actor.user.id,
            session: self.session.id,
        }
    }

    /// Takes a caller who has a session.
    fn new(caller: Caller) -> Result<Self, Problem> {
        match &caller.actor.by {
            By::Session(session) => Ok(Self {
                session: session.clone(),
                caller,
            }),
            By::Key(_) => Err(Problem::from(Code::SessionRequired).by(&caller.actor)),
        }
    }
}

impl Deref for SignedIn {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl AsRef<Actor> for SignedIn {
    fn as_ref(&self) -> &Actor {
        &self.caller.actor
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        // A key is refused before anybody looks it up.
        token(parts, app)?;
        Self::new(Caller::from_request_parts(parts, app).await?)
    }
}

impl Part for SignedIn {
    fn describe(docs: &mut Docs) {
        describe_session(docs);
    }
}

/// Somebody who holds a permission.
#[derive(Debug)]
pub struct May<P> {
    caller: Caller,
    permission: PhantomData<P>,
}

impl<P> May<P> {
    /// Returns who it is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl<P: Grant> FromRequestParts<App> for May<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        check::<P>(&caller.actor)?;
        Ok(Self {
            caller,
            permission: PhantomData,
        })
    }
}

impl<P: Grant> Part for May<P> {
    fn describe(docs: &mut Docs) {
        describe(docs, Access::May(P::PERMISSION));
    }
}

/// The user that the path names, loaded for a change by somebody who may make it.
///
/// Whoever acts on a user must hold every permission the user holds: a helper cannot change an admin. An API key does not act on
/// its owner, whose address and sessions are for the owner alone.
#[derive(Debug)]
pub struct Target<P> {
    /// Who acts.
    pub caller: Caller,
    /// On whom. `None` when there is no such user and the request has a key: an earlier attempt may have removed the user.
    pub user: Option<User>,
    permission: PhantomData<P>,
}

impl<P: Grant> FromRequestParts<App> for Target<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let named = Named::<P>::from_request_parts(parts, app).await?;
        let (actor, subject) = named.look_up().await?;
        match &subject {
            None if !input::has_key(&parts.headers) => return Err(Code::UserNotFound.into()),
            Some(subject) if !actor.permissions.cover(&subject.permissions) => {
                return Err(Problem::from(Code::RoleEscalation).by(&actor));
            }
            Some(subject) if actor.key().is_some() && subject.user.id == actor.user.id => {
                return Err(Problem::from(Code::SessionRequired).by(&actor));
            }
            _ => {}
        }
        Ok(Self {
            caller: Caller {
                actor,
                origin: named.reads.origin,
            },
            user: subject.map(|subject| subject.user),
            permission: PhantomData,
        })
    }
}

impl<P> AsRef<Actor> for Target<P> {
    fn as_ref(&self) -> &Actor {
        &self.caller.actor
    }
}

impl<P: Grant> Part for Target<P> {
    fn describe(docs: &mut Docs) {
        Named::<P>::describe(docs);
        docs.codes
            .extend([Code::RoleEscalation, Code::SessionRequired]);
    }
}

fn check<P: Grant>(actor: &Actor) -> Result<(), Problem> {
    if actor.permissions.allow(P::PERMISSION) {
        Ok(())
    } else {
        Err(Problem::lacks(P::PERMISSION).by(actor))
    }
}

/// What a request is signed with, before the database says whether it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bearer {
    /// An access token of a session.
    Session(Presented),
    /// An API key.
    Key(KeyUse),
}

impl Bearer {
    /// Returns what the request is signed with (RFC 6750, section 2.1).
    pub(crate) fn of(parts: &Parts, app: &App) -> Result<Self, Problem> {
        match bearer(parts).and_then(api_keys::parse) {
            Some(key) => Ok(Self::Key(key)),
            None => token(parts, app).map(Self::Session),
        }
    }

    /// Returns who the caller is now, or `None` when nobody is. It is one round trip for either.
    pub(crate) async fn authorise(self, connection: &Connection) -> CoreResult<Option<Actor>> {
        match self {
            Self::Session(token) => sessions::authorise(connection, token).await,
            Self::Key(key) => api_keys::authorise(connection, key).await,
        }
    }
}

/// Returns the access token of the caller (RFC 6750, section 2.1), for what an API key does not open.
pub(crate) fn token(parts: &Parts, app: &App) -> Result<Presented, Problem> {
    if !parts.headers.contains_key(header::AUTHORIZATION) {
        let detail = "There is no header `Authorization: Bearer …` with an access token.";
        return Err(Problem::from(Code::Unauthenticated).with_detail(detail));
    }
    let token = bearer(parts).ok_or(Code::Unauthenticated)?;
    if api_keys::parse(token).is_some() {
        return Err(Code::SessionRequired.into());
    }
    app.tokens
        .verify(token)
        .ok_or_else(|| Code::Unauthenticated.into())
}

/// Returns the one bearer token of a request; two are none.
pub(crate) fn bearer(parts: &Parts) -> Option<&str> {
    let mut headers = parts.headers.get_all(header::AUTHORIZATION).iter();
    let text = headers.next()?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    (headers.next().is_none() && scheme.eq_ignore_ascii_case("bearer")).then_some(token)
}

/// Describes what an API key does not open.
fn describe_session(docs: &mut Docs) {
    describe(docs, Access::SignedIn);
    docs.codes.insert(Code::SessionRequired);
}

fn describe(docs: &mut Docs, access: Access) {
    docs.access = access;
    docs.takes_keys = matches!(access, Access::May(_));
    docs.codes
        .extend([Code::Unauthenticated, Code::DatabaseUnavailable]);
    if matches!(access, Access::May(_)) {
        docs.codes.insert(Code::Forbidden);
    }
}

fn describe_user_id(docs: &mut Docs) {
    docs.parameters.push(json!({
        "name": "user_id",
        "in": "path",
        "description": "The id of the user.",
        "required": true,
        "schema": { "type": "integer", "format": "int64", "minimum": 1 },
    }));
    docs.codes.insert(Code::UserNotFound);
}
