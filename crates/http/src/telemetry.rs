//! What requests did, kept until the host sends it to a collector.
//!
//! Nothing is sent from here: a function may only work while its host knows of it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use http::HeaderMap;
use usher_core::{
    secret,
    spent::{Query, Spent},
};
use usher_domain::RequestId;

/// So many requests are kept at the most, when nobody takes them away.
const LIMIT: usize = 1_000;

/// The requests that were answered since they were taken away the last time. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    finished: Arc<Mutex<Batch>>,
}

/// Requests that were answered.
#[derive(Debug, Default)]
pub struct Batch {
    /// The requests, oldest first.
    pub requests: Vec<Finished>,
    /// How many more there were, for which there was no room.
    pub dropped: u64,
}

/// A request that was answered.
#[derive(Debug)]
pub struct Finished {
    /// Its id, as the caller got it.
    pub id: RequestId,
    /// The trace that it is part of.
    pub trace: Trace,
    /// The method.
    pub method: String,
    /// The path with the names of its parameters; empty when there is no such path.
    pub route: String,
    /// The status of the answer.
    pub status: u16,
    /// When it came.
    pub at: SystemTime,
    /// How long its answer took.
    pub took: Duration,
    /// What it spent on the database.
    pub spent: Spent,
    /// The statements that it sent.
    pub statements: Vec<Statement>,
}

/// A statement that a request sent.
#[derive(Debug)]
pub struct Statement {
    /// The span that it is.
    pub span: [u8; 8],
    /// Its name.
    pub name: &'static str,
    /// How long after the coming of the request it was sent.
    pub after: Duration,
    /// How long its answer took.
    pub took: Duration,
}

/// Where a request stands in a trace (W3C Trace Context).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub id: [u8; 16],
    /// The span that the request is.
    pub span: [u8; 8],
    /// The span of the caller, when the caller has one.
    pub parent: Option<[u8; 8]>,
    /// Whether the caller wants it recorded; who has no trace does.
    pub is_sampled: bool,
}

/// A request that just came.
pub(crate) struct Begun {
    trace: Trace,
    at: SystemTime,
    started: Instant,
}

impl Telemetry {
    /// Returns what was answered since the last time, and forgets it.
    pub fn take(&self) -> Batch {
        std::mem::take(&mut *self.finished.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that a request came.
    pub(crate) fn begin(headers: &HeaderMap) -> Begun {
        Begun {
            trace: Trace::of(headers),
            at: SystemTime::now(),
            started: Instant::now(),
        }
    }

    pub(crate) fn keep(&self, request: Finished) {
        let mut batch = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.requests.len() < LIMIT {
            batch.requests.push(request);
        } else {
            batch.dropped += 1;
        }
    }
}

impl Begun {
    /// Returns the request with its answer.
    pub(crate) fn finish(
        self,
        id: RequestId,
        method: &http::Method,
        route: &str,
        status: u16,
        spent: Spent,
        queries: &[Query],
    ) -> Finished {
        let statements = queries.iter().map(|query| Statement {
            span: secret::random_id(),
            name: query.name,
            after: query.at.saturating_duration_since(self.started),
            took: query.took,
        });
        Finished {
            id,
            trace: self.trace,
            method: method.to_string(),
            route: route.to_owned(),
            status,
            at: self.at,
            took: self.started.elapsed(),
            spent,
            statements: statements.collect(),
        }
    }
}

impl Trace {
    /// Continues the trace of the caller, or begins one.
    fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all("traceparent").iter();
        let only = given.next().filter(|_| given.next().is_none());
        let continued = only
            .and_then(|value| value.to_str().ok())
            .and_then(Self::parse);
        continued.unwrap_or_else(|| Self {
            id: secret::random_id(),
            span: secret::random_id(),
            parent: None,
            is_sampled: true,
        })
    }

    /// Reads `00-<32 digits>-<16 digits>-<2 digits>`, or a later version that begins like it.
    fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.split_once('-')?;
        let (id, rest) = rest.split_once('-')?;
        let (parent, rest) = rest.split_once('-')?;
        let (flags, more) = rest.split_at_checked(2)?;
        let is_known = match version {
            "00" => more.is_empty(),
            "ff" => false,
            _ => more.is_empty() || more.starts_with('-'),
        };
        let [_] = bytes(version)?;
        let [flags] = bytes(flags)?;
        let (id, parent) = (bytes(id)?, bytes(parent)?);
        let is_valid = is_known && id != [0; 16] && parent != [0; 8];
        is_valid.then(|| Self {
            id,
            span: secret::random_id(),
            parent: Some(parent),
            is_sampled: flags & 1 == 1,
        })
    }
}

/// Reads small hexadecimal digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    fn parse(text: &str) -> Option<([u8; 16], Option<[u8; 8]>, bool)> {
        Trace::parse(text).map(|trace| (trace.id, trace.parent, trace.is_sampled))
    }

    #[test]
    fn the_trace_of_the_caller_goes_on() {
        let trace = format!("00-{ID}-b7ad6b7169203331-01");
        let (id, parent, is_sampled) = parse(&trace).unwrap();
        assert_eq!((id[0], id[15], is_sampled), (0x0a, 0x9c, true));
        assert_eq!(parent.unwrap()[0], 0xb7);
        assert!(!parse(&trace.replace("-01", "-00")).unwrap().2);
        assert!(parse(&trace.replacen("00-", "cc-", 1)).is_some());
        assert!(parse(&format!("{}-more", trace.replacen("00-", "cc-", 1))).is_some());
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", trace.parse().unwrap());
        assert_eq!(Trace::of(&headers).id, id);
        headers.append("traceparent", trace.parse().unwrap());
        assert_ne!(Trace::of(&headers).id, id);
    }

    #[test]
    fn a_trace_that_is_none_is_not_continued() {
        let zero = "0".repeat(32);
        for bad in [
            "",
            "00",
            &format!("00-{ID}-b7ad6b7169203331"),
            &format!("00-{ID}-b7ad6b7169203331-01-more"),
            &format!("ff-{ID}-b7ad6b7169203331-01"),
            &format!("00-{zero}-b7ad6b7169203331-01"),
            &format!("00-{ID}-0000000000000000-01"),
            &format!("00-{}-b7ad6b7169203331-01", ID.to_uppercase()),
            &format!("00-{ID}-b7ad6b716920333é-01"),
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_nobody_takes_away_does_not_grow_for_ever() {
        let telemetry = Telemetry::default();
        for _ in 0..LIMIT + 7 {
            let begun = Telemetry::begin(&HeaderMap::new());
            let id = RequestId::unknown();
            telemetry.keep(begun.finish(id, &http::Method::GET, "/", 200, Spent::default(), &[]));
        }
        let batch = telemetry.take();
        assert_eq!((batch.requests.len(), batch.dropped), (LIMIT, 7));
        assert!(telemetry.take().requests.is_empty());
    }
}
