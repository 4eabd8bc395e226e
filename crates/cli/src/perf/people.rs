//! Made-up people with frequencies as real ones have: a few names are everywhere, most are not.
//!
//! Everything follows from the number of a person, so that the same run is made again, and a term is known to be common or
//! rare before anybody counts.

use std::sync::LazyLock;

/// All addresses end with it. The domain is reserved (RFC 2606), so nobody real has one.
pub(super) const DOMAIN: &str = ".example";

/// Where people have their mail, the most popular first.
const PROVIDERS: [&str; 12] = [
    "gratismail",
    "inbox",
    "post",
    "letterbox",
    "webmail",
    "firma",
    "office",
    "uni",
    "school",
    "city",
    "club",
    "farm",
];

/// Stands for a name that hardly anybody has.
const RARE: (&str, &str) = ("Featherstonehaugh", "featherstonehaugh");
/// One person in so many has it.
const RARITY: u64 = 50_000;

static NAMES: LazyLock<[Vec<(&str, String)>; 2]> = LazyLock::new(|| ["first ", "last "].map(read));

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) roles: &'static [&'static str],
    pub(super) is_active: bool,
    pub(super) is_removed: bool,
    pub(super) avatar_url: Option<String>,
}

/// What to look for, and how many have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    /// In every address.
    Everywhere,
    Common,
    Middling,
    Rare,
    Absent,
    /// First and last name, with a space between.
    TwoWords,
    TwoLetters,
    TwoAbsentLetters,
    OneLetter,
}

impl Term {
    /// Returns the text to look for.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Everywhere => ".example",
            Self::Common => "smith",
            Self::Middling => "drinkwater",
            Self::Rare => "featherstone",
            Self::Absent => "quetzalcoatl",
            Self::TwoWords => "maria silva",
            Self::TwoLetters => "an",
            Self::TwoAbsentLetters => "qx",
            Self::OneLetter => "a",
        }
    }

    /// Returns the share of people who have it, counted on the first of them.
    pub(super) fn share(self) -> f64 {
        const COUNTED: u32 = 100_000;
        let has_it = |person: &Person| {
            person.name.to_lowercase().contains(self.text()) || person.email.contains(self.text())
        };
        let found = (0..u64::from(COUNTED))
            .map(Person::numbered)
            .filter(has_it)
            .count();
        f64::from(u32::try_from(found).unwrap_or(COUNTED)) / f64::from(COUNTED)
    }
}

impl Person {
    /// Returns the person of a number.
    pub(super) fn numbered(number: u64) -> Self {
        let mut dice = Dice::new(number);
        let [firsts, lasts] = &*NAMES;
        let (first, plain_first) = dice.choose(firsts);
        let (last, plain_last) = if number % RARITY == 7 {
            (RARE.0, RARE.1)
        } else {
            let (last, plain) = dice.choose(lasts);
            (*last, plain.as_str())
        };
        // A number at the end keeps addresses apart.
        let local = match dice.below(4) {
            0 => format!("{plain_first}.{plain_last}{number}"),
            1 => format!("{plain_last}.{plain_first}{number}"),
            2 => format!("{}{plain_last}{number}", &plain_first[..1]),
            _ => format!("{plain_first}_{number}"),
        };
        let is_removed = dice.below(100) == 0;
        Self {
            name: format!("{first} {last}"),
            email: format!("{local}@{}{DOMAIN}", dice.choose(&PROVIDERS)),
            roles: match dice.below(10_000) {
                0..5 => &["admin", "user"],
                5..100 => &["auditor", "user"],
                _ => &["user"],
            },
            is_active: !is_removed && dice.below(100) < 93,
            is_removed,
            avatar_url: (dice.below(10) < 3)
                .then(|| format!("https://cdn{DOMAIN}/avatars/{number}.webp")),
        }
    }
}

/// Numbers that look random and are the same each time (`SplitMix64`).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// Makes dice of their own for a number.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// Returns the next number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below a limit.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// Returns a number below a limit, the small ones more often: the first of 200 in 7 draws of 100.
    pub(super) fn skewed(&mut self, limit: u64) -> u64 {
        let even = self.next() >> 32;
        let squared = u128::from((even * even) >> 32);
        u64::try_from((squared * u128::from(limit)) >> 32).unwrap_or_default()
    }

    /// Returns some bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            let random = self.next().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
        bytes
    }

    fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = usize::try_from(self.skewed(items.len() as u64)).unwrap_or_default();
        &items[index]
    }
}

/// Reads the names of a kind, each with how it is written in an address.
fn read(kind: &str) -> Vec<(&'static str, String)> {
    let lines = include_str!("names.txt").lines();
    let names = lines
        .filter_map(|line| line.strip_prefix(kind))
        .flat_map(str::split_whitespace);
    names
        .map(|name| {
            let (name, plain) = name.split_once('/').unwrap_or((name, name));
            (name, plain.to_ascii_lowercase())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use usher_domain::{AvatarUrl, Email, Name};

    use super::*;

    #[test]
    fn people_are_valid_and_no_two_share_an_address() {
        let mut emails = HashSet::new();
        for number in 0..20_000 {
            let person = Person::numbered(number);
            assert_eq!(person, Person::numbered(number));
            assert_eq!(Name::parse(&person.name).unwrap().as_str(), person.name);
            assert_eq!(Email::parse(&person.email).unwrap().as_str(), person.email);
            assert!(
                person
                    .avatar_url
                    .as_deref()
                    .is_none_or(|url| AvatarUrl::parse(url).is_ok())
            );
            assert!(person.email.ends_with(DOMAIN) && emails.insert(person.email));
        }
    }

    #[test]
    fn terms_are_as_frequent_as_they_are_called() {
        for (term, least, most) in [
            (Term::Everywhere, 1.0, 1.0),
            (Term::TwoLetters, 0.2, 0.9),
            (Term::Common, 0.05, 0.15),
            (Term::Middling, 0.001, 0.01),
            (Term::TwoWords, 0.000_5, 0.01),
            (Term::Rare, 0.000_01, 0.000_1),
            (Term::Absent, 0.0, 0.0),
            (Term::TwoAbsentLetters, 0.0, 0.0),
        ] {
            let share = term.share();
            assert!((least..=most).contains(&share), "{term:?}: {share}");
        }
    }

    #[test]
    fn some_are_inactive_removed_or_hold_more_than_the_usual_role() {
        let people: Vec<_> = (0..100_000).map(Person::numbered).collect();
        let count = |is: fn(&Person) -> bool| people.iter().filter(|person| is(person)).count();
        assert!((6_000..10_000).contains(&count(|person| !person.is_active)));
        assert!((800..1_200).contains(&count(|person| person.is_removed)));
        assert!((800..1_200).contains(&count(|person| person.roles.contains(&"auditor"))));
        assert!((20..100).contains(&count(|person| person.roles.contains(&"admin"))));
    }
}
