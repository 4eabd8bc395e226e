//! What requests did as OTLP in JSON: names by the semantic conventions of OpenTelemetry for HTTP and databases.
//!
//! Identifiers are hexadecimal and 64-bit numbers are strings (OTLP, JSON Protobuf encoding). Metrics are what happened
//! since the last time (delta), since an instance may never come back to add to its sums.

use std::{
    collections::BTreeMap,
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use usher_http::telemetry::{Batch, Finished};

/// `SPAN_KIND_SERVER` and `SPAN_KIND_CLIENT`.
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;
/// `AGGREGATION_TEMPORALITY_DELTA`.
const DELTA: u8 = 1;

/// Bounds of the buckets, in seconds.
const REQUEST_BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
const QUERY_BOUNDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Returns who sends.
pub(super) fn resource(service: &str) -> Value {
    let attributes = attributes([
        ("service.name", json!(service)),
        ("service.version", json!(env!("CARGO_PKG_VERSION"))),
        ("telemetry.sdk.language", json!("rust")),
    ]);
    json!({ "attributes": attributes })
}

/// Returns a span for each request that is to be recorded, and one for each of its statements.
pub(super) fn traces(resource: &Value, batch: &Batch) -> Value {
    let recorded = batch
        .requests
        .iter()
        .filter(|request| request.trace.is_sampled);
    let spans: Vec<_> = recorded.flat_map(spans).collect();
    json!({
        "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "scope": scope(), "spans": spans }] }],
    })
}

fn spans(request: &Finished) -> Vec<Value> {
    let (trace, span) = (hex(&request.trace.id), hex(&request.trace.span));
    let method = method(request);
    let name = format!("{method} {}", request.route);
    let mut server = json!({
        "traceId": trace,
        "spanId": span,
        "name": name.trim_end(),
        "kind": SERVER,
        "startTimeUnixNano": nanoseconds(request.at),
        "endTimeUnixNano": nanoseconds(request.at + request.took),
        "attributes": attributes([
            ("http.request.method", json!(method)),
            ("http.route", json!(request.route)),
            ("http.response.status_code", json!(request.status)),
            ("usher.request_id", json!(request.id.as_str())),
            ("usher.round_trips", json!(request.spent.waits)),
        ]),
    });
    if let Some(parent) = request.trace.parent {
        server["parentSpanId"] = json!(hex(&parent));
    }
    if request.status >= 500 {
        server["status"] = json!({ "code": ERROR });
    }
    let statements = request.statements.iter().map(|statement| {
        let at = request.at + statement.after;
        json!({
            "traceId": trace,
            "spanId": hex(&statement.span),
            "parentSpanId": span,
            "name": statement.name,
            "kind": CLIENT,
            "startTimeUnixNano": nanoseconds(at),
            "endTimeUnixNano": nanoseconds(at + statement.took),
            "attributes": attributes([
                ("db.system.name", json!("postgresql")),
                ("db.query.summary", json!(statement.name)),
            ]),
        })
    });
    [server].into_iter().chain(statements).collect()
}

/// Returns how long requests and statements took, and how many connections there are.
pub(super) fn metrics(resource: &Value, batch: &Batch, connections: [(&str, usize); 2]) -> Value {
    let now = SystemTime::now();
    let since = batch
        .requests
        .iter()
        .map(|request| request.at)
        .min()
        .unwrap_or(now);
    let span = (since, now);
    let mut requests: BTreeMap<_, Vec<Duration>> = BTreeMap::new();
    let mut statements: BTreeMap<_, Vec<Duration>> = BTreeMap::new();
    for request in &batch.requests {
        let key = (method(request), request.route.as_str(), request.status);
        requests.entry(key).or_default().push(request.took);
        for statement in &request.statements {
            let times = statements.entry(statement.name).or_default();
            times.push(statement.took);
        }
    }
    let requests = requests.iter().map(|((method, route, status), times)| {
        let attributes = attributes([
            ("http.request.method", json!(method)),
            ("http.route", json!(route)),
            ("http.response.status_code", json!(status)),
        ]);
        histogram(span, &attributes, times, &REQUEST_BOUNDS)
    });
    let statements = statements.iter().map(|(name, times)| {
        let attributes = attributes([
            ("db.system.name", json!("postgresql")),
            ("db.query.summary", json!(name)),
        ]);
        histogram(span, &attributes, times, &QUERY_BOUNDS)
    });
    let connections = connections.map(|(state, count)| {
        json!({
            "attributes": attributes([("db.client.connection.state", json!(state))]),
            "timeUnixNano": nanoseconds(now),
            "asInt": count.to_string(),
        })
    });
    let metrics = json!([
        { "name": "http.server.request.duration", "unit": "s", "histogram":
            { "aggregationTemporality": DELTA, "dataPoints": requests.collect::<Vec<_>>() } },
        { "name": "db.client.operation.duration", "unit": "s", "histogram":
            { "aggregationTemporality": DELTA, "dataPoints": statements.collect::<Vec<_>>() } },
        { "name": "db.client.connection.count", "unit": "{connection}", "gauge": { "dataPoints": connections } },
        { "name": "usher.telemetry.dropped", "unit": "{request}", "sum": {
            "aggregationTemporality": DELTA, "isMonotonic": true, "dataPoints": [{
                "startTimeUnixNano": nanoseconds(since),
                "timeUnixNano": nanoseconds(now),
                "asInt": batch.dropped.to_string(),
            }] } },
    ]);
    json!({
        "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{ "scope": scope(), "metrics": metrics }] }],
    })
}

fn histogram(
    (since, now): (SystemTime, SystemTime),
    attributes: &Value,
    times: &[Duration],
    bounds: &[f64],
) -> Value {
    let mut counts = vec![0_u64; bounds.len() + 1];
    let mut sum = 0.0;
    for time in times {
        let seconds = time.as_secs_f64();
        sum += seconds;
        // A bound belongs to the bucket below it.
        let bucket = bounds.partition_point(|bound| *bound < seconds);
        if let Some(count) = counts.get_mut(bucket) {
            *count += 1;
        }
    }
    json!({
        "attributes": attributes,
        "startTimeUnixNano": nanoseconds(since),
        "timeUnixNano": nanoseconds(now),
        "count": times.len().to_string(),
        "sum": sum,
        "bucketCounts": counts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "explicitBounds": bounds,
    })
}

/// Returns the method; one of a caller's own invention would make a series of its own.
fn method(request: &Finished) -> &str {
    match request.method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE"
        | "CONNECT") => known,
        _ => "_OTHER",
    }
}

fn scope() -> Value {
    json!({ "name": "usher", "version": env!("CARGO_PKG_VERSION") })
}

fn attributes<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    let attribute = |(key, value): (&str, Value)| {
        let value = if value.is_number() {
            json!({ "intValue": value.to_string() })
        } else {
            json!({ "stringValue": value })
        };
        json!({ "key": key, "value": value })
    };
    pairs.into_iter().map(attribute).collect()
}

fn nanoseconds(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
