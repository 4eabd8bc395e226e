//! Splits a file into its statements, by the lexical rules of Postgres.
//!
//! Statements are sent one by one, so that an error names the one it belongs to, and some rules are about single
//! statements. No grammar: only what may hold a semicolon without ending a statement, or a word without being one.

/// A statement of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// The text, without the comments before it and the semicolon behind it.
    pub(crate) text: &'a str,
    /// Where it begins, in bytes of the file.
    pub(crate) start: usize,
    /// Its words and quoted names outside of strings and comments; words are in small letters.
    pub(crate) words: Vec<String>,
}

impl Statement<'_> {
    /// Returns whether the statement begins with these words.
    pub(crate) fn begins(&self, words: &[&str]) -> bool {
        self.words.len() >= words.len() && self.words.iter().zip(words).all(|(a, b)| a == b)
    }

    /// Returns whether these words follow each other anywhere in the statement.
    pub(crate) fn has(&self, words: &[&str]) -> bool {
        self.words
            .windows(words.len())
            .any(|window| window.iter().zip(words).all(|(a, b)| a == b))
    }

    /// Returns the words of each clause: what stands between the commas outside of parentheses. A name with that of its
    /// schema is one word.
    pub(crate) fn clauses(&self) -> Vec<Vec<String>> {
        let mut clauses = vec![Vec::new()];
        let (mut depth, mut is_joined) = (0_usize, false);
        for token in tokens(self.text) {
            let text = self.text.get(token.start..token.end).unwrap_or_default();
            match (token.kind, text) {
                (Kind::Other, "(") => depth += 1,
                (Kind::Other, ")") => depth = depth.saturating_sub(1),
                (Kind::Other, ",") if depth == 0 => clauses.push(Vec::new()),
                _ => {}
            }
            if let Some(word) = word(token.kind, text)
                && let Some(clause) = clauses.last_mut()
            {
                match clause.last_mut().filter(|_| is_joined) {
                    Some(last) => *last = format!("{last}.{word}"),
                    None => clause.push(word),
                }
            }
            is_joined = text == ".";
        }
        clauses
    }
}

/// Returns a word in small letters, or a quoted name without its quotes.
fn word(kind: Kind, text: &str) -> Option<String> {
    match kind {
        Kind::Word => Some(text.to_lowercase()),
        Kind::Name => Some(text.trim_matches('"').replace("\"\"", "\"")),
        Kind::Semicolon | Kind::Other => None,
    }
}

/// Returns the statements of a file.
pub(crate) fn split(sql: &str) -> Vec<Statement<'_>> {
    let mut statements = Vec::new();
    let mut current: Option<(usize, usize, Vec<String>)> = None;
    // Inside `begin atomic … end`, how many `end`s are to come.
    let mut open = 0_usize;
    for token in tokens(sql) {
        let text = sql.get(token.start..token.end).unwrap_or_default();
        if token.kind == Kind::Semicolon && open == 0 {
            if let Some((start, end, words)) = current.take() {
                statements.push(statement(sql, start, end, words));
            }
            continue;
        }
        let (_, end, words) = current.get_or_insert((token.start, token.end, Vec::new()));
        *end = token.end;
        let Some(word) = word(token.kind, text) else {
            continue;
        };
        if token.kind == Kind::Word {
            match word.as_str() {
                "atomic" if words.last().is_some_and(|last| last == "begin") => open = 1,
                "case" if open > 0 => open += 1,
                "end" => open = open.saturating_sub(1),
                _ => {}
            }
        }
        words.push(word);
    }
    if let Some((start, end, words)) = current {
        statements.push(statement(sql, start, end, words));
    }
    statements
}

fn statement(sql: &str, start: usize, end: usize, words: Vec<String>) -> Statement<'_> {
    Statement {
        text: sql.get(start..end).unwrap_or_default(),
        start,
        words,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Name,
    Semicolon,
    Other,
}

struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

/// Returns the tokens of a file without its comments. What is left open ends with the file.
fn tokens(sql: &str) -> impl Iterator<Item = Token> {
    let mut start = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = sql.get(start..)?;
            let first = rest.chars().next()?;
            let (kind, length) = next(rest, first);
            let begin = start;
            start += length;
            if let Some(kind) = kind {
                return Some(Token {
                    kind,
                    start: begin,
                    end: start,
                });
            }
        }
    })
}

/// Returns the kind and the length of the first token; none for spaces and comments.
fn next(rest: &str, first: char) -> (Option<Kind>, usize) {
    if rest.starts_with("--") {
        return (None, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (None, comment(rest));
    }
    match first {
        ';' => (Some(Kind::Semicolon), 1),
        '\'' => (Some(Kind::Other), 1 + quoted(&rest[1..], '\'', false)),
        '"' => (Some(Kind::Name), 1 + quoted(&rest[1..], '"', false)),
        '$' => (Some(Kind::Other), dollar_quoted(rest)),
        'e' | 'E' if rest[1..].starts_with('\'') => {
            (Some(Kind::Other), 2 + quoted(&rest[2..], '\'', true))
        }
        _ if first.is_whitespace() => (None, first.len_utf8()),
        _ if first.is_alphabetic() || first == '_' => (
            Some(Kind::Word),
            rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '$')
                .unwrap_or(rest.len()),
        ),
        // A number and what is stuck to it: no word begins inside.
        _ if first.is_numeric() => (
            Some(Kind::Other),
            rest.find(|letter: char| !letter.is_alphanumeric())
                .unwrap_or(rest.len()),
        ),
        _ => (Some(Kind::Other), first.len_utf8()),
    }
}

/// Returns the length of a comment; they nest.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(left) = rest.get(at..).filter(|left| !left.is_empty()) {
        if left.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if left.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += left.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Returns the length up to and with the closing quote; a doubled one is part of the text.
fn quoted(rest: &str, quote: char, has_escapes: bool) -> usize {
    let mut letters = rest.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if has_escapes && letter == '\\' {
            letters.next();
        } else if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    rest.len()
}

/// Returns the length of `$tag$ … $tag$`, or 1 when it is no such string but a parameter.
fn dollar_quoted(rest: &str) -> usize {
    let Some(length) = rest[1..].find('$') else {
        return 1;
    };
    let tag = &rest[..length + 2];
    let name = &tag[1..=length];
    let is_tag = !name.starts_with(|letter: char| letter.is_numeric())
        && name
            .chars()
            .all(|letter| letter.is_alphanumeric() || letter == '_');
    if !is_tag {
        return 1;
    }
    let body = &rest[tag.len()..];
    body.find(tag)
        .map_or(rest.len(), |end| tag.len() + end + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        split(sql).iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn a_semicolon_ends_a_statement_unless_it_is_inside_of_something() {
        assert_eq!(
            texts("-- a;\nselect 1; /* ; /* ; */ */ select ';''', E'\\';', \";\"\n;;"),
            ["select 1", "select ';''', E'\\';', \";\""]
        );
        assert_eq!(
            texts("do $$ begin; end $$; select $a$ ; $$ ; $a$, $1; x"),
            ["do $$ begin; end $$", "select $a$ ; $$ ; $a$, $1", "x"]
        );
        let atomic = "create function f() returns int begin atomic select case when true then 1 end; select 2; end";
        assert_eq!(texts(&format!("{atomic}; select 3")), [atomic, "select 3"]);
        for left_open in [
            "select 'a;",
            "select \"a;",
            "do $$ a;",
            "select 1 /* ;",
            "$",
            "$é",
        ] {
            assert_eq!(split(left_open).len(), 1, "{left_open}");
        }
        assert!(split(" ; -- only\n/* comments */").is_empty());
    }

    #[test]
    fn words_are_those_outside_of_strings_and_comments() {
        let sql =
            "CREATE INDEX concurrently /* commit */ \"Odd\" on t (a) where b = 'rollback' -- begin";
        let statements = split(sql);
        let [statement] = statements.as_slice() else {
            panic!("{statements:?}")
        };
        assert!(statement.begins(&["create", "index"]) && statement.has(&["concurrently", "Odd"]));
        assert!(!statement.has(&["commit"]) && !statement.has(&["rollback"]));
        assert_eq!(&sql[statement.start..][..6], "CREATE");
    }

    #[test]
    fn clauses_stand_between_commas_outside_of_parentheses() {
        let statements = split(
            "alter table \"S\".t add a numeric(1, 2) default 1.5, drop b /* , */, add check (c in (1, 2))",
        );
        let clauses: Vec<_> = statements[0]
            .clauses()
            .iter()
            .map(|words| words.join(" "))
            .collect();
        assert_eq!(
            clauses,
            [
                "alter table S.t add a numeric default",
                "drop b",
                "add check c in"
            ]
        );
    }
}
