//! A list of keys as it stands in the environment: their texts, with the dates from which on they make.

use anyhow::{Result, anyhow};
use time::{Duration, OffsetDateTime};
use usher_core::{Dated, KeyList};

use super::written;

/// The texts of a list whose keys can be read.
pub(crate) struct KeyTexts(KeyList<String>);

/// What a rotation makes of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rotated {
    /// The list.
    pub(super) text: String,
    /// The date of the key to come, which may have been there before.
    pub(super) next: OffsetDateTime,
    /// Whether the key to come is new.
    pub(super) is_added: bool,
    /// How many keys were left out.
    pub(super) dropped: usize,
    /// From when on the keys that are left behind the one to come can be left out, if that is a matter of time.
    pub(super) done: Option<OffsetDateTime>,
}

impl KeyTexts {
    /// Takes a list apart.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let list = KeyList::parse(text, |key| Ok(key.to_owned()));
        list.map(Self).map_err(|error| anyhow!(error))
    }

    /// Returns the date of the newest key that makes already; none has one where the list has no dates.
    pub(crate) fn newest(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        self.0
            .iter()
            .filter_map(|key| key.since)
            .find(|since| *since <= now)
    }

    /// Returns the date of the next key.
    pub(crate) fn next(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let dates = self.0.iter().filter_map(|key| key.since);
        dates.take_while(|since| *since > now).last()
    }

    /// Tells whether a key stands in the list twice.
    pub(crate) fn has_twins(&self) -> bool {
        let keys: Vec<_> = self.0.keys().collect();
        let mut rest = keys.as_slice();
        while let Some((first, others)) = rest.split_first() {
            if others.contains(first) {
                return true;
            }
            rest = others;
        }
        false
    }

    /// Puts a key before the others that is to make from `since` on, unless one is to come already, and leaves out those
    /// that nothing hangs on: whose successor has made for longer than `kept`. Without that all of them stay.
    pub(super) fn rotate(
        &self,
        new: String,
        since: OffsetDateTime,
        now: OffsetDateTime,
        kept: Option<Duration>,
    ) -> Result<Rotated> {
        let is_over = |key: &Dated<String>| {
            let end = key.since.zip(kept).map(|(since, kept)| since + kept);
            end.is_some_and(|end| end <= now)
        };
        let all: Vec<_> = self.0.iter().collect();
        let count = all
            .iter()
            .position(|key| is_over(key))
            .map_or(all.len(), |position| position + 1);
        let waiting = self.next(now);
        let new = Dated {
            key: new,
            since: Some(since),
        };
        let added = waiting.is_none().then_some(&new);
        let mut entries = Vec::new();
        for Dated { key, since } in added.into_iter().chain(all.iter().copied().take(count)) {
            entries.push(match since {
                Some(since) => format!("{key}@{}", written(*since)?),
                None => key.clone(),
            });
        }
        let next = waiting.unwrap_or(since);
        Ok(Rotated {
            text: entries.join(","),
            next,
            is_added: waiting.is_none(),
            dropped: all.len() - count,
            done: kept.map(|kept| next + kept),
        })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-26 12:00 UTC);
    const SOON: OffsetDateTime = datetime!(2026-11-26 13:00 UTC);

    fn rotate(list: &str) -> Rotated {
        let list = KeyTexts::read(list).unwrap();
        let new = "new".to_owned();
        list.rotate(new, SOON, NOW, Some(Duration::minutes(10)))
            .unwrap()
    }

    #[test]
    fn the_next_key_stands_before_the_present_one() {
        for (before, after) in [
            ("a", "new@2026-11-26T13:00:00Z,a"),
            (
                "a@2026-01-01T00:00:00Z",
                "new@2026-11-26T13:00:00Z,a@2026-01-01T00:00:00Z",
            ),
        ] {
            let rotated = rotate(before);
            assert_eq!(rotated.text, after);
            assert!(rotated.is_added && rotated.dropped == 0);
            assert_eq!(rotated.next, SOON);
        }
    }

    #[test]
    fn a_key_goes_when_its_successor_has_made_for_long_enough() {
        for (before, after, dropped) in [
            ("b@2026-11-26T11:50:00Z,a", "b@2026-11-26T11:50:00Z", 1),
            ("b@2026-11-26T11:51:00Z,a", "b@2026-11-26T11:51:00Z,a", 0),
            // Since when a key makes that has no date, nobody knows.
            ("b,a", "b,a", 0),
            (
                "c@2026-11-26T11:00:00Z,b@2026-11-26T10:00:00Z,a",
                "c@2026-11-26T11:00:00Z",
                2,
            ),
        ] {
            let rotated = rotate(before);
            let added = format!("new@2026-11-26T13:00:00Z,{after}");
            assert_eq!((rotated.text, rotated.dropped), (added, dropped));
        }
    }

    #[test]
    fn a_key_that_is_needed_for_no_certain_time_stays() {
        let list = KeyTexts::read("b@2020-01-01T00:00:00Z,a").unwrap();
        let rotated = list.rotate("new".to_owned(), SOON, NOW, None).unwrap();
        let expected = "new@2026-11-26T13:00:00Z,b@2020-01-01T00:00:00Z,a";
        assert_eq!((rotated.text.as_str(), rotated.done), (expected, None));
    }

    #[test]
    fn while_a_key_is_to_come_there_is_no_other() {
        let list = "b@2026-11-26T12:30:00Z,a@2026-11-01T00:00:00Z";
        let rotated = rotate(list);
        assert_eq!(rotated.text, list);
        assert!(!rotated.is_added);
        assert_eq!(rotated.next, datetime!(2026-11-26 12:30 UTC));
        assert_eq!(rotated.done, Some(datetime!(2026-11-26 12:40 UTC)));
    }

    #[test]
    fn a_list_tells_its_dates() {
        let list = KeyTexts::read("c@2026-12-01T00:00:00Z,b@2026-11-01T00:00:00Z,a").unwrap();
        assert_eq!(list.newest(NOW), Some(datetime!(2026-11-01 0:00 UTC)));
        assert_eq!(list.next(NOW), Some(datetime!(2026-12-01 0:00 UTC)));
        assert!(!list.has_twins());
        let list = KeyTexts::read("a,b,a").unwrap();
        assert_eq!((list.newest(NOW), list.next(NOW)), (None, None));
        assert!(list.has_twins());
    }
}
