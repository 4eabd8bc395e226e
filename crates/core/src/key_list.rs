//! Lists of keys in the environment: one makes, all are accepted, so that a key can be changed while instances differ.
//!
//! A list has commas between its keys, and a key may have the date behind it from which on it makes:
//!
//! | key | place in the list | what it does |
//! |---|---|---|
//! | next | its date is to come | is accepted, and published if it has a public half |
//! | current | the latest date that has come; without dates the first one | makes, too |
//! | previous | all others | is accepted |
//!
//! An instance that has the list of before knows the key before one with the new list makes anything with it.

use std::{iter, ptr};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Keys of one purpose, the latest first. There is one at least.
#[derive(Clone, Debug)]
pub struct KeyList<T> {
    later: Vec<Dated<T>>,
    /// What makes when the time of no other one has come.
    last: Dated<T>,
}

/// A key with the date from which on it makes; without one that is from the beginning.
#[derive(Clone, Debug)]
pub struct Dated<T> {
    /// The key.
    pub key: T,
    /// The date.
    pub since: Option<OffsetDateTime>,
}

impl<T> KeyList<T> {
    /// Reads a list such as `KEY@2026-11-25T10:00:00Z,KEY`.
    pub fn parse(
        text: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<Self, &'static str> {
        let mut keys = Vec::new();
        for entry in text.split(',').map(str::trim) {
            let (key, since) = match entry.split_once('@') {
                None => (entry, None),
                Some((key, date)) => {
                    let date = OffsetDateTime::parse(date, &Rfc3339);
                    let wrong = |_| "has a date that is not like KEY@2026-11-25T10:00:00Z";
                    (key, Some(date.map_err(wrong)?))
                }
            };
            keys.push(Dated {
                key: parse(key)?,
                since,
            });
        }
        // Those without a date stay in their order, behind the others.
        keys.sort_by_key(|key| std::cmp::Reverse(key.since));
        let last = keys.pop().ok_or("holds no key")?;
        Ok(Self { later: keys, last })
    }

    /// Returns the key that makes at a time.
    pub fn current(&self, now: OffsetDateTime) -> &T {
        self.due(now).unwrap_or(&self.last.key)
    }

    /// Returns the key that makes at a time, unless all dates are to come: for what may be made without a key.
    pub fn due(&self, now: OffsetDateTime) -> Option<&T> {
        let is_due = |key: &&Dated<T>| key.since.is_none_or(|since| since <= now);
        self.iter().find(is_due).map(|dated| &dated.key)
    }

    /// Returns all keys: the one that makes at a time, then the others, the latest first.
    pub fn from_current(&self, now: OffsetDateTime) -> impl Iterator<Item = &T> {
        let current = self.current(now);
        let others = self.keys().filter(move |key| !ptr::eq(*key, current));
        iter::once(current).chain(others)
    }

    /// Returns all keys, the latest first.
    pub fn iter(&self) -> impl Iterator<Item = &Dated<T>> {
        self.later.iter().chain(iter::once(&self.last))
    }

    /// Returns all keys, the latest first.
    pub fn keys(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|dated| &dated.key)
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    fn list(text: &str) -> KeyList<String> {
        KeyList::parse(text, |key| Ok(key.to_owned())).unwrap()
    }

    #[test]
    fn without_dates_the_first_key_makes_and_all_are_known() {
        let list = list("a, b,c");
        assert_eq!(list.current(OffsetDateTime::UNIX_EPOCH), "a");
        assert_eq!(list.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn a_key_makes_from_its_date_on_until_the_next_one_does() {
        let list = list("old,b@2026-11-25T10:00:00Z,c@2026-11-26T10:00:00+01:00");
        let first = datetime!(2026-11-25 10:00 UTC);
        let second = datetime!(2026-11-26 9:00 UTC);
        for (time, key) in [
            (first - Duration::SECOND, "old"),
            (first, "b"),
            (second - Duration::SECOND, "b"),
            (second, "c"),
            (second + Duration::days(400), "c"),
        ] {
            assert_eq!(list.current(time), key, "{time}");
        }
    }

    #[test]
    fn all_keys_are_listed_once_and_the_current_one_first() {
        let list = list("old,b@2026-11-25T10:00:00Z,next@2026-11-26T10:00:00Z");
        let keys = |time| list.from_current(time).collect::<Vec<_>>();
        let time = datetime!(2026-11-25 12:00 UTC);
        assert_eq!(keys(time), ["b", "next", "old"]);
        assert_eq!(keys(time - Duration::DAY), ["old", "next", "b"]);
        assert_eq!(keys(time + Duration::DAY), ["next", "b", "old"]);
    }

    #[test]
    fn a_key_alone_makes_whatever_its_date() {
        let list = list("a@2999-01-01T00:00:00Z,b@2998-01-01T00:00:00Z");
        assert_eq!(list.current(OffsetDateTime::UNIX_EPOCH), "b");
        assert_eq!(list.due(OffsetDateTime::UNIX_EPOCH), None);
        let later = datetime!(2998-01-01 0:00 UTC);
        assert_eq!(list.due(later).map(String::as_str), Some("b"));
    }

    #[test]
    fn a_date_that_is_none_is_refused() {
        for text in [
            "a@",
            "a@2026-11-25",
            "a@tomorrow",
            "a@2026-11-25T10:00:00Z@",
        ] {
            let read = KeyList::parse(text, |key| Ok(key.to_owned()));
            assert!(read.is_err(), "{text}");
        }
    }
}
