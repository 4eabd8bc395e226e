//! Mails that go nowhere, for a developer to look at.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use crate::Outgoing;

/// So many mails are kept, the newest ones.
const MOST: usize = 100;

/// A mail that was caught.
#[derive(Clone, Debug)]
pub struct Caught {
    /// Whom it would have gone to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// Takes mails and keeps them in memory. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Catcher(Arc<Mutex<VecDeque<Caught>>>);

impl Catcher {
    /// Returns what was caught, the newest first.
    pub fn mails(&self) -> Vec<Caught> {
        let mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mails.iter().cloned().collect()
    }

    pub(crate) fn take(&self, mail: Outgoing) {
        let mut mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mails.push_front(Caught {
            to: mail.to.to_string(),
            subject: mail.content.subject,
            text: mail.content.text,
            html: mail.content.html,
        });
        mails.truncate(MOST);
    }
}
