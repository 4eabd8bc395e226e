//! The keys of an instance: whether they sign, and how old they are.

use anyhow::Result;
use time::{Duration, OffsetDateTime};
use usher_core::{
    Config,
    tokens::{Principal, Tokens},
};
use usher_domain::{Clock, Method, Proof, SessionId, UserId};

use super::{report::Report, variables};
use crate::{
    environment::variable,
    keys::{KeyTexts, written},
};

/// Any session will do for a token that nobody uses.
const SESSION: &str = "00000000-0000-7000-8000-000000000000";
/// How long a key is good, in days.
const GOOD_DAYS: i64 = 90;
/// A date beyond is a slip of the pen, in days.
const FAR_DAYS: i64 = 60;

/// Signs a token, and looks at the dates of the lists. What cannot be read was pointed out already.
pub(super) fn check(report: &mut Report) -> Result<()> {
    let now = Clock::default().now();
    check_signature(report, now)?;
    for (name, variable_name) in [
        ("age of signing keys", "USHER_SIGNING_KEYS"),
        ("age of secrets", "USHER_SECRET"),
        ("age of peppers", "USHER_PEPPER"),
    ] {
        let Some(text) = variable(variable_name) else {
            continue;
        };
        if Config::from_variables(variables::with(variable_name, &text)?).is_ok() {
            match finding(&KeyTexts::read(text.trim())?, now)? {
                Finding::Good(what) => report.ok(name, what),
                Finding::Bad(what) => report.warn(name, what),
            }
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Finding {
    Good(String),
    Bad(String),
}

fn finding(list: &KeyTexts, now: OffsetDateTime) -> Result<Finding> {
    if list.has_twins() {
        let what = "a key stands in the list twice: leave one of them out";
        return Ok(Finding::Bad(what.to_owned()));
    }
    let next = list.next(now);
    if next.is_some_and(|next| next > now + Duration::days(FAR_DAYS)) {
        let what = "a key is to begin in more than 60 days: is its date right?";
        return Ok(Finding::Bad(what.to_owned()));
    }
    let age = match list.newest(now).map(|since| (now - since).whole_days()) {
        Some(days) => format!("the newest key is {days} days old"),
        None => "no key in use has a date, so its age is not known".to_owned(),
    };
    let is_old = |since| now - since > Duration::days(GOOD_DAYS);
    Ok(match next {
        Some(next) => Finding::Good(format!("{age}; the next one begins at {}", written(next)?)),
        None if list.newest(now).is_some_and(is_old) => {
            Finding::Bad(format!("{age}: change it with `usher keys rotate`"))
        }
        None => Finding::Good(age),
    })
}

/// Signs a token and verifies it, when there are keys that can be read.
fn check_signature(report: &mut Report, now: OffsetDateTime) -> Result<()> {
    const NAME: &str = "signing";
    let Some(keys) = variable("USHER_SIGNING_KEYS") else {
        return Ok(());
    };
    let read = Config::from_variables(variables::with("USHER_SIGNING_KEYS", &keys)?);
    let Ok(config) = read else {
        return Ok(());
    };
    let tokens = Tokens::new(
        config.signing_keys.clone(),
        &config.issuer,
        &config.audience,
    );
    let principal = Principal {
        user: UserId::new(1),
        session: SessionId::parse(SESSION)?,
    };
    let token = tokens.issue(principal, &Proof::by(Method::Password, now), now)?;
    if tokens
        .verify(&token)
        .is_some_and(|presented| presented.principal == principal)
    {
        let keys = tokens.keys().public(now);
        let count = keys["keys"].as_array().map_or(0, Vec::len);
        report.ok(
            NAME,
            format_args!("one of {count} keys signs, and its signature is accepted"),
        );
    } else {
        report.fail(
            NAME,
            "a signature is not accepted: make another key with `usher keys`",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn what_is_to_be_done_about_a_list_is_told() {
        let now = datetime!(2026-11-26 12:00 UTC);
        for (list, is_good, told) in [
            ("a", true, "its age is not known"),
            ("a@2026-08-29T00:00:00Z", true, "is 89 days old"),
            ("a@2026-08-27T00:00:00Z", false, "`usher keys rotate`"),
            (
                "b@2026-11-27T00:00:00Z,a@2026-08-01T00:00:00Z",
                true,
                "begins at 2026-11-27T00:00:00Z",
            ),
            ("b@2036-11-27T00:00:00Z,a", false, "in more than 60 days"),
            ("a,b,a", false, "twice"),
        ] {
            let found = finding(&KeyTexts::read(list).unwrap(), now).unwrap();
            let (Finding::Good(text) | Finding::Bad(text)) = &found;
            assert_eq!(matches!(found, Finding::Good(_)), is_good, "{list}");
            assert!(text.contains(told), "{list}: {text}");
        }
    }
}
