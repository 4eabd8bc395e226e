//! By SMTP (RFC 5321): one connection for each mail, since a function is frozen between them.

use std::time::Duration;

use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart, header},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
        extension::ClientId,
    },
};
use usher_core::Security;
use usher_domain::Email;

use crate::{Error, Outgoing};

/// The longest that a server may take to answer one command.
const TIMEOUT: Duration = Duration::from_secs(8);

/// A mail server.
pub(crate) struct Smtp(AsyncSmtpTransport<Tokio1Executor>);

impl Smtp {
    /// Makes ready to connect. `site` is the host that it says hello as.
    pub(crate) fn new(
        host: &str,
        port: u16,
        security: Security,
        credentials: Option<&(String, String)>,
        site: &str,
    ) -> Result<Self, Error> {
        let tls = match security {
            Security::Tls => Tls::Wrapper(TlsParameters::new(host.to_owned())?),
            Security::StartTls => Tls::Required(TlsParameters::new(host.to_owned())?),
            Security::Plain => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .hello_name(ClientId::Domain(site.to_owned()))
            .timeout(Some(TIMEOUT));
        if let Some((user, password)) = credentials {
            transport = transport.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(Self(transport.build()))
    }

    /// Sends a mail.
    pub(crate) async fn send(&self, mail: &Outgoing, site: &str) -> Result<(), Error> {
        self.0.send(compose(mail, site)?).await?;
        Ok(())
    }

    /// Connects and signs in, without sending anything.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        if self.0.test_connection().await? {
            Ok(())
        } else {
            Err("the server is not ready for mails".into())
        }
    }
}

/// Puts a mail together; the library encodes what stands in headers.
fn compose(mail: &Outgoing, site: &str) -> Result<Message, Error> {
    let name = Some(mail.from.name.clone()).filter(|name| !name.is_empty());
    let content = &mail.content;
    let message = Message::builder()
        .from(Mailbox::new(name, address(&mail.from.email)?))
        .to(Mailbox::new(None, address(&mail.to)?))
        .subject(&content.subject)
        .message_id(Some(format!("<{}@{site}>", mail.name)))
        .date_now()
        // Out-of-office replies go nowhere (RFC 3834).
        .raw_header(header::HeaderValue::new(
            header::HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .multipart(MultiPart::alternative_plain_html(
            content.text.clone(),
            content.html.clone(),
        ))?;
    Ok(message)
}

fn address(email: &Email) -> Result<Address, Error> {
    Ok(email.as_str().parse()?)
}

#[cfg(test)]
mod tests {
    use usher_core::{Sender, mails::templates::Rendered};

    use super::*;

    #[test]
    fn nothing_in_a_mail_becomes_a_header_of_its_own() {
        let mail = Outgoing {
            name: "7.1".to_owned(),
            from: Sender::parse("Käthe, Inc. <no-reply@example.com>").unwrap(),
            to: Email::parse("ada@example.com").unwrap(),
            content: Rendered {
                subject: "Grüße\r\nBcc: eve@example.com".to_owned(),
                text: "text\r\n.\r\nMAIL FROM:<eve@example.com>".to_owned(),
                html: "<p>html</p>".to_owned(),
            },
        };
        let message = compose(&mail, "id.example.com").unwrap();
        let envelope = message.envelope();
        assert_eq!(envelope.to().len(), 1);
        let text = String::from_utf8(message.formatted()).unwrap();
        let head = text.split_once("\r\n\r\n").unwrap().0;
        let names: Vec<_> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split_once(':').unwrap().0)
            .collect();
        assert_eq!(
            names,
            [
                "From",
                "To",
                "Subject",
                "Message-ID",
                "Date",
                "Auto-Submitted",
                "MIME-Version",
                "Content-Type"
            ]
        );
        assert!(head.contains("<7.1@id.example.com>"), "{head}");
    }
}
