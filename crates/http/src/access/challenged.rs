//! Asking somebody who is signed in for the password: what follows is not for whoever found an open session.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use usher_core::{
    Attempt, Connection, Result as CoreResult, accounts,
    limits::{self, Charge, Rate, Tries},
    passwords::PasswordHash,
};
use usher_domain::{Email, PasswordAttempt};

use super::{Bearer, Caller, SignedIn, describe_session, reads::both, token};
use crate::{
    App, Code, Problem,
    describe::{Docs, Part},
    origin,
};

/// Somebody who is signed in and has to send the password as well.
pub struct Challenged {
    /// Who it is.
    pub caller: SignedIn,
    stored: Option<PasswordHash>,
    charge: Charge,
}

impl Challenged {
    /// Refuses an account that has no password to be asked for. It is the caller's own, so this tells nothing to others.
    pub(crate) fn must_have_password(&self) -> Result<(), Problem> {
        match self.stored {
            Some(_) => Ok(()),
            None => Err(Problem::from(Code::PasswordMissing).by(&self.caller.actor)),
        }
    }

    /// Counts the request against the mails to an address, too.
    pub(crate) fn mailing(self, email: &Email) -> Self {
        let whose = [email.as_str().as_bytes()];
        Self {
            charge: self.charge.rate(Rate::MailRecipient, &whose),
            ..self
        }
    }

    /// Makes the change that the password was asked for, and takes back the tries of this session beside it, which is no
    /// further wait.
    pub(crate) async fn make<T>(
        &self,
        connection: &Connection,
        change: impl Future<Output = CoreResult<T>>,
    ) -> CoreResult<T> {
        let (changed, forgiven) = tokio::join!(change, limits::forgive(connection, &self.charge));
        forgiven?;
        changed
    }

    /// Returns the hash that the password is right for. Each try is counted before it is looked at, and too many are refused
    /// (ASVS 5.0.0, 6.3.1). A wrong one is refused and written down, unless an earlier attempt at
    /// the request did what it is for: then there is nothing left to do, and `None` comes back.
    pub(crate) async fn check(
        &self,
        app: &App,
        password: PasswordAttempt,
        attempt: Option<&Attempt>,
    ) -> Result<Option<&PasswordHash>, Problem> {
        app.limit(self.caller.author(), &self.charge).await?;
        let user = &self.caller.actor.user;
        let stored = self.stored.as_ref().map(|stored| (stored, user));
        let verdict = app.passwords.verify(password, stored).await?;
        if let (true, Some(stored)) = (verdict.is_right, &self.stored) {
            return Ok(Some(stored));
        }
        let connection = app.database.connection().await?;
        if let Some(attempt) = attempt
            && accounts::was_done(&connection, attempt).await?
        {
            return Ok(None);
        }
        let (author, user) = (self.caller.author(), self.caller.actor.user.id);
        accounts::record_refused_password(&connection, author, user).await?;
        Err(Problem::from(Code::WrongPassword).by(&self.caller.actor))
    }
}

impl FromRequestParts<App> for Challenged {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = token(parts, app)?;
        let user = token.principal.user;
        let find = |connection: Arc<Connection>| async move {
            accounts::find_password(&connection, user).await
        };
        let (actor, stored) = both(app, Bearer::Session(token), find).await?;
        let (number, session) = (user.get().to_be_bytes(), token.principal.session.get());
        let whose = [number.as_slice(), session.as_bytes()];
        let charge = app.charge().tries(Tries::Password, &whose);
        Ok(Self {
            charge: charge.about_user(actor.user.id),
            caller: SignedIn::new(Caller {
                actor,
                origin: origin::origin(parts),
            })?,
            stored: stored?,
        })
    }
}

impl Part for Challenged {
    fn describe(docs: &mut Docs) {
        describe_session(docs);
        docs.codes
            .extend([Code::WrongPassword, Code::TooManyRequests, Code::Busy]);
    }
}
