//! Limits against guessing and flooding, in the database: an instance that sees a few of the requests cannot count them.
//!
//! A request is counted by one statement of its own before anything costly is done, and the count stays whatever the answer is.
//! Rates are for requests that come too fast, such as those from one address. Tries are for credentials: some are free, the next
//! have delays that double up to a quarter of an hour, and of some there are only so many in a row. What is right takes them back.
//!
//! Whom a row is about is hashed with the first secret of `USHER_SECRET`: with another one, counting begins anew.

use tokio_postgres::types::Type;
use usher_domain::{Action, Email, Entity, Event, UserId};

use crate::{
    Author, Connection, Result,
    connection::Parameter,
    row,
    spent::{self, Allowance},
};

mod charge;
mod device;
mod statement;
mod table;

pub use charge::Charge;
pub use device::device_token;
pub use table::{LONGEST_DELAY, Limits, Quota, Rate, Tries, WrongLimits};

use charge::{Measure, Numbers};
use statement::counting;

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which limit refused.
    pub limit: &'static str,
    /// After how many seconds to try again.
    pub wait: i32,
    /// Whether it is to be written into the audit log: once in an hour.
    pub is_news: bool,
}

/// Counts a request, and returns the refusal if a limit refuses it. What is counted stays so, whatever comes of the request.
pub async fn count(connection: &Connection, charge: &Charge) -> Result<Option<Refusal>> {
    let statement = counting(&charge.items, charge.device.is_some());
    let numbers: Vec<_> = charge.items.iter().map(Numbers::of).collect();
    let device = charge
        .device
        .map(|device| (device.user.get(), device.issued_at));
    let email = charge.account.as_ref().map(Email::as_str);
    let mut parameters: Vec<Parameter<'_>> = Vec::new();
    if let Some((user, issued_at)) = &device {
        parameters.extend([
            (user as _, Type::INT8),
            (&email as _, Type::TEXT),
            (issued_at as _, Type::TIMESTAMPTZ),
        ]);
    }
    for numbers in &numbers {
        parameters.extend(numbers.parameters());
    }
    let rows = connection
        .settle("count request", &statement, &parameters)
        .await?;
    let mut refusal = None;
    for row in rows {
        let place: i32 = row::get(&row, "place")?;
        let item = usize::try_from(place).ok();
        let Some(item) = item.and_then(|place| charge.items.get(place)) else {
            continue;
        };
        let wait = whole(row::get(&row, "wait")?).max(1);
        if !row::get::<bool>(&row, "is_admitted")? {
            refusal = Some(Refusal {
                limit: item.name,
                wait,
                is_news: row::get(&row, "is_news")?,
            });
            spent::allowance(item.refused(wait));
            break;
        }
        if let (0, Measure::Rate(quota)) = (place, item.measure) {
            spent::allowance(Allowance {
                limit: item.name,
                requests: quota.requests,
                seconds: quota.seconds,
                // Rounded down, but for what time has worn off it meanwhile.
                remaining: whole(row::get::<f64>(&row, "remaining")? - 0.999).max(0),
                reset: whole(row::get(&row, "reset")?),
            });
        }
    }
    Ok(refusal)
}

/// Rounds up.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast of a float is clamped"
)]
fn whole(number: f64) -> i32 {
    number.ceil() as i32
}

/// Takes back the tries of a charge, since the credential was right. Those that others made elsewhere stay.
pub async fn forgive(connection: &Connection, charge: &Charge) -> Result<()> {
    // In the order in which they are counted.
    let statement = "delete from credential_tries
        where key in (
          select key
          from credential_tries
          where key = any ($1)
          order by array_position($1, key)
          for update
        )
        returning key";
    let keys = charge.tried();
    connection
        .settle("forgive tries", statement, &[(&keys, Type::BYTEA_ARRAY)])
        .await?;
    Ok(())
}

/// Writes what takes back tries when there is a row of `change`. The parameter is the keys.
pub(crate) fn forgiven(keys: usize) -> String {
    format!(
        "forgiven as (
          delete from credential_tries
          where exists (select from change)
            and key in (
              select key
              from credential_tries
              where key = any (${keys})
              order by array_position(${keys}, key)
              for update
            )
        )"
    )
}

/// Writes down that a limit refused somebody.
pub async fn record(
    connection: &Connection,
    author: Author<'_>,
    charge: &Charge,
    refusal: Refusal,
) -> Result<()> {
    let event = Event::new(Action::Limited, Entity::User)
        .with_payload(serde_json::json!({ "limit": refusal.limit }));
    let entry = "change as (
          select coalesce($1, (select id from users where email = $2 and deleted_at is null)) as entity_id
        )";
    let user = charge.user.map(UserId::get);
    let email = charge.account.as_ref().map(Email::as_str);
    let parameters: &[Parameter<'_>] = &[(&user, Type::INT8), (&email, Type::TEXT)];
    connection
        .change("record limit", author, &event, entry, parameters)
        .await?;
    Ok(())
}
