//! `/api/auth/challenge`: the second step of a sign-in, with a code of the second factor.

use axum::extract::State;
use serde_json::json;
use usher_core::{
    Author,
    factors::{self, Challenge, Redemption, Tried, Used},
    limits::Rate,
    mails::Mail,
    one_time::Token,
    sessions::{self, LoginFailure},
};
use usher_domain::{Action, Language, Message, Template};

use super::auth::{SessionView, leave_behind, show};
use crate::{
    App, Code, Operations, Problem,
    answer::Shown,
    delivery::{Delivered, Delivery},
    input::{Nothing, Query, Repeatable, form},
    origin::{From, Spoken},
};

pub(crate) fn challenge() -> Operations {
    Operations::default()
        .post(
            "Signs in with a code, after /api/auth/login or /api/auth/link/confirm asked for the second factor.",
            meet,
        )
        .audits(Action::Login)
        .fails_with(&[
            Code::InvalidChallenge,
            Code::InvalidCode,
            Code::TooManyRequests,
            Code::DatabaseUnavailable,
        ])
}

form! {
    /// The second step of a sign-in.
    ChallengeForm {
        /// The token that the first step gave.
        challenge_token: String = "challengeToken",
        /// Six digits of the authenticator app, or a recovery code.
        code: String = "code",
    }
}

/// Answers a first step that was right, of an account that has a second factor.
pub(super) fn required(challenge: &Challenge) -> Problem {
    Problem::from(Code::SecondFactorRequired)
        .with_member("challengeToken", json!(challenge.token.expose()))
        .with_member("expiresIn", json!(challenge.expires_in.whole_seconds()))
        .with_member("methods", json!(challenge.factors.methods()))
}

/// Returns what the owner is told of a recovery code that is used, with how many are left; of other codes there is nothing to tell.
pub(super) fn notice(
    app: &App,
    tried: &Tried,
    used: &Used,
    language: Language,
) -> Result<Option<Mail>, Problem> {
    if !used.is_recovery_code() {
        return Ok(None);
    }
    let left = (tried.recovery_codes - 1).max(0);
    let message = Message {
        recipient: tried.email.clone(),
        template: Template::RecoveryCodeUsed,
        language,
        values: vec![("left", left.to_string())],
    };
    Ok(Some(Mail::new(&app.secret, &message)?))
}

/// POST /api/auth/challenge, anyone with a challenge, LOGIN or `LOGIN_FAILED`.
async fn meet(
    State(app): State<App>,
    From(origin): From,
    Spoken(language): Spoken,
    delivery: Delivery,
    _: Query<Nothing>,
    sent: Repeatable<ChallengeForm>,
) -> Result<Delivered<Shown<SessionView>>, Problem> {
    let form = &sent.form;
    let attempt = sent.attempt(&app, &format!("challenge {}", form.challenge_token));
    let connection = app.database.connection().await?;
    let token = Token::parse(&form.challenge_token);
    let author = Author::nobody(&origin);
    let charge = app.charge_anonymous(Rate::SecretAddress, &origin);
    let count_try = async {
        match &token {
            Some(token) => factors::count_challenge_try(&connection, token, attempt.as_ref()).await,
            None => Ok(None),
        }
    };
    let tried = app
        .limit_beside(&connection, author, &charge, count_try)
        .await?;
    let good = match &tried {
        Some(tried) => tried.check(&app.secret, &form.code)?,
        None => None,
    };
    // An attempt that comes again may have no tries left, and waits for the earlier one.
    if let Some(token) = &token
        && (good.is_some() || attempt.is_some())
    {
        let used = good.unwrap_or_default();
        let mail = match &tried {
            Some(tried) => notice(&app, tried, &used, language)?,
            None => None,
        };
        let redemption = Redemption {
            token,
            used: &used,
            attempt: attempt.as_ref(),
            mail: mail.as_ref(),
        };
        let session = factors::redeem(&connection, &origin, &app.secret, &redemption).await?;
        if let Some(session) = session {
            leave_behind(&app, &connection, &origin, &delivery).await?;
            return show(&app, &delivery, &session);
        }
    }
    let (failure, code) = match &tried {
        Some(_) => (LoginFailure::WrongCode, Code::InvalidCode),
        None => (LoginFailure::InvalidChallenge, Code::InvalidChallenge),
    };
    let user = tried.map(|tried| tried.user);
    sessions::record_failure(&connection, &origin, user, failure).await?;
    Err(code.into())
}
