//! What is said on one connection, read from the bytes as they pass ("Message Formats" in the manual of the server).
//!
//! A wait begins with a question that is asked when an answer has come since the last wait began. Questions that are sent
//! together are one wait, and so are questions that are sent before the answer to the first one is there.

use std::collections::VecDeque;

/// The first message of a connection that is to be used: protocol 3.0. Others ask for TLS or cancel a statement.
const PROTOCOL: [u8; 4] = [0, 3, 0, 0];

/// What an instance has asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Connections that were opened.
    pub connections: usize,
    /// Waits of new connections until they were ready.
    pub to_connect: usize,
    /// Waits for answers to statements, over all connections.
    pub waits: usize,
    /// Empty queries, which ask for nothing but a sign of life.
    pub signs_of_life: usize,
    /// Statements that were prepared under a name.
    pub named: usize,
    /// Statements that were sent without one.
    pub unnamed: usize,
}

/// What was asked, and the number of the last wait that is over.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) asked: Asked,
    answered: usize,
}

/// One connection.
#[derive(Default)]
pub(super) struct Conversation {
    stage: Stage,
    client: Messages,
    server: Messages,
    /// The questions that have no answer yet, each with the number of its wait.
    open: VecDeque<usize>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    New,
    Connecting,
    Ready,
    /// Not to be read: encrypted, or a request to cancel.
    Opaque,
}

impl Conversation {
    /// Reads what the client sends.
    pub(super) fn asks(&mut self, bytes: &[u8], progress: &mut Progress) {
        self.client.take_in(bytes);
        while self.stage != Stage::Opaque {
            let Some((kind, body)) = self.client.next(self.stage != Stage::New) else {
                return;
            };
            let asked = &mut progress.asked;
            match (self.stage, kind) {
                (Stage::New, _) if body.starts_with(&PROTOCOL) => {
                    self.stage = Stage::Connecting;
                    asked.connections += 1;
                    asked.to_connect += 1;
                }
                (Stage::New, _) => self.stage = Stage::Opaque,
                (Stage::Connecting, _) => asked.to_connect += 1,
                (_, b'Q') if body == [0] => {
                    asked.signs_of_life += 1;
                    self.open.push_back(progress.answered);
                }
                // Sync, or a simple query: what was sent so far is answered as a whole.
                (_, b'S' | b'Q') => {
                    let number = progress.answered + 1;
                    asked.waits = asked.waits.max(number);
                    self.open.push_back(number);
                }
                // Parse: the name stands first and ends with a zero.
                (_, b'P') if body.first() == Some(&0) => asked.unnamed += 1,
                (_, b'P') => asked.named += 1,
                _ => {}
            }
        }
    }

    /// Reads what the server sends.
    pub(super) fn answers(&mut self, bytes: &[u8], progress: &mut Progress) {
        if self.stage == Stage::Opaque {
            return;
        }
        self.server.take_in(bytes);
        while let Some((kind, _)) = self.server.next(true) {
            let number = match kind {
                // An error is the answer too, and what ends it may come later, on its own.
                b'E' => self.open.front().copied(),
                // Ready for query: the answer is complete.
                b'Z' => {
                    self.stage = Stage::Ready;
                    self.open.pop_front()
                }
                _ => None,
            };
            progress.answered = progress.answered.max(number.unwrap_or_default());
        }
    }
}

/// Bytes that become messages.
#[derive(Default)]
struct Messages(VecDeque<u8>);

impl Messages {
    fn take_in(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    /// Returns the next whole message: its kind, if messages have one, and its body.
    fn next(&mut self, has_kind: bool) -> Option<(u8, Vec<u8>)> {
        let start = usize::from(has_kind);
        let length: Vec<u8> = self.0.iter().skip(start).take(4).copied().collect();
        let length = u32::from_be_bytes(length.try_into().ok()?);
        let end = start + usize::try_from(length).unwrap();
        if self.0.len() < end {
            return None;
        }
        let message: Vec<u8> = self.0.drain(..end).collect();
        let kind = if has_kind { message[0] } else { 0 };
        Some((kind, message[start + 4..].to_vec()))
    }
}
