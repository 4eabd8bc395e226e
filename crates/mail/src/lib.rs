//! Sends the mails of the outbox: by SMTP, by an HTTP mail API, or into memory on a developer's machine.
//!
//! Nothing is sent while a request is answered. The host drains the outbox after the answer, and a scheduler drains what was
//! left. However many do it at once, each mail is taken by one.

mod api;
mod caught;
mod mailer;
mod pace;
mod smtp;

pub use caught::{Catcher, Caught};
pub use mailer::{Drained, Mailer};
pub use pace::Pace;

/// A mail with all its parts.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// The same each time the same mail is sent.
    pub(crate) name: String,
    pub(crate) from: usher_core::Sender,
    pub(crate) to: usher_domain::Email,
    pub(crate) content: usher_core::mails::templates::Rendered,
}

/// Why a mail was not sent.
type Error = Box<dyn std::error::Error + Send + Sync>;
