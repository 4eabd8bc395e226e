//! Passwords that are tried first: the most common ones, and what is made of little.

/// The most common passwords of leaks with eight characters or more, in lower case and in the order of their bytes.
const LIST: &str = include_str!("common.txt");
/// The shortest that is listed.
const SHORTEST: usize = 8;
/// What repeats itself after so few characters is no longer than that.
const SHORT_PERIOD: usize = 4;

/// Tells whether a password is common, whatever its case: listed, two listed ones in a row, a short piece or a listed one
/// again and again, or a run such as `abcdefghijklmno`.
pub(super) fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    let characters: Vec<char> = lower.chars().collect();
    let period = period(&characters);
    is_listed(&lower)
        || is_two_listed(&lower)
        || is_run(&characters)
        || period <= SHORT_PERIOD
        || is_listed(&characters.iter().take(period).collect::<String>())
}

fn is_listed(text: &str) -> bool {
    let at = LIST.as_bytes();
    // A binary search over lines: both ends always stand at the beginning of one.
    let (mut low, mut high) = (0, at.len());
    while low < high {
        let middle = low.midpoint(high);
        let start = at[..middle]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1)
            .max(low);
        let length = at[start..].iter().position(|byte| *byte == b'\n');
        let end = length.map_or(at.len(), |length| start + length);
        match at[start..end].cmp(text.as_bytes()) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

fn is_two_listed(text: &str) -> bool {
    let places = SHORTEST..=text.len().saturating_sub(SHORTEST);
    places
        .filter_map(|at| text.split_at_checked(at))
        .any(|(first, second)| is_listed(first) && is_listed(second))
}

/// Returns after how many characters a text repeats itself; its length if it does not.
fn period(characters: &[char]) -> usize {
    let length = characters.len();
    let repeats = |period: &usize| characters[*period..] == characters[..length - period];
    (1..length).find(repeats).unwrap_or(length)
}

/// Tells whether each character follows the one before in the alphabet or among the digits, or each the other way round.
fn is_run(characters: &[char]) -> bool {
    let follows = |before: char, after: char| {
        u32::from(before) + 1 == u32::from(after) || (before, after) == ('9', '0')
    };
    let pairs = || characters.windows(2).map(|pair| (pair[0], pair[1]));
    pairs().all(|(one, two)| follows(one, two)) || pairs().all(|(one, two)| follows(two, one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_and_every_line_of_it_is_found() {
        let lines: Vec<_> = LIST.lines().collect();
        assert!(lines.len() > 10_000);
        assert!(lines.windows(2).all(|pair| pair[0] < pair[1]));
        for line in lines {
            assert!(is_listed(line), "{line}");
            assert!(
                line.chars().count() >= SHORTEST && line == line.to_lowercase(),
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_not_listed_is_not_found() {
        for absent in [
            "",
            "0",
            "zzzzzzzzzzzzzzzzzz",
            "passwor",
            "password\n",
            "\u{ff}",
        ] {
            assert!(!is_listed(absent), "{absent:?}");
        }
    }

    #[test]
    fn what_is_made_of_little_is_common() {
        for common in [
            "PassWord",
            "passwordpassword",
            "PasswordPasswordPass",
            "passwordiloveyou",
            "aaaaaaaaaaaaaaa",
            "abcabcabcabcabc",
            "12341234123412341",
            "123456789012345",
            "987654321098765",
            "abcdefghijklmno",
            "1q2w3e4r5t6y7u8i9o0p",
        ] {
            assert!(is_common(common), "{common}");
        }
        for own in [
            "correct horse battery staple",
            "passwort nach dem regen",
            "täglich drei äpfel",
            "abcdefghijklmno!",
            "15 blue lamps at noon",
        ] {
            assert!(!is_common(own), "{own}");
        }
    }
}
