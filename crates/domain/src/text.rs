//! Rules that every text of a person shares.

use crate::Invalid;

/// Trims a text and checks it: 1 to `limit` characters, none of them a control or a direction mark.
pub(crate) fn line(text: &str, limit: usize) -> Result<&str, Invalid> {
    let text = text.trim();
    if text
        .chars()
        .all(|character| is_joining(character) || character.is_whitespace())
    {
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

/// Tells whether a character can hide or reorder what stands around it, or is itself seen by nobody: C0 and C1 controls,
/// line separators, the bidirectional marks of Unicode TR9, fillers, invisible operators and tags.
pub(crate) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Tells whether a character is seen only together with others: joiners, which some scripts need, and selectors of a
/// variant, which emoji have.
fn is_joining(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// A text to look for inside names and e-mail addresses, 1 to 100 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchTerm(String);

impl SearchTerm {
    /// Checks a search term.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Ok(Self(line(text, 100)?.to_owned()))
    }

    /// Returns the term.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the term as a pattern for `like`, which finds it anywhere: `50%` becomes `%50\%%`.
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
            "a\u{61c}b",
            "\u{200b}",
            "\u{3164}",
            "a\u{e0041}",
        ] {
            assert_eq!(line(text, 10).unwrap_err().code, "unprintable", "{text:?}");
        }
    }

    #[test]
    fn a_line_is_measured_in_characters() {
        assert_eq!(line("ééé", 3), Ok("ééé"));
        assert_eq!(line("éééé", 3).unwrap_err().code, "too-long");
        for blank in ["", " \t ", "\u{200d}", "\u{200c} \u{fe0f}"] {
            let code = line(blank, 3).err().map(|invalid| invalid.code);
            assert_eq!(code, Some("blank"), "{blank:?}");
        }
        assert_eq!(line("می\u{200c}خواهم", 20), Ok("می\u{200c}خواهم"));
    }
}
