//! The one way to write: a change and its audit entry in a single statement.
//!
//! One statement is one transaction and one round trip. Either both are there afterwards or neither, and a change that
//! hits no row leaves no entry. Every other way to run a statement refuses what is no reading; a test reads the sources
//! for ways round that.

use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use usher_domain::{ConsistencyToken, Entity, Event, Origin, RoleSet, SessionId, UserId};

use crate::{
    Attempt, Connection, Constraint, Error, Result,
    actor::KeyUse,
    connection::{Parameter, Plan},
    idempotency,
    mails::Mail,
    replica, spent,
};

mod entry;
mod statement;

use entry::Entry;
use statement::{Tail, with_entry};

/// Who a change is put down to.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    who: Who,
    session: Option<SessionId>,
    origin: &'a Origin,
    attempt: Option<&'a Attempt>,
    /// The roles that the author was checked with, when the change asks for them again.
    checked: Option<&'a RoleSet>,
    mail: Option<&'a Mail>,
    /// The API key that it was done with.
    key: Option<KeyUse>,
}

/// The row of a change, made now or by an earlier attempt at the same request.
pub(crate) struct Changed {
    pub(crate) row: Row,
    pub(crate) is_repeated: bool,
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
            attempt: None,
            checked: None,
            mail: None,
            key: None,
        }
    }

    /// Returns the author of what a user did in a session.
    pub(crate) fn user(user: UserId, session: SessionId, origin: &'a Origin) -> Self {
        Self {
            who: Who::User(user),
            session: Some(session),
            origin,
            attempt: None,
            checked: None,
            mail: None,
            key: None,
        }
    }

    /// Returns the author of what a machine did with an API key of a user.
    pub(crate) fn key(owner: UserId, key: KeyUse, origin: &'a Origin) -> Self {
        Self {
            who: Who::User(owner),
            session: None,
            origin,
            attempt: None,
            checked: None,
            mail: None,
            key: Some(key),
        }
    }

    /// Returns the author of what a user did to the own session, when only the database knows who it was.
    pub(crate) fn subject(session: SessionId, origin: &'a Origin) -> Self {
        Self {
            who: Who::Subject,
            session: Some(session),
            origin,
            attempt: None,
            checked: None,
            mail: None,
            key: None,
        }
    }

    /// Makes the change refuse an author whose session or key ended, or whose roles changed, since they were checked.
    #[must_use]
    pub(crate) fn checked_with(self, roles: &'a RoleSet) -> Self {
        Self {
            checked: Some(roles),
            ..self
        }
    }

    /// Makes the change at most once for all attempts at the same request.
    #[must_use]
    pub fn once(self, attempt: Option<&'a Attempt>) -> Self {
        Self { attempt, ..self }
    }

    /// Puts a mail into the outbox with the change. The column `is_usual` of the change chooses where there are two.
    #[must_use]
    pub(crate) fn mailing(self, mail: &'a Mail) -> Self {
        Self {
            mail: Some(mail),
            ..self
        }
    }
}

/// The tables that are written without an entry.
const UNAUDITED: [&str; 12] = [
    "mails",
    "one_time_secrets",
    "email_changes",
    "account_deletions",
    "invitations",
    "challenges",
    "totp_factors",
    "passkey_ceremonies",
    "passkey_handles",
    // When a key was last used, which every request would write an entry for.
    "api_keys",
    "request_rates",
    "credential_tries",
];

/// Returns the tables that a statement writes, however deep.
fn written(statement: &str) -> Vec<&str> {
    let words: Vec<_> = statement.split_whitespace().collect();
    let places = words.iter().enumerate().filter_map(|(index, word)| {
        match word.trim_start_matches('(') {
            "insert" | "delete" => Some(index + 2),
            "merge" | "truncate" => Some(index),
            // `do update` writes what the insert before it does, and `for update` and `for no key update` nothing.
            "update" if index > 0 && ["do", "for", "key"].contains(&words[index - 1]) => None,
            "update" => Some(index + 1),
            _ => None,
        }
    });
    let tables = places.map(|index| words.get(index).copied().unwrap_or_default());
    tables
        .map(|table| table.trim_end_matches([')', ',', ';']))
        .collect()
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
        let changed = self
            .change_once(context, author, event, change, parameters)
            .await?;
        Ok(changed.map(|changed| changed.row))
    }

    /// Runs a change as [`Connection::change`] does, and tells whether an earlier attempt had made it.
    pub(crate) async fn change_once(
        &self,
        context: &'static str,
        author: Author<'_>,
        event: &Event,
        change: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<Changed>> {
        let changed = self
            .write(context, author, event, change, parameters)
            .await
            .map(|row| {
                row.map(|row| Changed {
                    row,
                    is_repeated: false,
                })
            });
        match (&changed, author.attempt) {
            (Err(Error::Conflict(Constraint::AuthorSignedOut | Constraint::AuthorChanged)), _) => {
                changed
            }
            // Whatever else kept the change from being made, it may be that it was made before.
            (Ok(None) | Err(Error::Conflict(_)), Some(attempt)) => {
                match idempotency::find(self, attempt).await? {
                    Some(row) => Ok(Some(Changed {
                        row,
                        is_repeated: true,
                    })),
                    None => changed,
                }
            }
            _ => changed,
        }
    }

    async fn write(
        &self,
        context: &'static str,
        author: Author<'_>,
        event: &Event,
        change: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<Row>> {
        let entry = Entry::new(author, event);
        let count = parameters.len();
        let keys = author.attempt.map(Attempt::keys);
        let request = author.attempt.and_then(Attempt::request);
        let checked = author.checked.map(RoleSet::names);
        let key = author.key.map(|key| key.id.get());
        let hash = author.key.as_ref().map(|key| key.hash.as_slice());
        let mut parameters: Vec<_> = parameters
            .iter()
            .cloned()
            .chain(entry.parameters())
            .collect();
        let mut more = Tail::default();
        if keys.is_some() {
            parameters.extend([
                (&keys as &(dyn ToSql + Sync), Type::BYTEA_ARRAY),
                (&request, Type::BYTEA),
            ]);
            more.request = Some(parameters.len());
        }
        if checked.is_some() {
            parameters.push((&checked, Type::TEXT_ARRAY));
            more.checked = Some(parameters.len());
            if key.is_some() {
                parameters.extend([
                    (&key as &(dyn ToSql + Sync), Type::INT8),
                    (&hash, Type::BYTEA),
                ]);
                more.key = Some(parameters.len());
            }
        }
        let sealed = author.mail.map(Mail::sealed).unwrap_or_default();
        if !sealed.is_empty() {
            more.mail = Some((parameters.len() + 1, sealed.len()));
            more.is_of_user = event.entity == Entity::User;
        }
        parameters.extend(
            sealed
                .iter()
                .map(|sealed| (sealed as &(dyn ToSql + Sync), Type::BYTEA)),
        );
        let beside = author.mail.and_then(Mail::beside);
        if beside.is_some() {
            parameters.push((&beside, Type::BYTEA));
            more.beside = Some(parameters.len());
        }
        let statement = with_entry(change, author.who, count, more);
        let rows = self.write_down(context, &statement, &parameters).await?;
        if !sealed.is_empty() && !rows.is_empty() {
            spent::mailed();
        }
        Ok(rows.into_iter().next())
    }

    /// Runs a statement on what is left to do of changes that have their entries: the mails, the one-time secrets, the invitations,
    /// the challenges and what accounts waited for; on what comes before a change of passkeys; and on what is counted: requests,
    /// and tries at second factors.
    ///
    /// Taking a mail, putting it off and removing it say nothing that the entry of its change does not; nor does a try at a
    /// code, or the end of a secret. A request is counted before anybody knows what it is, and what it turns out to be has its
    /// own entry, a refusal too: an entry for each count would let a flood fill the log. So would one for each use of an API key. Of a
    /// factor in force this counts tries alone. A challenge changes nothing until it is answered, and that has its entry.
    pub(crate) async fn settle(
        &self,
        context: &'static str,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>> {
        let tables = written(statement);
        if tables.is_empty() || !tables.iter().all(|table| UNAUDITED.contains(table)) {
            return Err(Error::Unaudited(context));
        }
        self.run(Plan::Kept, context, statement, parameters).await
    }

    /// Calls a function of the database that writes its audit entry itself, and returns columns of its row.
    ///
    /// That is for what changes the partitions of `audit_logs`: they do not change while a statement has the table open,
    /// as one with an entry of its own does. The function takes what [`Entry::parameters`] returns.
    pub(crate) async fn call(
        &self,
        context: &'static str,
        author: Author<'_>,
        event: &Event,
        function: &str,
        columns: &str,
    ) -> Result<Option<Row>> {
        let entry = Entry::new(author, event);
        let statement = format!("select {columns} from {function}($1, $2, $3, $4, $5, $6, $7, $8)");
        let rows = self
            .write_down(context, &statement, &entry.parameters())
            .await?;
        Ok(rows.into_iter().next())
    }

    /// Runs a statement that writes, and notes how far a replica has to be to show it: the question follows on the same
    /// connection, at no further wait.
    async fn write_down(
        &self,
        context: &'static str,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>> {
        let run = self.run(Plan::Kept, context, statement, parameters);
        if !self.is_replicated() {
            return run.await;
        }
        // Whoever does not learn how it ended is answered by the primary.
        spent::written(ConsistencyToken::UNKNOWN);
        let (rows, token) = tokio::join!(biased; run, replica::token(self));
        match token {
            Ok(token) => spent::written(token),
            Err(error) => tracing::warn!(%error, "how far the log is was not told"),
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_statement_writes_is_found_however_deep_it_stands() {
        for (statement, tables) in [
            ("update mails set x = 1", &["mails"][..]),
            ("delete from mails where true returning 1", &["mails"]),
            (
                "with a as (insert into request_rates as rate (key) select $1\n on conflict (key) do update set key = 1), b as (delete from users) select 1",
                &["request_rates", "users"],
            ),
            ("select key from mails order by 1 for update )", &[]),
            ("truncate mails", &["truncate"]),
            ("select 1", &[]),
        ] {
            assert_eq!(written(statement), tables, "{statement}");
        }
    }
}
