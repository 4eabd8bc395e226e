//! Traces and metrics for a collector of OpenTelemetry, over OTLP with JSON (OTLP 1.x, section OTLP/HTTP).
//!
//! The libraries for it send from a thread of their own, which stands still as soon as a function is frozen. Here
//! the host says when: after the answer and before it may be frozen on Vercel, before the answer on Lambda, and now and
//! then in a plain process. Whoever wants none pays nothing: nothing is kept, and no connection opened.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::{sleep, timeout};
use usher_http::{App, Telemetry};
use usher_post::Target;

use crate::environment::variable;

mod encode;

/// How long a plain process collects before it sends.
const PERIOD: Duration = Duration::from_secs(5);
/// The longest that sending may take; a function is kept alive by it.
const LIMIT: Duration = Duration::from_secs(3);

/// Says which variable is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{variable} {message}")]
pub struct SettingError {
    variable: &'static str,
    message: &'static str,
}

/// Sends what an instance did to a collector.
#[derive(Clone)]
pub struct Exporter {
    app: App,
    telemetry: Telemetry,
    target: Arc<Target>,
    resource: Arc<Value>,
}

/// Makes an instance keep what it does, when there is a collector: `OTEL_EXPORTER_OTLP_ENDPOINT` names it.
pub fn observe(app: App) -> Result<(App, Option<Exporter>), SettingError> {
    observe_with(app, variable)
}

fn observe_with(
    app: App,
    get: impl Fn(&str) -> Option<String>,
) -> Result<(App, Option<Exporter>), SettingError> {
    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    let Some(endpoint) = get(ENDPOINT) else {
        return Ok((app, None));
    };
    let wrong = |variable| move |message| SettingError { variable, message };
    let target = Target::parse(&endpoint).map_err(wrong(ENDPOINT))?;
    let target = match get(HEADERS) {
        Some(headers) => target.with_headers(&headers).map_err(wrong(HEADERS))?,
        None => target,
    };
    let service = get("OTEL_SERVICE_NAME").unwrap_or_else(|| "usher".to_owned());
    let telemetry = Telemetry::default();
    let app = app.with_telemetry(telemetry.clone());
    let exporter = Exporter {
        app: app.clone(),
        telemetry,
        target: Arc::new(target),
        resource: Arc::new(encode::resource(&service)),
    };
    Ok((app, Some(exporter)))
}

impl Exporter {
    /// Sends what was kept since the last time. What cannot be sent is lost: requests come before the figures about them.
    pub async fn flush(&self) {
        let batch = self.telemetry.take();
        if batch.requests.is_empty() {
            return;
        }
        let traces = encode::traces(&self.resource, &batch);
        let metrics = encode::metrics(&self.resource, &batch, self.app.connections());
        let bodies = [("/v1/traces", traces), ("/v1/metrics", metrics)];
        let sending = self
            .target
            .post(bodies.map(|(path, body)| (path, body.to_string())));
        let reason = match timeout(LIMIT, sending).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", LIMIT.as_secs()),
        };
        tracing::warn!(target: "usher::otlp", lost = batch.requests.len(), reason, "the collector did not take what requests did");
    }
}

/// Sends what is left, when there is somebody to send it to.
pub async fn flush(exporter: Option<&Exporter>) {
    if let Some(exporter) = exporter {
        exporter.flush().await;
    }
}

/// Sends now and then, for as long as this is polled.
pub async fn run(exporter: Option<&Exporter>) {
    loop {
        sleep(PERIOD).await;
        flush(exporter).await;
    }
}
