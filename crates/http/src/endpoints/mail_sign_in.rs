//! `/api/auth/link`: signing in by mail, with a link or a code. Without `USHER_MAIL_SIGN_IN` there is nothing here.
//!
//! Whoever asks gets a token to keep, whether or not there is an account, and the owner of the address gets the mail. Neither is
//! good without the other: who reads the mail elsewhere, or makes somebody click, is not signed in. Where the account has a second
//! factor a mail is the first step alone, as a password is.

use axum::{
    extract::{FromRequestParts, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use usher_core::{
    Author, Connection,
    accounts::{self, Entrant, Redemption, SignInRequest},
    factors,
    limits::{self, Charge, Rate, Tries},
    mails::Mail,
    one_time::{Shown as Secret, Token},
    sessions,
};
use usher_domain::{Action, Email, Invalid, Message, Origin, Purpose, Template};

use super::{
    auth::{SessionView, leave_behind, show},
    challenge,
};
use crate::{
    App, Code, Operations, Problem,
    answer::{Shown, json_response, view},
    delivery::{Delivered, Delivery},
    describe::{Answer, AnswerDocs, Docs, Part},
    input::{Nothing, Query, Repeatable, form},
    origin::{From, Spoken},
    problem::Place,
};

const PURPOSE: Purpose = Purpose::SignIn;

pub(crate) fn link() -> Operations {
    Operations::default()
        .post("Mails a link and a code to sign in with.", ask)
        .audits(Action::LoginRequest)
        .fails_with(&[Code::TooManyRequests, Code::DatabaseUnavailable])
}

pub(crate) fn confirm() -> Operations {
    Operations::default()
        .post("Signs in with the link or the code of a mail.", enter)
        .audits(Action::Login)
        .fails_with(&[
            Code::InvalidSecret,
            Code::SecondFactorRequired,
            Code::TooManyRequests,
            Code::DatabaseUnavailable,
        ])
}

form! {
    /// Who wants to sign in.
    Wanted {
        /// The address.
        email: Email = "email",
    }
}

form! {
    /// What was mailed, the token of the link, or the code with the address; and what the device kept.
    Confirmation {
        /// The token of the link.
        token: Option<String> = "token",
        /// The address that the code was mailed to.
        email: Option<Email> = "email",
        /// The code.
        code: Option<String> = "code",
        /// The token that /api/auth/link gave to this device.
        request_token: String = "requestToken",
    }
}

view! {
    /// That a request was taken in, and nothing about what comes of it.
    RequestView {
        /// `accepted`.
        status: &'static str,
        /// What the device keeps, and shows with the link or the code. It opens nothing alone.
        request_token: String,
    }
}

/// Says that there is nothing here where signing in by mail is not switched on.
struct SwitchedOn;

impl FromRequestParts<App> for SwitchedOn {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self, Problem> {
        if app.mail_sign_in {
            Ok(Self)
        } else {
            Err(Code::NotFound.into())
        }
    }
}

impl Part for SwitchedOn {
    fn describe(docs: &mut Docs) {
        docs.codes.insert(Code::NotFound);
    }
}

/// Taken in, with what the device keeps.
struct Taken(Token);

impl IntoResponse for Taken {
    fn into_response(self) -> Response {
        let view = RequestView {
            status: "accepted",
            request_token: self.0.expose(),
        };
        json_response(StatusCode::ACCEPTED, &view)
    }
}

impl Answer for Taken {
    fn describe(docs: &mut Docs) {
        docs.answers.push(AnswerDocs {
            status: 202,
            meaning: "Taken in. The owner of the address learns the rest by mail, so this tells nothing about accounts.",
            schema: Some(schemars::SchemaGenerator::subschema_for::<RequestView>),
            headers: &[],
        });
    }
}

/// POST /api/auth/link, anyone, `LOGIN_REQUEST`.
async fn ask(
    State(app): State<App>,
    _: SwitchedOn,
    From(origin): From,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<Wanted>,
) -> Result<Taken, Problem> {
    let email = &sent.form.email;
    let charge = app.charge_mail(Rate::MailAddress, &origin, email);
    app.limit(Author::nobody(&origin), &charge).await?;
    let attempt = sent.attempt(&app, &format!("address {email}"));
    let attempt = attempt.as_ref();
    let new = SignInRequest::new(&app.secret, email, attempt)?;
    let code = new.one_time.code.as_ref().map(|code| code.to_string());
    let message = Message {
        recipient: email.clone(),
        template: Template::SignIn,
        language,
        values: vec![
            ("link", app.link("sign-in", &new.one_time.token)),
            ("code", code.unwrap_or_default()),
        ],
    };
    let mail = Mail::or_nothing(&app.secret, &message)?;
    let connection = app.database.connection().await?;
    let author = Author::nobody(&origin);
    let sent = (&new, &mail);
    let kept = accounts::request_sign_in(&connection, author, email, sent, attempt).await?;
    Ok(Taken(kept))
}

/// POST /api/auth/link/confirm, anyone with a secret from a mail and what the device kept, LOGIN, `LOGIN_CHALLENGE` or
/// `SECRET_REFUSED`.
async fn enter(
    State(app): State<App>,
    _: SwitchedOn,
    From(origin): From,
    delivery: Delivery,
    _: Query<Nothing>,
    sent: Repeatable<Confirmation>,
) -> Result<Delivered<Shown<SessionView>>, Problem> {
    let secret = read(&app, &sent.form)?;
    let sender = match (&sent.form.token, &sent.form.email) {
        (Some(token), _) => format!("secret {token}"),
        (None, email) => format!("address {}", email.as_ref().map_or("", Email::as_str)),
    };
    let attempt = sent.attempt(&app, &sender);
    let attempt = attempt.as_ref();
    let mut charge = app.charge_anonymous(Rate::SecretAddress, &origin);
    if let Some(email) = &sent.form.email {
        let whose = [email.as_str().as_bytes()];
        charge = charge.tries(Tries::Code, &whose).about(email);
    }
    let connection = app.database.connection().await?;
    let author = Author::nobody(&origin);
    let find = find(&connection, secret.as_ref());
    let entrant = app.limit_beside(&connection, author, &charge, find).await?;
    if let (Some(shown), Some(entrant)) = (&secret, &entrant) {
        let redemption = Redemption {
            shown,
            entrant,
            attempt,
        };
        let counted = count_first_step(&app, &connection, author, entrant).await?;
        let counted = counted.as_ref();
        let entered = go_on(
            &app,
            &connection,
            (&origin, &delivery),
            &redemption,
            counted,
        );
        // The code was right, whatever follows.
        let (entered, forgiven) = tokio::join!(entered, limits::forgive(&connection, &charge));
        forgiven?;
        if let Some(shown) = entered? {
            return Ok(shown);
        }
    }
    // The secret of an attempt whose answer was lost was used by it.
    if let Some(attempt) = attempt {
        if let Some(asked) = factors::repeated(&connection, attempt).await? {
            return Err(challenge::required(&asked));
        }
        if let Some(session) = sessions::repeated(&connection, attempt).await? {
            return show(&app, &delivery, &session);
        }
    }
    accounts::record_refusal(&connection, author, PURPOSE).await?;
    Err(Code::InvalidSecret.into())
}

/// Reads what was shown, or `None` for what cannot be good.
fn read(app: &App, form: &Confirmation) -> Result<Option<Secret>, Problem> {
    let request = Token::parse(&form.request_token);
    match (&form.token, &form.email, &form.code) {
        (Some(token), None, None) => {
            let both = Token::parse(token).zip(request);
            Ok(both.map(|(token, request)| Secret::bound_token(PURPOSE, &token, &request)))
        }
        (None, Some(email), Some(code)) => Ok(request.map(|request| {
            Secret::bound_code(&app.secret, PURPOSE, email, (code.as_str(), &request))
        })),
        _ => {
            let invalid = Invalid::new("required", "send a token, or an email with a code");
            Err(Problem::invalid_at(Place::Pointer(String::new()), invalid))
        }
    }
}

/// Counts the try at a code, and returns whom the secret lets in if there was one left.
async fn find(
    connection: &Connection,
    secret: Option<&Secret>,
) -> usher_core::Result<Option<Entrant>> {
    let Some(secret) = secret else {
        return Ok(None);
    };
    let (is_left, entrant) = tokio::join!(
        secret.count_try(connection),
        accounts::find_entrant(connection, secret)
    );
    let is_left = is_left?;
    Ok(entrant?.filter(|_| is_left))
}

/// Counts a mail that is right, of an account that has a second factor, until the code is right, too: who reads the mails alone does
/// not try as many codes as they like. Returns what was counted.
async fn count_first_step(
    app: &App,
    connection: &Connection,
    author: Author<'_>,
    entrant: &Entrant,
) -> Result<Option<Charge>, Problem> {
    if entrant.factors.are_none() {
        return Ok(None);
    }
    let whose = entrant.user.get().to_be_bytes();
    let charge = app.charge().tries(Tries::MailFactor, &[&whose]);
    let charge = charge.about_user(entrant.user);
    let refusal = limits::count(connection, &charge).await?;
    app.admit(connection, author, &charge, refusal).await?;
    Ok(Some(charge))
}

/// Goes on after a link or a code that is right: with a session, or with the question for the second factor. There is neither when
/// the account was changed meanwhile.
async fn go_on(
    app: &App,
    connection: &Connection,
    (origin, delivery): (&Origin, &Delivery),
    redemption: &Redemption<'_>,
    counted: Option<&Charge>,
) -> Result<Option<Delivered<Shown<SessionView>>>, Problem> {
    if let Some(charge) = counted {
        let asked = accounts::begin_sign_in(connection, origin, redemption, charge).await?;
        return asked.map_or(Ok(None), |asked| Err(challenge::required(&asked)));
    }
    let session = accounts::sign_in(connection, origin, &app.secret, redemption).await?;
    let Some(session) = session else {
        return Ok(None);
    };
    leave_behind(app, connection, origin, delivery).await?;
    show(app, delivery, &session).map(Some)
}
