//! The outbox: mails are written with the change that causes them, and sent after the answer.
//!
//! A mail is sent at least once: it is removed after it was sent, so that an instance that ends in between leaves it to be
//! sent again. What stands in the table is sealed with a key of `USHER_SECRET`: whoever has the database alone learns neither
//! whom a mail goes to nor what it says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use tokio_postgres::{Row, types::Type};
use usher_domain::{Action, Email, Entity, Event, Language, Message, Template};

use crate::{
    Author, Connection, Error, Result,
    connection::Parameter,
    row,
    sealed::{self, Label, Unopened},
    secret::Secret,
};

pub mod templates;

/// For how long whoever took a mail has it to themselves, in seconds; sending one takes less.
const LEASE_SECONDS: i32 = 120;
/// For how long sending a mail is tried, in hours.
const GIVEN_UP_AFTER_HOURS: i32 = 24;
/// The lengths of sealed mails are multiples of this, so that they tell nothing.
const BLOCK: usize = 256;
/// White space at the end is no part of a JSON document.
const PADDING: u8 = b' ';
const LABEL: Label = "usher mail v1";
/// A mail is sealed before its row has an id, and whom it belongs to is inside.
const OWNER: &[u8] = b"";

/// A mail that is sealed for the outbox, or two of which the change chooses one; another one may go out beside.
#[derive(Debug)]
pub struct Mail {
    sealed: Vec<u8>,
    otherwise: Option<Vec<u8>>,
    beside: Option<Vec<u8>>,
}

impl Mail {
    /// Seals a mail.
    pub fn new(secret: &Secret, message: &Message) -> Result<Self> {
        Ok(Self {
            sealed: seal(secret, text(&Content::of(message))?)?,
            otherwise: None,
            beside: None,
        })
    }

    /// Seals a mail with another one, which is sent where the change turns out to be an unusual one.
    pub fn or(secret: &Secret, usual: &Message, unusual: &Message) -> Result<Self> {
        Self::pair(secret, &Content::of(usual), &Content::of(unusual))
    }

    /// Seals a mail with one that nobody gets: where nobody has the address, the database does the same.
    pub fn or_nothing(secret: &Secret, usual: &Message) -> Result<Self> {
        Self::pair(secret, &Content::of(usual), &Content::Nothing)
    }

    /// Seals two mails of the same length.
    fn pair(secret: &Secret, usual: &Content, unusual: &Content) -> Result<Self> {
        let (mut sealed, mut otherwise) = (text(usual)?, text(unusual)?);
        let length = sealed.len().max(otherwise.len());
        sealed.resize(length, PADDING);
        otherwise.resize(length, PADDING);
        Ok(Self {
            sealed: seal(secret, sealed)?,
            otherwise: Some(seal(secret, otherwise)?),
            beside: None,
        })
    }

    /// Seals another mail that goes out beside it, whichever the change chooses.
    pub fn and(self, secret: &Secret, message: &Message) -> Result<Self> {
        Ok(Self {
            beside: Some(seal(secret, text(&Content::of(message))?)?),
            ..self
        })
    }

    /// Returns the mail that goes out beside.
    pub(crate) fn beside(&self) -> Option<&[u8]> {
        self.beside.as_deref()
    }

    /// Returns the mail, or the two of which the change chooses one.
    pub(crate) fn sealed(&self) -> Vec<&[u8]> {
        let sealed = [Some(self.sealed.as_slice()), self.otherwise.as_deref()];
        sealed.into_iter().flatten().collect()
    }
}

/// What is sealed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Content {
    Letter(Letter),
    Nothing,
}

/// A mail as it is opened again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    recipient: String,
    /// What it is about.
    pub template: Template,
    /// Its language.
    pub language: Language,
    /// The values of its texts, by name.
    pub values: BTreeMap<String, String>,
}

impl Letter {
    /// Returns whom it goes to.
    pub fn recipient(&self) -> Result<Email> {
        Email::parse(&self.recipient).map_err(|error| Error::corrupt("sealed", error))
    }
}

impl Content {
    fn of(message: &Message) -> Self {
        let values = message.values.iter();
        Self::Letter(Letter {
            recipient: message.recipient.to_string(),
            template: message.template,
            language: message.language,
            values: values
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        })
    }
}

fn text(content: &Content) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec(content).map_err(|_| Error::Crypto("sealing a mail"))?;
    text.resize(text.len().next_multiple_of(BLOCK), PADDING);
    Ok(text)
}

fn seal(secret: &Secret, text: Vec<u8>) -> Result<Vec<u8>> {
    sealed::seal(secret, LABEL, OWNER, text)
}

fn open(secret: &Secret, sealed: &[u8]) -> std::result::Result<Content, Unopened> {
    let text = sealed::open(secret, LABEL, OWNER, sealed)?;
    serde_json::from_slice(&text).map_err(|_| Unopened::Broken)
}

/// A mail that is to be sent now, and by nobody else for a while.
#[derive(Debug)]
pub struct Taken {
    id: i64,
    attempts: i32,
    created_at: OffsetDateTime,
    /// Whether it is the last try.
    pub is_last: bool,
    sealed: Vec<u8>,
}

impl Taken {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row::get(row, "id")?,
            attempts: row::get(row, "attempts")?,
            created_at: row::get(row, "created_at")?,
            is_last: row::get(row, "is_last")?,
            sealed: row::get(row, "sealed")?,
        })
    }

    /// Returns a name that is the same each time it is sent, so that who gets it twice may notice.
    pub fn name(&self) -> String {
        format!("{}.{}", self.id, self.created_at.unix_timestamp())
    }

    /// Opens it, or returns `None` when nobody is to get it.
    pub fn open(&self, secret: &Secret) -> Result<Option<Letter>> {
        match open(secret, &self.sealed) {
            Ok(Content::Letter(letter)) => Ok(Some(letter)),
            Ok(Content::Nothing) => Ok(None),
            Err(unopened) => Err(Error::corrupt("sealed", unopened)),
        }
    }
}

/// Takes mails that are due, the longest due first; nobody else takes them for two minutes.
pub async fn take(connection: &Connection, most: i64) -> Result<Vec<Taken>> {
    let statement = "update mails
        set
          attempts = attempts + 1,
          due_at = now() + make_interval(secs => $2)
        where id = any (array(
          select id
          from mails
          where due_at <= now()
          order by due_at
          limit $1
          for update skip locked
        ))
        returning
          id,
          attempts,
          created_at,
          created_at < now() - make_interval(hours => $3) as is_last,
          sealed";
    let lease = f64::from(LEASE_SECONDS);
    let parameters: &[Parameter<'_>] = &[
        (&most, Type::INT8),
        (&lease, Type::FLOAT8),
        (&GIVEN_UP_AFTER_HOURS, Type::INT4),
    ];
    let rows = connection
        .settle("take mails", statement, parameters)
        .await?;
    rows.iter().map(Taken::read).collect()
}

/// Removes a mail that was sent.
pub async fn sent(connection: &Connection, mail: &Taken) -> Result<()> {
    let statement = "delete from mails where id = $1";
    connection
        .settle("remove mail", statement, &[(&mail.id, Type::INT8)])
        .await?;
    Ok(())
}

/// Puts a mail off that could not be sent: for a minute, then for twice as long each time, for 6 hours at most.
pub async fn put_off(connection: &Connection, mail: &Taken) -> Result<()> {
    let statement = "update mails
        set due_at = now() + least(interval '1 minute' * power(2, least($2 - 1, 10)), interval '6 hours')
        where id = $1
          and attempts = $2";
    let parameters: &[Parameter<'_>] = &[(&mail.id, Type::INT8), (&mail.attempts, Type::INT4)];
    connection
        .settle("put mail off", statement, parameters)
        .await?;
    Ok(())
}

/// Removes a mail that could not be sent for a day, with an audit entry.
pub async fn give_up(connection: &Connection, author: Author<'_>, mail: &Taken) -> Result<()> {
    let change = "change as (
          delete from mails
          where id = $1
            and attempts = $2
          returning user_id as entity_id
        )";
    let event = Event::new(Action::MailFailed, Entity::User)
        .with_payload(serde_json::json!({ "attempts": mail.attempts }));
    let parameters: &[Parameter<'_>] = &[(&mail.id, Type::INT8), (&mail.attempts, Type::INT4)];
    connection
        .change("give mail up", author, &event, change, parameters)
        .await?;
    Ok(())
}

/// How much is in the outbox.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    /// How many mails, counted to 1,000.
    pub waiting: i64,
    /// How long ago the oldest of them was written.
    pub oldest: Option<Duration>,
}

/// Counts the mails that are to be sent.
pub async fn backlog(connection: &Connection) -> Result<Backlog> {
    let statement = "select
          (select count(*) from (select from mails limit 1000) as counted) as waiting,
          extract(epoch from now() - (select created_at from mails order by id limit 1))::double precision as age";
    let row = connection.row("count mails", statement, &[]).await?;
    let row = row.ok_or_else(|| Error::corrupt("waiting", "there is no row"))?;
    let age: Option<f64> = row::get(&row, "age")?;
    Ok(Backlog {
        waiting: row::get(&row, "waiting")?,
        oldest: age.map(Duration::seconds_f64),
    })
}

#[cfg(test)]
mod tests;
