//! The one way to write: a change and its audit entry in a single statement.
//!
//! One statement is one transaction and one round trip. Either both are there afterwards or neither, and a change that
//! hits no row leaves no entry. Every other way to run a statement refuses what is no reading; a test reads the sources
//! for ways round that.

use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use usher_domain::{Event, Origin, SessionId, UserId};

use crate::{Connection, Result, connection::Parameter};

/// Who a change is put down to.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    who: Who,
    session: Option<SessionId>,
    origin: &'a Origin,
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Nobody,
    User(UserId),
    /// The user whom the change is about, whoever that turns out to be.
    Subject,
}

impl<'a> Author<'a> {
    /// Returns the author of what nobody in particular did, such as a failed sign-in.
    pub fn nobody(origin: &'a Origin) -> Self {
        Self {
            who: Who::Nobody,
            session: None,
            origin,
        }
    }

    /// Returns the author of what a user did in a session.
    pub(crate) fn user(user: UserId, session: SessionId, origin: &'a Origin) -> Self {
        Self {
            who: Who::User(user),
            session: Some(session),
            origin,
        }
    }

    /// Returns the author of what a user did to the own session, when only the database knows who it was.
    pub(crate) fn subject(session: SessionId, origin: &'a Origin) -> Self {
        Self {
            who: Who::Subject,
            session: Some(session),
            origin,
        }
    }
}

impl Connection {
    /// Runs a change with its audit entry, and returns the row of the change if it hit one.
    ///
    /// `change` is a list of common table expressions. The one called `change` returns the changed row with the
    /// column `entity_id`; an audit entry is written for it. Any others may lean on it.
    pub(crate) async fn change(
        &self,
        context: &'static str,
        author: Author<'_>,
        event: &Event,
        change: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<Row>> {
        let user = match author.who {
            Who::User(user) => Some(user.get()),
            Who::Nobody | Who::Subject => None,
        };
        let session = author.session.map(SessionId::get);
        let user_agent = author
            .origin
            .user_agent
            .as_ref()
            .map(usher_domain::UserAgent::as_str);
        let entry: [(&(dyn ToSql + Sync), Type); 8] = [
            (&user, Type::INT8),
            (&event.action.as_str(), Type::TEXT),
            (&event.entity.as_str(), Type::TEXT),
            (&event.payload, Type::JSONB),
            (&author.origin.ip, Type::INET),
            (&user_agent, Type::TEXT),
            (&author.origin.request_id.as_str(), Type::TEXT),
            (&session, Type::UUID),
        ];
        let statement = with_entry(change, author.who, parameters.len());
        let parameters: Vec<_> = parameters.iter().cloned().chain(entry).collect();
        let rows = self.run(context, &statement, &parameters).await?;
        Ok(rows.into_iter().next())
    }
}

/// Writes the entry behind the change; its parameters follow the `count` ones of the change.
fn with_entry(change: &str, who: Who, count: usize) -> String {
    let [
        actor,
        action,
        entity,
        payload,
        ip,
        user_agent,
        request,
        session,
    ] = std::array::from_fn(|index| count + index + 1);
    let actor = match who {
        Who::Subject => "change.entity_id".to_owned(),
        Who::User(_) | Who::Nobody => format!("${actor}"),
    };
    format!(
        "with {change},
        entry as (
          insert into audit_logs (
            actor_id,
            action,
            entity,
            entity_id,
            payload,
            ip,
            user_agent,
            request_id,
            session_id
          )
          select
            {actor},
            ${action},
            ${entity},
            change.entity_id,
            ${payload},
            ${ip},
            ${user_agent},
            ${request},
            ${session}
          from change
        )
        select change.*
        from change"
    )
}
