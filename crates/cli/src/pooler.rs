//! Tells a transaction pooler from a database, by what the usual ones look like from outside.
//!
//! A pooler gives each transaction another session, and the lock of a deploy belongs to the session.

use tokio_postgres::{Config, config::Host};

/// Ports of Supavisor and of `PgBouncer` in transaction mode.
const PORTS: [u16; 2] = [6543, 6432];

/// Returns the sign of a transaction pooler in a connection string, such as `port 6543`.
pub(crate) fn sign(text: &str, driver: &Config) -> Option<String> {
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let is_marked = |pair: &str| {
        pair.split_once('=')
            .is_some_and(|(name, value)| name == "pgbouncer" && value == "true")
    };
    if query
        .trim_end_matches(['"', '\''])
        .split('&')
        .any(is_marked)
    {
        return Some("pgbouncer=true".to_owned());
    }
    let port = driver.get_ports().iter().find(|port| PORTS.contains(port));
    if let Some(port) = port {
        return Some(format!("port {port}"));
    }
    driver.get_hosts().iter().find_map(|host| match host {
        Host::Tcp(name) if name.contains("-pooler.") => Some(format!("host {name}")),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use usher_core::DatabaseUrl;

    use super::*;

    fn found(text: &str) -> Option<String> {
        let url = DatabaseUrl::parse(text, false).unwrap();
        sign(text, url.driver())
    }

    #[test]
    fn a_transaction_pooler_is_known_by_its_host_port_or_mark() {
        for (text, expected) in [
            (
                "postgres://u@ep-x-pooler.eu.db.example.com/app?sslmode=require",
                "host ep-x-pooler.eu.db.example.com",
            ),
            ("postgres://u@eu.pooler.supabase.com:6543/app", "port 6543"),
            ("postgres://u@localhost:6432/app", "port 6432"),
            (
                "\"postgres://u@db.example.com/app?connection_limit=1&pgbouncer=true\"",
                "pgbouncer=true",
            ),
        ] {
            assert_eq!(found(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_direct_or_session_connection_is_none() {
        for text in [
            "postgres://u@ep-x.eu.db.example.com/app?pgbouncer=false",
            "postgres://u@eu.pooler.supabase.com:5432/app",
            "postgres://u@localhost/my-pooler.app",
            "postgres://u@%2Ftmp%2Fsocket/app",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
