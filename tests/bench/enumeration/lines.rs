//! What is asked, and for whom.

use serde_json::{Value, json};
use usher_core::{
    Author,
    accounts::{self, NewAccount},
    mails::Mail,
    one_time::OneTime,
    passwords::{Owner, PasswordHash},
};
use usher_domain::{
    Email, Language, Message, Name, Origin, Password, Purpose, RequestId, Template,
};
use usher_tests::{Answer, Caller, PASSWORD, TestApp};

/// Who has an account.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    /// Verified and active.
    Owner,
    /// Has registered, and verified nothing yet.
    Newcomer,
    /// Is deactivated.
    Locked,
}

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) enum Ask {
    /// A request with the address in a form.
    Post(&'static str, fn(&str) -> Value),
    /// The change of a registration alone, without the hash, beside which little is seen.
    Register,
}

/// What is compared with an address that nobody has.
pub(crate) struct Line {
    pub(crate) ask: Ask,
    pub(crate) who: Who,
    /// Whether the unknown and the known ones have something in the outbox.
    pub(crate) mails: [bool; 2],
}

/// What newcomers are called.
const NAME: &str = "Somebody";
const LOGIN: Ask = Ask::Post(
    "/api/auth/login",
    |email| json!({ "email": email, "password": "not the right one at all" }),
);
const REGISTER: Ask = Ask::Post(
    "/api/auth/register",
    |email| json!({ "name": NAME, "email": email, "password": PASSWORD }),
);
const RESEND: Ask = Ask::Post("/api/auth/resend", only_address);
const FORGOT: Ask = Ask::Post("/api/auth/password/forgot", only_address);
const LINK: Ask = Ask::Post("/api/auth/link", only_address);
const NONE: [bool; 2] = [false, false];
const KNOWN: [bool; 2] = [false, true];
const BOTH: [bool; 2] = [true, true];

/// All that is compared.
pub(crate) const ALL: [Line; 10] = [
    line(LOGIN, Who::Owner, NONE),
    line(REGISTER, Who::Owner, BOTH),
    line(REGISTER, Who::Newcomer, BOTH),
    line(Ask::Register, Who::Owner, BOTH),
    line(RESEND, Who::Owner, NONE),
    line(RESEND, Who::Newcomer, KNOWN),
    line(FORGOT, Who::Owner, KNOWN),
    line(FORGOT, Who::Locked, NONE),
    line(LINK, Who::Owner, KNOWN),
    line(LINK, Who::Newcomer, KNOWN),
];

const fn line(ask: Ask, who: Who, mails: [bool; 2]) -> Line {
    Line { ask, who, mails }
}

fn only_address(email: &str) -> Value {
    json!({ "email": email })
}

impl Line {
    /// Returns how many samples to take: what needs no hash is quick, and is there to be looked at closely.
    pub(crate) fn samples(&self, wanted: usize) -> usize {
        match self.ask {
            Ask::Post(..) => wanted,
            Ask::Register => wanted.max(1_000),
        }
    }

    /// Returns what is asked, and for whom.
    pub(crate) fn what(&self) -> String {
        match self.ask {
            Ask::Post(path, _) => format!("{path}, {:?}", self.who),
            Ask::Register => format!("register without a hash, {:?}", self.who),
        }
    }
}

impl Who {
    /// All kinds.
    pub(crate) const ALL: [Self; 3] = [Self::Owner, Self::Newcomer, Self::Locked];

    /// Returns an address, always as long.
    pub(crate) fn address(self, is_known: bool, number: usize) -> String {
        let host = if is_known {
            "example.org"
        } else {
            "example.net"
        };
        format!("{}{:06}@{host}", self.prefix(), number)
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Newcomer => "newer",
            Self::Locked => "fixed",
        }
    }

    /// Makes so many of them.
    pub(crate) async fn move_in(self, t: &TestApp, count: usize) {
        let prefix = self.prefix();
        let (is_newcomer, is_active) = (
            matches!(self, Self::Newcomer),
            !matches!(self, Self::Locked),
        );
        let statement = format!(
            "insert into users (name, email, password, is_self_registered, is_active, email_verified_at)
            select
              '{NAME}',
              '{prefix}' || to_char(number, 'FM000000') || '@example.org',
              (select password from users where id = 4),
              {is_newcomer},
              {is_active},
              case when not {is_newcomer} then now() end
            from generate_series(0, {count} - 1) as number"
        );
        t.execute(&statement).await;
    }
}

/// Where is asked.
pub(crate) struct Desk<'a> {
    t: &'a TestApp,
    caller: Caller,
    hash: PasswordHash,
}

impl<'a> Desk<'a> {
    pub(crate) async fn open(t: &'a TestApp) -> Self {
        let password = Password::parse(PASSWORD).unwrap();
        let owner = Email::parse("somebody@example.org").unwrap();
        let hash = t.app.passwords.hash(password, Owner::Address(&owner)).await;
        Self {
            t,
            caller: t.anonymous(),
            hash: hash.unwrap(),
        }
    }

    /// Asks, and returns the answer if there is one.
    pub(crate) async fn ask(&self, ask: Ask, email: &str) -> Option<Answer> {
        match ask {
            Ask::Post(path, form) => Some(self.caller.post(path, form(email)).await),
            Ask::Register => {
                self.register(email).await;
                None
            }
        }
    }

    async fn register(&self, email: &str) {
        let app = &self.t.app;
        let (name, email) = (Name::parse(NAME).unwrap(), Email::parse(email).unwrap());
        let one_time = OneTime::generate(&app.secret, Purpose::VerifyEmail, &email).unwrap();
        let usual = Message {
            recipient: email.clone(),
            template: Template::VerifyEmail,
            language: Language::English,
            values: vec![("link", one_time.token.expose())],
        };
        let unusual = Message {
            template: Template::AccountExists,
            values: Vec::new(),
            ..usual.clone()
        };
        let mail = Mail::or(&app.secret, &usual, &unusual).unwrap();
        let origin = Origin {
            ip: None,
            user_agent: None,
            request_id: RequestId::unknown(),
        };
        let new = NewAccount {
            name: &name,
            email: &email,
            password: &self.hash,
        };
        let connection = app.database.connection().await.unwrap();
        let author = Author::nobody(&origin);
        accounts::register(&connection, author, &new, &one_time, &mail)
            .await
            .unwrap();
    }
}

/// Returns an answer without what is different in each.
pub(crate) fn bare(answer: Option<&Answer>) -> String {
    let Some(answer) = answer else {
        return String::new();
    };
    let body = match serde_json::from_str::<Value>(answer.text()) {
        Ok(Value::Object(mut members)) => {
            members.remove("requestId");
            // Random in each, and always as long.
            let token = members.get_mut("requestToken");
            if let Some(token) = token {
                *token = token.as_str().unwrap().len().into();
            }
            Value::Object(members).to_string()
        }
        _ => answer.text().to_owned(),
    };
    let length = answer.header("content-length");
    let kind = answer.header("content-type");
    format!("{} {kind} {length} {body}", answer.status())
}
