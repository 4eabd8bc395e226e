//! Rules that every text of a person shares.

use crate::Invalid;

/// Trims a text and checks it: 1 to `limit` characters, none of them a control or a direction mark.
pub(crate) fn line(text: &str, limit: usize) -> Result<&str, Invalid> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Invalid::new("blank", "must not be blank"));
    }
    if text.chars().count() > limit {
        return Err(Invalid::too_long(limit));
    }
    if text.chars().any(is_unprintable) {
        return Err(Invalid::new(
            "unprintable",
            "must not contain control characters or text direction marks",
        ));
    }
    Ok(text)
}

/// Tells whether a character can hide or reorder what stands around it: C0 and C1 controls, line separators, and the
/// bidirectional marks of Unicode TR9.
pub(crate) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
}

/// A text to look for inside names and e-mail addresses, 2 to 100 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchTerm(String);

impl SearchTerm {
    /// Checks a search term.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = line(text, 100)?;
        if text.chars().nth(1).is_none() {
            return Err(Invalid::new("too-short", "must be at least 2 characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the term as a pattern for `ilike`, which finds it anywhere: `50%` becomes `%50\%%`.
    pub fn to_pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.0.len() + 2);
        pattern.push('%');
        for character in self.0.chars() {
            if matches!(character, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('%');
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_term_is_taken_literally() {
        let term = SearchTerm::parse(" 50%_\\ ").unwrap();
        assert_eq!(term.to_pattern(), r"%50\%\_\\%");
    }

    #[test]
    fn a_line_refuses_what_hides_text() {
        for text in [
            "a\0b",
            "a\nb",
            "a\u{1b}[31mb",
            "a\u{202e}b",
            "a\u{2028}b",
            "a\u{85}b",
        ] {
            assert_eq!(line(text, 10).unwrap_err().code, "unprintable", "{text:?}");
        }
    }

    #[test]
    fn a_line_is_measured_in_characters() {
        assert_eq!(line("ééé", 3), Ok("ééé"));
        assert_eq!(line("éééé", 3).unwrap_err().code, "too-long");
        assert_eq!(line(" \t ", 3).unwrap_err().code, "blank");
    }
}
