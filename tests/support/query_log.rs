//! The query log of development, kept for the test that asks for it.

use std::{cell::RefCell, io, sync::Once};

use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, registry};

thread_local! {
    /// The log of the test on this thread, from its first look on.
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// A statement that an instance sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query {
    /// Its name.
    pub context: String,
    /// Its text on one line.
    pub statement: String,
    /// The types of its parameters: `int8, text`.
    pub types: String,
}

/// Begins to keep the log for this thread.
pub fn keep() {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        let layer = fmt::layer().with_writer(|| Writer).with_ansi(false);
        let queries = Targets::new().with_target("usher::sql", tracing::Level::DEBUG);
        let subscriber = registry().with(layer.with_filter(queries));
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
    LOG.set(Some(Vec::new()));
}

/// Returns what was logged since the last look, and empties the log.
pub fn take() -> Vec<Query> {
    let log = LOG.replace(Some(Vec::new())).unwrap_or_default();
    String::from_utf8(log).unwrap().lines().map(read).collect()
}

/// Reads `<time> DEBUG usher::sql: <context> <n> ms, <n> rows: <statement> -- (<types>)`.
fn read(line: &str) -> Query {
    let (head, rest) = line.split_once(" rows: ").unwrap();
    let (statement, types) = rest.rsplit_once(" -- (").unwrap();
    let (_, head) = head.split_once("usher::sql: ").unwrap();
    let words: Vec<_> = head.split(' ').collect();
    Query {
        // Behind it stand the time, its unit and the number of rows.
        context: words[..words.len() - 3].join(" "),
        statement: statement.to_owned(),
        types: types.trim_end_matches(')').to_owned(),
    }
}

/// Writes into the log of the thread.
struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.iter_mut().for_each(|log| log.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
