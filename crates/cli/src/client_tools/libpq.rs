//! A connection string in the variables of libpq, the library of the client programs.

use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::Path};

use anyhow::{Result, bail};
use tokio_postgres::config::{ChannelBinding, Host, LoadBalanceHosts, SslMode, TargetSessionAttrs};
use usher_core::DatabaseUrl;

/// Where systems keep the certificate authorities that everybody trusts.
pub(super) const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// From this version on libpq finds the authorities of the system by itself.
const FINDS_AUTHORITIES: u32 = 16;

/// Returns how libpq is told the database and its options.
pub(super) fn variables(url: &DatabaseUrl, options: &str) -> Vec<(&'static str, OsString)> {
    let driver = url.driver();
    let mut all: Vec<(&'static str, OsString)> = vec![
        ("PGHOST", joined(driver.get_hosts().iter().map(host))),
        ("PGHOSTADDR", joined(driver.get_hostaddrs())),
        ("PGPORT", joined(driver.get_ports())),
        ("PGCONNECT_TIMEOUT", "30".into()),
        ("PGAPPNAME", "usher".into()),
        ("PGGSSENCMODE", "disable".into()),
        ("PGUSER", driver.get_user().unwrap_or_default().into()),
        ("PGDATABASE", driver.get_dbname().unwrap_or_default().into()),
        (
            "PGCHANNELBINDING",
            channel_binding(driver.get_channel_binding()).into(),
        ),
        (
            "PGTARGETSESSIONATTRS",
            session(driver.get_target_session_attrs()).into(),
        ),
    ];
    if let Some(password) = driver.get_password() {
        all.push(("PGPASSWORD", OsString::from_vec(password.to_vec())));
    }
    if driver.get_load_balance_hosts() == LoadBalanceHosts::Random {
        all.push(("PGLOADBALANCEHOSTS", "random".into()));
    }
    let options = format!("{} {options}", driver.get_options().unwrap_or_default());
    all.push(("PGOPTIONS", options.trim().into()));
    all.retain(|(_, value)| !value.is_empty());
    all
}

/// Returns how libpq is told about TLS: it verifies no less than this program does.
pub(super) fn tls(url: &DatabaseUrl, major: u32) -> Result<Vec<(&'static str, OsString)>> {
    let mode = match url.driver().get_ssl_mode() {
        SslMode::Disable => "disable",
        SslMode::Prefer => "prefer",
        _ => "verify-full",
    };
    let mut all = vec![("PGSSLMODE", mode.into())];
    let has_certificate = matches!(url.driver().get_hosts().first(), Some(Host::Tcp(_)) | None);
    if mode != "verify-full" || !has_certificate {
        return Ok(all);
    }
    let authorities = match url.root_certificates() {
        Some(file) => file.as_os_str().to_owned(),
        None if major >= FINDS_AUTHORITIES => "system".into(),
        None => {
            let Some(file) = AUTHORITIES.iter().find(|file| Path::new(file).is_file()) else {
                bail!(
                    "there is no list of certificate authorities for the client programs of PostgreSQL: add \
                     sslrootcert=FILE to the connection string, or use version {FINDS_AUTHORITIES} of the programs"
                );
            };
            file.into()
        }
    };
    all.push(("PGSSLROOTCERT", authorities));
    Ok(all)
}

fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> OsString {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(",").into()
}

fn host(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.trim_matches(['[', ']']).to_owned(),
        Host::Unix(folder) => folder.display().to_string(),
    }
}

fn channel_binding(asked: ChannelBinding) -> &'static str {
    match asked {
        ChannelBinding::Disable => "disable",
        ChannelBinding::Require => "require",
        _ => "prefer",
    }
}

fn session(asked: TargetSessionAttrs) -> &'static str {
    match asked {
        TargetSessionAttrs::ReadWrite => "read-write",
        TargetSessionAttrs::ReadOnly => "read-only",
        _ => "any",
    }
}
