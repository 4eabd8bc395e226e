//! What an audit entry is made of, as parameters of a statement.

use std::{borrow::Cow, net::IpAddr};

use serde_json::{Map, Value};
use tokio_postgres::types::Type;
use usher_domain::{Event, SessionId, UserAgent};
use uuid::Uuid;

use super::{Author, Who};
use crate::{actor::KeyUse, connection::Parameter};

/// An entry without the id of what it is about, which the change knows.
pub(super) struct Entry<'a> {
    actor: Option<i64>,
    action: &'static str,
    entity: &'static str,
    payload: Cow<'a, Option<Value>>,
    ip: Option<IpAddr>,
    user_agent: Option<&'a str>,
    request: &'a str,
    session: Option<Uuid>,
}

impl<'a> Entry<'a> {
    /// Puts together what is known of who does it and what it is.
    pub(super) fn new(author: Author<'a>, event: &'a Event) -> Self {
        Self {
            actor: match author.who {
                Who::User(user) => Some(user.get()),
                Who::Nobody | Who::Subject => None,
            },
            action: event.action.as_str(),
            entity: event.entity.as_str(),
            payload: match author.key {
                Some(key) => Cow::Owned(Some(with_key(event.payload.clone(), key))),
                None => Cow::Borrowed(&event.payload),
            },
            ip: author.origin.ip,
            user_agent: author.origin.user_agent.as_ref().map(UserAgent::as_str),
            request: author.origin.request_id.as_str(),
            session: author.session.map(SessionId::get),
        }
    }

    /// Returns actor, action, entity, payload, ip, user agent, request and session.
    pub(super) fn parameters(&self) -> [Parameter<'_>; 8] {
        [
            (&self.actor, Type::INT8),
            (&self.action, Type::TEXT),
            (&self.entity, Type::TEXT),
            (&*self.payload, Type::JSONB),
            (&self.ip, Type::INET),
            (&self.user_agent, Type::TEXT),
            (&self.request, Type::TEXT),
            (&self.session, Type::UUID),
        ]
    }
}

/// Says in the details with which API key it was done: its owner did not do it with their own hands.
fn with_key(payload: Option<Value>, key: KeyUse) -> Value {
    let mut members = match payload {
        Some(Value::Object(members)) => members,
        Some(other) => Map::from_iter([("details".to_owned(), other)]),
        None => Map::new(),
    };
    members.insert("apiKeyId".to_owned(), key.id.get().into());
    Value::Object(members)
}
