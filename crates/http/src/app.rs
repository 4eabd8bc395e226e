//! What every handler can reach: the instance, made once at its start.

use std::{ops::Deref, sync::Arc};

use usher_core::{
    Config, ConfigError, Database, Environment, RelyingParty, limits::Limits, one_time::Token,
    passwords::Passwords, secret::Secret, tokens::Tokens,
};
use usher_domain::SignUp;
use usher_mail::{Catcher, Mailer};

use crate::{Code, Problem, Telemetry, pwned::Leaks};

/// One running instance. Clones are the same instance, and cheap: every extractor of a request gets one.
#[derive(Clone, Debug)]
pub struct App {
    instance: Arc<Instance>,
    /// What requests did, when a collector wants to know.
    pub telemetry: Option<Telemetry>,
}

/// What an instance is made of.
#[derive(Debug)]
pub struct Instance {
    /// The database; nothing is connected before the first statement.
    pub database: Database,
    /// Makes and checks access tokens.
    pub tokens: Tokens,
    /// Makes refresh tokens and cursors.
    pub secret: Secret,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// Knows passwords of leaks.
    pub leaks: Leaks,
    /// Sends mails after the answer.
    pub mailer: Mailer,
    /// Who may register.
    pub sign_up: SignUp,
    /// Whether people may sign in with a link or a code by mail.
    pub mail_sign_in: bool,
    /// How often things may be tried.
    pub limits: Limits,
    /// For how many days the deletion of an account can be undone.
    pub deletion_grace_days: i32,
    /// The origin that links lead to.
    site: String,
    environment: Environment,
    health_token: Option<String>,
    cron_secret: Option<String>,
}

impl App {
    /// Makes an instance from the environment of the process.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Config::from_environment().map(|config| Self::new(&config))
    }

    /// Makes an instance.
    pub fn new(config: &Config) -> Self {
        Self::mailing(config, None)
    }

    /// Makes an instance whose mails are caught instead of sent.
    pub fn catching_mails(config: &Config, catcher: Catcher) -> Self {
        Self::mailing(config, Some(catcher))
    }

    fn mailing(config: &Config, catcher: Option<Catcher>) -> Self {
        let secret = config.secret.clone();
        let mailer = Mailer::new(config.mail.clone(), secret, &config.issuer, catcher);
        let instance = Instance {
            database: config.open_database(),
            tokens: Tokens::new(
                config.signing_keys.clone(),
                &config.issuer,
                &config.audience,
            ),
            secret: config.secret.clone(),
            passwords: Passwords::new(config.cost.clone()).with_pepper(config.pepper.clone()),
            leaks: Leaks::new(config.leaks.as_deref()),
            mailer,
            sign_up: config.sign_up.clone(),
            mail_sign_in: config.mail_sign_in,
            limits: config.limits.clone(),
            deletion_grace_days: config.deletion_grace_days,
            site: config.issuer.clone(),
            environment: config.environment,
            health_token: config.health_token.clone(),
            cron_secret: config.cron_secret.clone(),
        };
        Self {
            instance: Arc::new(instance),
            telemetry: None,
        }
    }

    /// Makes it keep what requests did, for the host to send away.
    #[must_use]
    pub fn with_telemetry(self, telemetry: Telemetry) -> Self {
        Self {
            telemetry: Some(telemetry),
            ..self
        }
    }
}

impl Deref for App {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.instance
    }
}

impl Instance {
    /// Tells whether details may be shown to anybody, and queries logged.
    pub fn is_development(&self) -> bool {
        self.environment == Environment::Development
    }

    /// Returns how many connections to the database are idle, and how many in use.
    pub fn connections(&self) -> [(&'static str, usize); 2] {
        let figures = self.database.figures();
        let used = figures.open.saturating_sub(figures.idle);
        [("idle", figures.idle), ("used", used)]
    }

    /// Tells whether this is the token that shows the details of the health report.
    pub(crate) fn is_health_token(&self, token: &str) -> bool {
        self.is_known(self.health_token.as_deref(), token)
    }

    /// Tells whether there are jobs for a scheduler at all.
    pub(crate) fn has_cron_secret(&self) -> bool {
        self.cron_secret.is_some()
    }

    /// Tells whether this is the secret of the scheduler.
    pub(crate) fn is_cron_secret(&self, token: &str) -> bool {
        self.is_known(self.cron_secret.as_deref(), token)
    }

    /// Returns the origin that the pages of this deployment have, such as `https://id.example.com`.
    pub(crate) fn origin(&self) -> &str {
        &self.site
    }

    /// Returns the link to a page of this deployment. The token stands in the fragment, which no server gets to see.
    pub(crate) fn link(&self, page: &str, token: &Token) -> String {
        format!("{}/account/{page}.html#token={}", self.site, token.expose())
    }

    /// Returns what this deployment is called where people see many: the host of its origin.
    pub(crate) fn site_name(&self) -> &str {
        let rest = self
            .site
            .split_once("://")
            .map_or(&*self.site, |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default()
    }

    /// Returns the site that passkeys are made for: the origin of this deployment, and no other.
    pub(crate) fn relying_party(&self) -> Result<RelyingParty, Problem> {
        RelyingParty::at(&self.site).ok_or_else(|| {
            let why =
                "USHER_ISSUER has to be an https origin with a name for passkeys, or on localhost";
            Problem::from(Code::Misconfigured).with_source(why)
        })
    }

    fn is_known(&self, known: Option<&str>, token: &str) -> bool {
        known.is_some_and(|known| self.secret.is_equal(known, token))
    }
}
