//! Drains the outbox.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use usher_core::{
    Author, Database, MailOptions, MailUrl, Sender,
    mails::{self, Taken},
    secret::Secret,
};
use usher_domain::{Email, Origin, RequestId};

use crate::{Catcher, Error, Outgoing, Pace, api::Api, smtp::Smtp};

/// So many mails are taken at once.
const BATCH: i64 = 5;
/// How often a plain process looks for mails that others left.
const PERIOD: Duration = Duration::from_mins(1);

/// Sends what is in the outbox. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Mailer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: MailOptions,
    secret: Secret,
    site: String,
    host: String,
    catcher: Option<Catcher>,
    has_news: AtomicBool,
    news: Notify,
}

/// What became of the mails of the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// How many were sent.
    pub sent: u32,
    /// How many could not be sent now, and are tried again.
    pub put_off: u32,
    /// How many could not be sent for a day, and were given up.
    pub given_up: u32,
}

enum Way<'a> {
    Smtp(Smtp),
    Api(Api),
    Catch(&'a Catcher),
}

impl Mailer {
    /// Makes a mailer for the deployment at an origin; with a catcher nothing leaves this machine.
    pub fn new(options: MailOptions, secret: Secret, site: &str, catcher: Option<Catcher>) -> Self {
        let host = site.split_once("://").map_or(site, |(_, rest)| rest);
        let host = host.split(['/', ':']).next().unwrap_or_default();
        Self(Arc::new(Shared {
            options,
            secret,
            site: site.to_owned(),
            host: host.to_owned(),
            catcher,
            has_news: AtomicBool::new(false),
            news: Notify::new(),
        }))
    }

    /// Says how mails leave, without any secret, or `None` when they wait.
    pub fn way(&self) -> Option<String> {
        match &self.0.catcher {
            Some(_) => Some("caught".to_owned()),
            None => self.0.options.url.as_ref().map(ToString::to_string),
        }
    }

    /// Connects to the mail server, as far as that can be done without a mail.
    pub async fn check(&self) -> Result<(), Error> {
        match self.open()? {
            Some(Way::Smtp(smtp)) => smtp.check().await,
            Some(Way::Api(_) | Way::Catch(_)) | None => Ok(()),
        }
    }

    /// Notes that there is a new mail in the outbox.
    pub fn notice(&self) {
        self.0.has_news.store(true, Ordering::Release);
        self.0.news.notify_one();
    }

    /// Sends what is new in the outbox, if anything is: after the answer to the request that put it there.
    pub async fn drain_new(&self, database: &Database) {
        if self.0.has_news.swap(false, Ordering::AcqRel) {
            self.drain_or_log(database).await;
        }
    }

    /// Sends what is new, and now and then what others left, until it is told to stop; then what is still new.
    pub async fn run(&self, database: &Database, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                () = self.0.news.notified() => {}
                () = sleep(PERIOD) => {}
            }
            self.0.has_news.store(false, Ordering::Release);
            self.drain_or_log(database).await;
        }
        self.drain_new(database).await;
    }

    async fn drain_or_log(&self, database: &Database) {
        let origin = Origin {
            ip: None,
            user_agent: None,
            request_id: RequestId::unknown(),
        };
        if let Err(error) = self.drain(database, &origin, Pace::ANSWERED).await {
            tracing::warn!(target: "usher::mail", %error, "the outbox was not drained; the mails in it wait");
        }
    }

    /// Sends what is due, until there is nothing more or the time is over. Without a way for mails they wait.
    pub async fn drain(
        &self,
        database: &Database,
        origin: &Origin,
        pace: Pace,
    ) -> usher_core::Result<Drained> {
        let mut drained = Drained::default();
        let way = match self.open() {
            Ok(Some(way)) => way,
            Ok(None) => return Ok(drained),
            Err(error) => {
                tracing::error!(target: "usher::mail", error, "mails cannot be sent");
                return Ok(drained);
            }
        };
        let started = Instant::now();
        while started.elapsed() < pace.limit {
            let connection = database.connection().await?;
            let taken = mails::take(&connection, BATCH).await?;
            // Others may need it while the mails are on their way.
            drop(connection);
            if taken.is_empty() {
                break;
            }
            for mail in taken {
                if started.elapsed() >= pace.limit {
                    // Those that were taken with it are due again in two minutes.
                    break;
                }
                let outcome = match timeout(pace.each, self.send(&way, &mail)).await {
                    Ok(outcome) => outcome,
                    Err(late) => Err(late.into()),
                };
                self.settle(database, origin, &mail, outcome, &mut drained)
                    .await?;
            }
        }
        Ok(drained)
    }

    /// Writes down what became of a mail.
    async fn settle(
        &self,
        database: &Database,
        origin: &Origin,
        mail: &Taken,
        outcome: Result<bool, Error>,
        drained: &mut Drained,
    ) -> usher_core::Result<()> {
        let connection = database.connection().await?;
        let error = match outcome {
            Ok(was_sent) => {
                drained.sent += u32::from(was_sent);
                return mails::sent(&connection, mail).await;
            }
            Err(error) => error,
        };
        // The reason may hold the address, as servers like to repeat it.
        let kind = kind(&error);
        let mail_name = mail.name();
        if mail.is_last {
            drained.given_up += 1;
            tracing::error!(target: "usher::mail", mail = mail_name, kind, "a mail could not be sent for a day and was given up");
            mails::give_up(&connection, Author::nobody(origin), mail).await
        } else {
            drained.put_off += 1;
            tracing::warn!(target: "usher::mail", mail = mail_name, kind, "a mail was not sent; it is tried again");
            mails::put_off(&connection, mail).await
        }
    }

    fn open(&self) -> Result<Option<Way<'_>>, Error> {
        let shared = &*self.0;
        if let Some(catcher) = &shared.catcher {
            return Ok(Some(Way::Catch(catcher)));
        }
        let way = match &shared.options.url {
            None => return Ok(None),
            Some(MailUrl::Smtp {
                host,
                port,
                security,
                credentials,
            }) => Way::Smtp(Smtp::new(
                host,
                *port,
                *security,
                credentials.as_ref(),
                &shared.host,
            )?),
            Some(MailUrl::Api { url, token }) => Way::Api(Api::new(url, token.as_deref())?),
        };
        Ok(Some(way))
    }

    /// Sends a mail, and tells whether there was anybody to send it to.
    async fn send(&self, way: &Way<'_>, mail: &Taken) -> Result<bool, Error> {
        let shared = &*self.0;
        let Some(letter) = mail.open(&shared.secret)? else {
            return Ok(false);
        };
        let content = shared.options.templates.render(&letter, &shared.site);
        let outgoing = Outgoing {
            name: mail.name(),
            from: self.sender()?,
            to: letter.recipient()?,
            content: content.ok_or("there is no text for it")?,
        };
        match way {
            Way::Smtp(smtp) => smtp.send(&outgoing, &shared.host).await?,
            Way::Api(api) => api.send(&outgoing, &shared.host).await?,
            Way::Catch(catcher) => catcher.take(outgoing),
        }
        Ok(true)
    }

    fn sender(&self) -> Result<Sender, Error> {
        match &self.0.options.from {
            Some(from) => Ok(from.clone()),
            None => Ok(Sender {
                name: String::new(),
                email: Email::parse("usher@localhost.invalid")?,
            }),
        }
    }
}

/// Says what went wrong in words that hold nothing of the mail.
fn kind(error: &Error) -> String {
    if let Some(error) = error.downcast_ref::<lettre::transport::smtp::Error>() {
        return match error.status() {
            Some(status) => format!("the mail server answered {status}"),
            None if error.is_tls() => {
                "the mail server is not spoken to safely: TLS failed".to_owned()
            }
            None if error.is_timeout() => "the mail server does not answer".to_owned(),
            None if error.is_client() => {
                "the mail server offers no STARTTLS, or no way to sign in".to_owned()
            }
            None => "the mail server cannot be reached".to_owned(),
        };
    }
    if error.is::<lettre::error::Error>() || error.is::<lettre::address::AddressError>() {
        return "no mail server would take the address".to_owned();
    }
    error.to_string()
}
