//! Second factors of users whom nobody else knows, and what becomes of them.

use std::net::SocketAddr;

use serde_json::Value;
use tokio_postgres::Client;
use usher_core::factors::totp;
use usher_domain::Clock;

use crate::{asks::Ask, writes::Write};

pub(crate) const TOTP: &str = "/api/me/factors/totp";
pub(crate) const CONFIRM: &str = "/api/me/factors/totp/confirm";
pub(crate) const CODES: &str = "/api/me/factors/recovery-codes";

/// The recovery code that [`give`] gives: 80 bits of nothing.
pub(crate) const CODE: &str = "aaaa-aaaa-aaaa-aaaa";

/// Gives a user an authenticator app and a recovery code, as if the session had proved them.
pub(crate) async fn give(client: &Client, user: i64) {
    let statements = format!(
        "update users set second_factors = '{{totp}}' where id = {user};
        update sessions set methods = '{{pwd,otp}}' where user_id = {user} and ended_at is null;
        insert into totp_factors (user_id, sealed, confirmed_at) values ({user}, sha256('x') || sha256('y'), now());
        insert into recovery_codes (user_id, code_hash)
        values ({user}, sha256('usher recovery code v1' || int8send({user}) || decode(repeat('00', 10), 'hex')))"
    );
    client.batch_execute(&statements).await.unwrap();
}

/// Takes the first step of a sign-in, where there is one, and returns the token for the second.
pub(crate) async fn challenge(sign_in: Option<&Ask>, at: SocketAddr) -> String {
    let Some(sign_in) = sign_in else {
        return String::new();
    };
    let question = sign_in.to(at).await.expect(403);
    question["challengeToken"].as_str().unwrap().to_owned()
}

/// Begins with an authenticator app, and returns a code of it that will be good for a while.
pub(crate) async fn begun(at: SocketAddr, session: &Value) -> String {
    let own = session["accessToken"].as_str().unwrap();
    let first = Ask::post(TOTP, Value::Null).with_token(own);
    let begun = first.to(at).await.expect(200);
    let key = decode(begun["secret"].as_str().unwrap());
    let step = totp::step_at(Clock::default().now().unix_timestamp());
    totp::code(&key, step + 1).to_string()
}

/// Returns what counts the effects of an operation.
pub(crate) fn effects(write: Write) -> &'static str {
    match write {
        Write::BeginFactor => {
            "select count(*) from totp_factors join users on users.id = user_id where email = $1"
        }
        Write::RenewCodes => {
            "select count(*) / 10 from recovery_codes join users on users.id = user_id where email = $1"
        }
        _ => "select count(*) from users where email = $1 and factors_changed_at is not null",
    }
}

/// Reads base32.
fn decode(text: &str) -> Vec<u8> {
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
