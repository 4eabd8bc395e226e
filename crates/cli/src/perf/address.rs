//! Connection strings of the measured database, each for a pool of another size.

use std::fmt::Write as _;

use anyhow::{Result, anyhow};
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};
use usher_core::{Database, DatabaseUrl};

/// Where the measured database is, and as whom it is asked.
#[derive(Debug, Clone)]
pub(super) struct Address {
    url: DatabaseUrl,
    /// The role that a session takes over, when it is not the one that signs in.
    role: Option<&'static str>,
}

impl Address {
    pub(super) fn new(url: DatabaseUrl, role: Option<&'static str>) -> Self {
        Self { url, role }
    }

    /// Returns the string for a pool of so many connections.
    pub(super) fn text(&self, connections: usize) -> String {
        let driver = self.url.driver();
        let ports = driver.get_ports();
        let hosts = driver.get_hosts().iter().enumerate().map(|(index, host)| {
            let port = ports.get(index).or(ports.first()).unwrap_or(&5432);
            format!("{}:{port}", shown(host))
        });
        let mut text = self.at(&hosts.collect::<Vec<_>>().join(","), connections);
        let mode = match driver.get_ssl_mode() {
            SslMode::Disable => "disable",
            SslMode::Prefer => "prefer",
            _ => "verify-full",
        };
        let _ = write!(text, "&sslmode={mode}");
        if let Some(prepares) = self.url.prepares() {
            let _ = write!(text, "&prepared_statements={prepares}");
        }
        for address in driver.get_hostaddrs() {
            let _ = write!(text, "&hostaddr={address}");
        }
        if let Some(file) = self.url.root_certificates() {
            let _ = write!(text, "&sslrootcert={}", escaped(&file.to_string_lossy()));
        }
        text
    }

    /// Returns the string of the same database, reached through a port of this machine.
    ///
    /// No connection has to find out whether it is a direct one, which would look like a statement of a call.
    pub(super) fn through(&self, port: u16, connections: usize) -> String {
        format!(
            "{}&sslmode=disable&prepared_statements={}",
            self.at(&format!("127.0.0.1:{port}"), connections),
            self.url.prepares().unwrap_or(true)
        )
    }

    /// Returns the database as the core reaches it, by a pool of so many connections.
    pub(super) fn database(&self, connections: usize) -> Result<Database> {
        open(&self.text(connections))
    }

    pub(super) fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    pub(super) fn driver(&self) -> &Config {
        self.url.driver()
    }

    /// Returns the options that make a session what those of the pool are.
    pub(super) fn options(&self) -> String {
        // The limit is that of the role, which only who signs in with it gets by itself.
        self.role
            .map(|role| format!("-c role={role} -c statement_timeout=5s"))
            .unwrap_or_default()
    }

    fn at(&self, hosts: &str, connections: usize) -> String {
        let driver = self.url.driver();
        let user = escaped(driver.get_user().unwrap_or_default());
        let password = driver.get_password().map(String::from_utf8_lossy);
        let password = password
            .map(|password| format!(":{}", escaped(&password)))
            .unwrap_or_default();
        let name = escaped(driver.get_dbname().unwrap_or_default());
        let options = format!(
            "{} {}",
            driver.get_options().unwrap_or_default(),
            self.options()
        );
        let options = escaped(options.trim());
        format!(
            "postgres://{user}{password}@{hosts}/{name}?connection_limit={connections}&options={options}"
        )
    }
}

/// Opens a string of this module.
pub(super) fn open(text: &str) -> Result<Database> {
    // Whether TLS is needed was decided for the string that the user gave.
    let url =
        DatabaseUrl::parse(text, true).map_err(|error| anyhow!("the connection string {error}"))?;
    Ok(Database::new(url))
}

fn shown(host: &Host) -> String {
    match host {
        Host::Tcp(name) if name.contains(':') => format!("[{}]", name.trim_matches(['[', ']'])),
        Host::Tcp(name) => name.clone(),
        Host::Unix(folder) => escaped(&folder.to_string_lossy()),
    }
}

/// Writes a text so that it can be a part of a connection string.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_leads_to_where_it_was_made_of() {
        for text in [
            "postgres://u:p%40%26%25@h.example.com:6000/a%20b?sslmode=disable&options=-c%20a%3Db",
            "postgres://u@%2Ftmp%2Fa%20b:6000/app",
            "postgres://u@[::1]:6000,localhost:6001/app?sslmode=prefer",
            "postgres://u@h/app?sslmode=require",
        ] {
            let url = DatabaseUrl::parse(text, true).unwrap();
            let address = Address::new(url.clone(), None);
            let again = DatabaseUrl::parse(&address.text(7), true).unwrap();
            let (one, other) = (url.driver(), again.driver());
            assert_eq!(one.get_hosts(), other.get_hosts(), "{text}");
            assert_eq!(one.get_password(), other.get_password(), "{text}");
            assert_eq!(one.get_dbname(), other.get_dbname(), "{text}");
            assert_eq!(one.get_ssl_mode(), other.get_ssl_mode(), "{text}");
            assert_eq!(
                one.get_options().unwrap_or_default(),
                other.get_options().unwrap_or_default().trim(),
                "{text}"
            );
        }
    }

    #[test]
    fn the_role_and_the_size_of_the_pool_go_along() {
        let url = DatabaseUrl::parse("postgres://u@localhost/app", false).unwrap();
        let address = Address::new(url, Some("usher_app"));
        let database = address.database(7).unwrap();
        assert_eq!(database.figures().max, 7);
        let through = DatabaseUrl::parse(&address.through(6001, 1), true).unwrap();
        assert_eq!(through.driver().get_ports(), [6001]);
        assert_eq!(
            through.driver().get_options(),
            Some("-c role=usher_app -c statement_timeout=5s")
        );
    }
}
