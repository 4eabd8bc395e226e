//! By an HTTP API that takes `{"from", "to", "subject", "text", "html"}` with a bearer token.

use http::{HeaderName, HeaderValue};
use serde_json::json;
use usher_post::Target;

use crate::{Error, Outgoing};

/// Tells the service that a mail is the same one as before (draft-ietf-httpapi-idempotency-key-header).
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A mail service.
pub(crate) struct Api(Target);

impl Api {
    /// Makes ready to connect.
    pub(crate) fn new(url: &str, token: Option<&str>) -> Result<Self, Error> {
        let target = Target::parse(url)?;
        Ok(Self(match token {
            Some(token) => target.with_bearer(token)?,
            None => target,
        }))
    }

    /// Sends a mail.
    pub(crate) async fn send(&self, mail: &Outgoing, site: &str) -> Result<(), Error> {
        let from = &mail.from;
        let from = if from.name.is_empty() {
            from.email.to_string()
        } else {
            format!("\"{}\" <{}>", from.name.replace('\\', "\\\\"), from.email)
        };
        let document = json!({
            "from": from,
            "to": mail.to.as_str(),
            "subject": mail.content.subject,
            "text": mail.content.text,
            "html": mail.content.html,
        });
        let key = HeaderValue::try_from(format!("{}@{site}", mail.name))?;
        let target = self.0.clone().with_header(KEY, key);
        target.post([("", document.to_string())]).await
    }
}
