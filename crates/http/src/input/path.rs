//! Parameters of the path.

use axum::{RequestPartsExt, extract::RawPathParams};
use http::request::Parts;
use usher_domain::UserId;

use crate::{Code, Problem};

/// Returns the user that the path names. What is no id names nobody.
pub(crate) async fn user_id(parts: &mut Parts) -> Result<UserId, Problem> {
    let not_found = || Problem::from(Code::UserNotFound);
    let parameters = parts
        .extract::<RawPathParams>()
        .await
        .map_err(|_| not_found())?;
    let text = parameters
        .iter()
        .find(|(name, _)| *name == "user_id")
        .map(|(_, text)| text);
    UserId::parse(text.unwrap_or_default()).map_err(|_| not_found())
}
