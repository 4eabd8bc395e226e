//! Where the events of `tracing` go: standard error, as JSON in production and as text in development.
//!
//! `USHER_LOG` chooses what is shown: a level (`info`), levels of targets (`usher::sql=debug`), or
//! both with commas between. In production only errors and refusals are shown without it, in development the
//! queries with their timings as well.

use crate::environment::variable;
use std::io::{self, IsTerminal};
use tracing_subscriber::{
    Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

const IN_PRODUCTION: &str = "error,usher::refused=warn";
const IN_DEVELOPMENT: &str = "info,usher::sql=debug";

/// Starts the logging of the process; a second call changes nothing.
pub fn init(development: bool) {
    let wanted = variable("USHER_LOG");
    let (targets, is_readable) = targets(wanted.as_deref(), development);
    let output = if development {
        let text = fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal());
        text.with_filter(targets).boxed()
    } else {
        let json = fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(io::stderr);
        json.with_filter(targets).boxed()
    };
    let is_first = tracing_subscriber::registry()
        .with(output)
        .try_init()
        .is_ok();
    if is_first && !is_readable {
        tracing::error!("USHER_LOG cannot be read; write it as `info` or `error,usher::sql=debug`");
    }
}

/// Returns what is shown, and whether the wanted value could be read; the default stands in for one
/// that could not, because a function without a log is worse than one with the usual log.
fn targets(wanted: Option<&str>, development: bool) -> (Targets, bool) {
    let usual = if development {
        IN_DEVELOPMENT
    } else {
        IN_PRODUCTION
    };
    let read = wanted.unwrap_or(usual).parse();
    let is_readable = read.is_ok();
    let targets = read.or_else(|_| usual.parse()).unwrap_or_default();
    (targets, is_readable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn production_shows_only_errors_and_who_was_refused() {
        let (targets, _) = targets(None, false);
        assert!(targets.would_enable("usher::refused", &Level::WARN));
        assert!(targets.would_enable("usher_http", &Level::ERROR));
        assert!(!targets.would_enable("usher_http", &Level::WARN));
        assert!(!targets.would_enable("usher::sql", &Level::INFO));
    }

    #[test]
    fn development_shows_the_queries() {
        let (targets, _) = targets(None, true);
        assert!(targets.would_enable("usher_http", &Level::INFO));
        assert!(!targets.would_enable("usher_http", &Level::DEBUG));
        assert!(targets.would_enable("usher::sql", &Level::DEBUG));
    }

    #[test]
    fn a_wanted_level_replaces_the_usual_one() {
        let (targets, is_readable) = targets(Some("warn,usher::sql=trace"), false);
        assert!(is_readable);
        assert!(targets.would_enable("usher_http", &Level::WARN));
        assert!(targets.would_enable("usher::sql", &Level::TRACE));
    }

    #[test]
    fn an_unreadable_level_leaves_the_usual_one() {
        let (targets, is_readable) = targets(Some("usher=loud"), false);
        assert!(!is_readable);
        assert!(targets.would_enable("usher_http", &Level::ERROR));
    }
}
