//! The rows of each table, made of nothing but their number.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};
use time::Duration;
use tokio_postgres::types::{ToSql, Type};
use uuid::{Builder, Uuid};

use super::{
    load::Rows,
    people::{Dice, Person},
};

/// The first users are the ones who change others.
const CHANGERS: u64 = 20;

/// What programs say they are, the most popular first.
const PROGRAMS: [&str; 5] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "okhttp/4.12.0",
    "curl/8.5.0",
];

/// What is done, so many times of 1000.
const ACTIONS: [(u64, &str); 8] = [
    (450, "LOGIN"),
    (350, "REFRESH"),
    (80, "LOGOUT"),
    (60, "UPDATE"),
    (40, "LOGIN_FAILED"),
    (15, "CREATE"),
    (4, "ROLES_CHANGE"),
    (1, "DELETE"),
];

type Values = Vec<Box<dyn ToSql + Sync + Send>>;

/// A table to fill: its columns with their types, and the values of a row.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Type)],
    pub(super) values: fn(&Rows, u64) -> Values,
}

/// Every table, in an order in which none points to a later one.
pub(super) const TABLES: [Table; 3] = [
    Table {
        name: "users",
        columns: &[
            ("id", Type::INT8),
            ("name", Type::TEXT),
            ("email", Type::TEXT),
            ("password", Type::TEXT),
            ("roles", Type::TEXT_ARRAY),
            ("is_active", Type::BOOL),
            ("avatar_url", Type::TEXT),
            ("created_at", Type::TIMESTAMPTZ),
            ("updated_at", Type::TIMESTAMPTZ),
            ("deleted_at", Type::TIMESTAMPTZ),
        ],
        values: user,
    },
    Table {
        name: "sessions",
        columns: &[
            ("id", Type::UUID),
            ("user_id", Type::INT8),
            ("refresh_hash", Type::BYTEA),
            ("refresh_counter", Type::INT4),
            ("refreshed_at", Type::TIMESTAMPTZ),
            ("created_at", Type::TIMESTAMPTZ),
            ("expires_at", Type::TIMESTAMPTZ),
            ("ended_at", Type::TIMESTAMPTZ),
            ("end_reason", Type::TEXT),
            ("ip", Type::INET),
            ("user_agent", Type::TEXT),
        ],
        values: session,
    },
    Table {
        name: "audit_logs",
        columns: &[
            ("actor_id", Type::INT8),
            ("action", Type::TEXT),
            ("entity", Type::TEXT),
            ("entity_id", Type::INT8),
            ("payload", Type::JSONB),
            ("ip", Type::INET),
            ("user_agent", Type::TEXT),
            ("request_id", Type::TEXT),
            ("session_id", Type::UUID),
            ("created_at", Type::TIMESTAMPTZ),
        ],
        values: entry,
    },
];

fn user(rows: &Rows, number: u64) -> Values {
    let person = Person::numbered(number);
    let made_at = rows.made_at(number);
    vec![
        Box::new(rows.user(number)),
        Box::new(person.name),
        Box::new(person.email),
        Box::new(password(number)),
        Box::new(person.roles),
        Box::new(person.is_active),
        Box::new(person.avatar_url),
        Box::new(made_at),
        Box::new(made_at),
        Box::new(person.is_removed.then_some(made_at)),
    ]
}

/// Looks like the hash of a password, and is the hash of none that anybody knows.
fn password(number: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: [u8; 64] = Dice::new(!number).bytes();
    let text: String = bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 64)]))
        .collect();
    // The last letter of either holds only some bits.
    format!(
        "$argon2id$v=19$m=19456,t=2,p=1${}A${}A",
        &text[..21],
        &text[22..64]
    )
}

fn session(rows: &Rows, number: u64) -> Values {
    let mut dice = Dice::new(number ^ 0x5e55);
    let made_at = rows.made_at(number);
    let is_ended = dice.below(10) < 4;
    vec![
        Box::new(uuid(&mut dice)),
        Box::new(rows.somebody(&mut dice)),
        Box::new(dice.bytes::<32>().to_vec()),
        Box::new(i32::try_from(dice.below(300)).unwrap_or_default()),
        Box::new(made_at),
        Box::new(made_at),
        Box::new(made_at + Duration::days(30)),
        Box::new(is_ended.then_some(made_at)),
        Box::new(is_ended.then_some("logout")),
        Box::new(ip(&mut dice)),
        Box::new(program(&mut dice)),
    ]
}

fn entry(rows: &Rows, number: u64) -> Values {
    let mut dice = Dice::new(number ^ 0xa0d1);
    let action = action(&mut dice);
    let whom = rows.somebody(&mut dice);
    let actor = match action {
        "LOGIN_FAILED" => None,
        "LOGIN" | "REFRESH" | "LOGOUT" => Some(whom),
        _ => Some(rows.user(dice.below(CHANGERS.min(rows.count())))),
    };
    let session = uuid(&mut dice);
    vec![
        Box::new(actor),
        Box::new(action),
        Box::new("User"),
        Box::new(whom),
        Box::new(payload(action, session, number)),
        Box::new(ip(&mut dice)),
        Box::new(program(&mut dice)),
        Box::new(uuid(&mut dice).to_string()),
        Box::new(actor.map(|_| session)),
        Box::new(rows.made_at(number)),
    ]
}

fn payload(action: &str, session: Uuid, number: u64) -> Value {
    match action {
        "LOGIN_FAILED" => json!({ "reason": "wrong-password" }),
        "LOGIN" | "REFRESH" | "LOGOUT" => json!({ "sessionId": session.to_string() }),
        _ => {
            let (before, after) = (Person::numbered(number), Person::numbered(number + 1));
            json!({ "before": { "name": before.name }, "after": { "name": after.name } })
        }
    }
}

fn action(dice: &mut Dice) -> &'static str {
    let mut left = dice.below(1000);
    for (share, action) in ACTIONS {
        if left < share {
            return action;
        }
        left -= share;
    }
    ACTIONS[0].1
}

fn program(dice: &mut Dice) -> &'static str {
    let index = usize::try_from(dice.skewed(PROGRAMS.len() as u64)).unwrap_or_default();
    PROGRAMS[index]
}

fn ip(dice: &mut Dice) -> IpAddr {
    // A network for documentation (RFC 5737) is too small, one for tests (RFC 2544) is not.
    let [a, b] = dice.bytes();
    Ipv4Addr::new(198, 18, a, b).into()
}

fn uuid(dice: &mut Dice) -> Uuid {
    Builder::from_random_bytes(dice.bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_the_actions_make_a_whole() {
        assert_eq!(ACTIONS.iter().map(|(share, _)| share).sum::<u64>(), 1000);
    }

    #[test]
    fn a_hash_has_the_shape_of_one() {
        let hash = password(7);
        let parts: Vec<_> = hash.split('$').collect();
        assert_eq!((parts[4].len(), parts[5].len()), (22, 43), "{hash}");
        assert_ne!(hash, password(8));
    }
}
