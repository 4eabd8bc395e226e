//! Cursors: where a list goes on, opaque and signed.

use usher_core::secret::Secret;
use usher_domain::{Invalid, Position};

use crate::{Problem, problem::Place};

/// Reads the cursor of a list in this order; one of another list or order is refused.
pub(crate) fn open_cursor(
    secret: &Secret,
    cursor: Option<&str>,
    order: &str,
) -> Result<Option<Position>, Problem> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let position = secret
        .open(cursor)
        .filter(|position| position.order == order);
    position.map(Some).ok_or_else(|| {
        let message = "must be the nextCursor of an answer to the same list with the same sort";
        Problem::invalid_at(
            Place::Parameter("cursor".to_owned()),
            Invalid::new("cursor", message),
        )
    })
}
