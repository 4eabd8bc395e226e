//! People with an authenticator app, and the codes of it.

use http::Method;
use serde_json::{Value, json};
use usher_core::factors::totp;
use usher_domain::Clock;
use usher_tests::{Answer, Caller, Person, TestApp};

use crate::challenges::{half, meet};

pub(crate) const TOTP: &str = "/api/me/factors/totp";
pub(crate) const CONFIRM: &str = "/api/me/factors/totp/confirm";
pub(crate) const CODES: &str = "/api/me/factors/recovery-codes";
pub(crate) const FACTORS: &str = "/api/me/factors";

/// Somebody with an authenticator app.
pub(crate) struct Enrolled {
    pub(crate) person: Person,
    pub(crate) key: Vec<u8>,
    pub(crate) codes: Vec<String>,
}

impl Enrolled {
    /// Returns the code of now as one that was not used yet.
    pub(crate) async fn code(&self, t: &TestApp) -> String {
        let rewind = "alter table totp_factors disable trigger user;
            update totp_factors set last_step = 0;
            alter table totp_factors enable trigger user";
        t.execute(rewind).await;
        code_of(&self.key)
    }

    /// Signs in with both factors.
    pub(crate) async fn sign_in(&self, t: &TestApp) -> Value {
        let question = half(t, self.person).await;
        let code = self.code(t).await;
        meet(t, &question, &code).await.expect(200)
    }

    /// Returns the person with a new session.
    pub(crate) async fn caller(&self, t: &TestApp) -> Caller {
        let session = self.sign_in(t).await;
        let token = session["accessToken"].as_str().unwrap();
        t.anonymous().with_token(token)
    }
}

/// Returns the code of now.
pub(crate) fn code_of(key: &[u8]) -> String {
    let now = Clock::default().now();
    totp::code(key, totp::step_at(now.unix_timestamp())).to_string()
}

/// Returns a code that is none of now.
pub(crate) fn wrong_code(key: &[u8]) -> String {
    let step = totp::step_at(Clock::default().now().unix_timestamp());
    let near: Vec<_> = (step - 2..=step + 2)
        .map(|step| totp::code(key, step).to_string())
        .collect();
    let mut others = (0..).map(|number| format!("{number:06}"));
    others.find(|code| !near.contains(code)).unwrap()
}

/// Reads base32.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bytes, mut rest, mut bits) = (Vec::new(), 0, 0);
    for digit in text.chars() {
        rest = (rest << 5) | digits.find(digit).unwrap();
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(rest >> bits).unwrap());
            rest &= (1 << bits) - 1;
        }
    }
    bytes
}

/// Begins with an app, and returns its secret.
pub(crate) async fn begin(caller: &Caller) -> Vec<u8> {
    let begun = caller.request_without_body(&Method::POST, TOTP).await;
    decode(begun.expect(200)["secret"].as_str().unwrap())
}

pub(crate) async fn confirm(caller: &Caller, code: &str) -> Answer {
    caller.post(CONFIRM, json!({ "code": code })).await
}

/// Gives somebody an authenticator app.
pub(crate) async fn enrol(t: &TestApp, person: Person) -> Enrolled {
    let caller = t.caller(person);
    let key = begin(&caller).await;
    let answer = confirm(&caller, &code_of(&key)).await.expect(200);
    let codes = answer["recoveryCodes"].as_array().unwrap().iter();
    Enrolled {
        person,
        key,
        codes: codes
            .map(|code| code.as_str().unwrap().to_owned())
            .collect(),
    }
}
