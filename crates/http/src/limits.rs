//! Limits on how often something is tried, in front of what costs or opens something.
//!
//! An endpoint says what a request counts against, which takes one line, and names [`Code::TooManyRequests`] among what it fails
//! with:
//!
//! ```text
//! app.limit(author, &app.charge().address(Rate::SecretAddress, origin.ip).tries(Tries::Code, &[…])).await?;
//! ```
//!
//! What follows is refused with 429 then, and once in an hour that is written into the audit log. Where a credential was right,
//! `limits::forgive` takes its tries back. Whoever reads something for it does so with [`App::limit_beside`].

use axum::response::Response;
use http::{HeaderName, HeaderValue};
use usher_core::{
    Author, Connection, Result as CoreResult,
    limits::{self, Charge, Rate, Refusal},
    spent::Allowance,
};
use usher_domain::{Email, Origin};

use crate::{App, Problem};

/// The headers that tell of a limit (draft-ietf-httpapi-ratelimit-headers-11), and what they mean.
pub(crate) const HEADERS: [(&str, &str); 2] = [
    (
        "RateLimit-Policy",
        "The limit that the request counts against: its name, how many requests it allows (`q`), and in how many seconds (`w`).",
    ),
    (
        "RateLimit",
        "What is left of it: how many requests (`r`), and in how many seconds all are there again, or in 429 the next one (`t`).",
    ),
];

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

impl App {
    /// Begins to say what a request counts against.
    pub(crate) fn charge(&self) -> Charge {
        Charge::new(&self.secret, &self.limits)
    }

    /// Says what a request of somebody without a session counts against: the address it comes from, and everybody.
    pub(crate) fn charge_anonymous(&self, rate: Rate, origin: &Origin) -> Charge {
        let charge = self.charge().address(rate, origin.ip);
        charge.everybody(origin.ip)
    }

    /// Says what a mail counts against that anybody may ask for.
    pub(crate) fn charge_mail(&self, rate: Rate, origin: &Origin, email: &Email) -> Charge {
        self.charge_anonymous(rate, origin).recipient(email)
    }

    /// Counts a request, and refuses it with 429 if that is too many.
    pub(crate) async fn limit(&self, author: Author<'_>, charge: &Charge) -> Result<(), Problem> {
        let connection = self.database.connection().await?;
        let refusal = limits::count(&connection, charge).await?;
        self.admit(&connection, author, charge, refusal).await
    }

    /// Counts a request beside what is read for it, in the same round trip, and refuses it with 429 before that is looked at.
    pub(crate) async fn limit_beside<T>(
        &self,
        connection: &Connection,
        author: Author<'_>,
        charge: &Charge,
        read: impl Future<Output = CoreResult<T>>,
    ) -> Result<T, Problem> {
        let (refusal, found) = tokio::join!(limits::count(connection, charge), read);
        self.admit(connection, author, charge, refusal?).await?;
        Ok(found?)
    }

    /// Refuses a request with 429 if a limit did, and writes that down when it is news.
    pub(crate) async fn admit(
        &self,
        connection: &Connection,
        author: Author<'_>,
        charge: &Charge,
        refusal: Option<Refusal>,
    ) -> Result<(), Problem> {
        let Some(refusal) = refusal else {
            return Ok(());
        };
        if refusal.is_news {
            limits::record(connection, author, charge, refusal).await?;
        }
        Err(Problem::limited(refusal.wait))
    }
}

/// Adds the headers to an answer.
pub(crate) fn give(response: &mut Response, allowance: Allowance) {
    let Allowance {
        limit,
        requests,
        seconds,
        remaining,
        reset,
    } = allowance;
    let policy = format!("\"{limit}\";q={requests};w={seconds}");
    let left = format!("\"{limit}\";r={remaining};t={reset}");
    for (name, text) in [(POLICY, policy), (LIMIT, left)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().insert(name, value);
        }
    }
}
