//! How mails are sent: variables of the environment, each checked once at the start.

use std::{borrow::Cow, fmt, path::Path};

use percent_encoding::percent_decode_str;
use url::{Host, Url};
use usher_domain::Email;

use crate::{ConfigError, mails::templates::Templates};

/// How mails are sent, and what they look like.
#[derive(Clone, Debug)]
pub struct MailOptions {
    /// The server that takes them (`MAIL_URL`); without one they wait.
    pub url: Option<MailUrl>,
    /// Whom they come from (`MAIL_FROM`).
    pub from: Option<Sender>,
    /// Their texts, with those of `MAIL_TEMPLATES`.
    pub templates: Templates,
}

/// Whom mails come from: an address, and a name unless it is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The name.
    pub name: String,
    /// The address.
    pub email: Email,
}

/// A server that takes mails.
#[derive(Clone, PartialEq, Eq)]
pub enum MailUrl {
    /// A mail server (RFC 6409).
    Smtp {
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
        /// How it is spoken to.
        security: Security,
        /// Who signs in there, with the password.
        credentials: Option<(String, String)>,
    },
    /// An HTTP API that takes mails as JSON.
    Api {
        /// Its address.
        url: String,
        /// The bearer token.
        token: Option<String>,
    },
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte on.
    Tls,
    /// TLS after `STARTTLS`; a server without it gets nothing.
    StartTls,
    /// None, on this machine.
    Plain,
}

impl MailOptions {
    /// Reads variables from wherever they are.
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        const URL: &str = "MAIL_URL";
        const FROM: &str = "MAIL_FROM";
        const TEMPLATES: &str = "MAIL_TEMPLATES";
        let url = get(URL).map(|text| MailUrl::parse(text.trim()));
        let url = url
            .transpose()
            .map_err(|message| ConfigError::new(URL, message))?;
        let from = get(FROM).map(|text| Sender::parse(text.trim()));
        let from = from
            .transpose()
            .map_err(|message| ConfigError::new(FROM, message))?;
        if url.is_some() && from.is_none() {
            let message = "is missing; set it to the sender of mails, such as 'Example <no-reply@example.com>'";
            return Err(ConfigError::new(FROM, message));
        }
        let folder = get(TEMPLATES);
        let templates = Templates::load(folder.as_deref().map(Path::new));
        Ok(Self {
            url,
            from,
            templates: templates.map_err(|message| ConfigError::new(TEMPLATES, message))?,
        })
    }
}

impl Sender {
    /// Reads `no-reply@example.com` or `Example <no-reply@example.com>`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "must be like no-reply@example.com or Example <no-reply@example.com>";
        let (name, address) = match text.strip_suffix('>').map(|text| text.rsplit_once('<')) {
            Some(parts) => parts.ok_or(WRONG)?,
            None => ("", text),
        };
        let name = name.trim().trim_matches('"');
        if name
            .chars()
            .any(|character| character.is_control() || "<>\"".contains(character))
        {
            return Err(WRONG);
        }
        Ok(Self {
            name: name.to_owned(),
            email: Email::parse(address).map_err(|_| WRONG)?,
        })
    }
}

impl MailUrl {
    /// Reads `smtp://user:password@host:587`, `smtps://…` or `https://:token@host/path`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "must be like smtp://user:password@host:587, smtps://user:password@host or https://:token@host/path";
        let mut url = Url::parse(text).map_err(|_| WRONG)?;
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or(WRONG)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must have neither a query nor a fragment");
        }
        let decode = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            text.map(Cow::into_owned).map_err(|_| WRONG)
        };
        let user = decode(url.username())?;
        let password = url.password().map(decode).transpose()?;
        let is_here = is_here(&url);
        let security = match url.scheme() {
            "smtps" => Security::Tls,
            "smtp" if is_here => Security::Plain,
            "smtp" => Security::StartTls,
            "http" if !is_here => return Err("must be https, since it leads to another machine"),
            "http" | "https" => {
                let refused = "has a user name; write the token as https://:token@host/path";
                if !user.is_empty() {
                    return Err(refused);
                }
                let cleared = url.set_password(None).is_ok();
                return cleared
                    .then(|| Self::Api {
                        url: url.to_string(),
                        token: password,
                    })
                    .ok_or(WRONG);
            }
            _ => return Err(WRONG),
        };
        let usual = if security == Security::Tls { 465 } else { 587 };
        Ok(Self::Smtp {
            host,
            port: url.port().unwrap_or(usual),
            security,
            credentials: (!user.is_empty()).then(|| (user, password.unwrap_or_default())),
        })
    }
}

/// Tells whether an address is on this machine by what it says: a name that leads here may lead elsewhere tomorrow.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // Of schemes that it does not know, the library leaves every host a name.
        Some(Host::Domain(name)) => {
            name == "localhost"
                || name
                    .parse::<std::net::Ipv4Addr>()
                    .is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

impl fmt::Display for MailUrl {
    /// Says where mails go, without any secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smtp {
                host,
                port,
                security,
                ..
            } => {
                let how = match security {
                    Security::Tls => "TLS",
                    Security::StartTls => "STARTTLS",
                    Security::Plain => "no TLS",
                };
                write!(formatter, "SMTP to {host} port {port}, {how}")
            }
            Self::Api { url, .. } => write!(formatter, "HTTP API {url}"),
        }
    }
}

impl fmt::Debug for MailUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_elsewhere_is_spoken_to_by_tls_alone() {
        for (text, expected) in [
            ("smtp://mail.example.com", Security::StartTls),
            ("smtp://0.0.0.0:25", Security::StartTls),
            ("smtp://10.0.0.1", Security::StartTls),
            ("smtp://127.0.0.1.example.com", Security::StartTls),
            ("smtp://127.0.0.1:1025", Security::Plain),
            ("smtp://localhost:1025", Security::Plain),
            ("smtp://[::1]:1025", Security::Plain),
            ("smtps://127.0.0.1", Security::Tls),
        ] {
            let MailUrl::Smtp { security, .. } = MailUrl::parse(text).unwrap() else {
                panic!("{text} is no mail server");
            };
            assert_eq!(security, expected, "{text}");
        }
        assert!(MailUrl::parse("http://api.example.com/send").is_err());
        assert!(MailUrl::parse("http://127.0.0.1:1/send").is_ok());
    }

    #[test]
    fn a_url_gives_its_parts_and_shows_no_secret() {
        let url = MailUrl::parse("smtp://ada%40example.com:p%2Fw@mail.example.com:2525").unwrap();
        let MailUrl::Smtp {
            port, credentials, ..
        } = &url
        else {
            panic!("{url:?}");
        };
        let given = ("ada@example.com".to_owned(), "p/w".to_owned());
        assert_eq!((*port, credentials), (2525, &Some(given)));
        assert_eq!(
            format!("{url:?}"),
            "SMTP to mail.example.com port 2525, STARTTLS"
        );
        let api = MailUrl::parse("https://:hunter2@api.example.com/emails").unwrap();
        assert_eq!(format!("{api} {api:?}").matches("hunter2").count(), 0);
        assert!(matches!(api, MailUrl::Api { token: Some(token), .. } if token == "hunter2"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "mail.example.com",
            "file:/tmp/x",
            "smtp://",
            "smtp:mail",
            "https://user:t@h.example/",
            "smtp://h.example?tls=none",
            "https://h.example/#x",
        ] {
            assert!(MailUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        let named = Sender::parse("Example, Inc. <No-Reply@example.com>").unwrap();
        assert_eq!(
            (named.name.as_str(), named.email.as_str()),
            ("Example, Inc.", "no-reply@example.com")
        );
        assert_eq!(Sender::parse("a@example.com").unwrap().name, "");
        for text in [
            "",
            "Example",
            "Example <>",
            "a\r\nBcc: x <a@example.com>",
            "<a <b@example.com>",
        ] {
            assert!(Sender::parse(text).is_err(), "{text}");
        }
    }
}
