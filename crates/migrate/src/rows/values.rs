//! Values for a column, as expressions of SQL: usual ones of its type, and what its constraints speak of.

use super::table::Column;

/// The longest text that is made because a constraint names its length.
const LONGEST: i64 = 5000;

/// How long a large text is when no constraint names a length: a shorter type cuts it off.
const LONG: i64 = 300;

/// Returns values for a column of the row with this number: the first is the usual one, the second a large one. Not all
/// of them have to be possible.
pub(super) fn candidates(column: &Column, number: i64) -> Vec<String> {
    let (literals, numbers) = hints(&column.hints);
    let mut values = of_type(column, &numbers, number);
    // A pattern of `like` becomes a text that fits it.
    let named = literals
        .iter()
        .map(|literal| quote(&literal.replace('%', &number.to_string())));
    values.extend(named);
    if column.is_array {
        values = arrays(&values);
    }
    values
        .iter()
        .map(|value| format!("cast({value} as {})", column.kind))
        .collect()
}

fn arrays(values: &[String]) -> Vec<String> {
    let two = values.iter().take(2).cloned().collect::<Vec<_>>();
    let one = values.iter().map(|value| format!("array[{value}]"));
    let mut arrays: Vec<_> = one.chain(["'{}'".to_owned()]).collect();
    arrays.insert(1, format!("array[{}]", two.join(", ")));
    arrays
}

fn of_type(column: &Column, numbers: &[i64], n: i64) -> Vec<String> {
    let large = n + 1_000_000_000;
    match column.base.as_str() {
        _ if !column.labels.is_empty() => labels(&column.labels, n),
        "int2" => integers(n, n % 10_000 + 20_000, numbers),
        "int4" | "oid" => integers(n, large, numbers),
        "int8" => integers(n, n + 5_000_000_000, numbers),
        "numeric" | "float4" | "float8" | "money" => {
            let fractions = [format!("{n}.25"), format!("{large}.125"), "0.5".to_owned()];
            let whole = integers(n, large, numbers);
            fractions.into_iter().chain(whole).collect()
        }
        "bool" => texts(&["true", "false"]),
        "timestamptz" | "timestamp" | "date" | "time" | "timetz" => times(n),
        "interval" => texts(&[&format!("{n} seconds"), &format!("{n} days"), "1 day"]),
        "uuid" => vec!["gen_random_uuid()".to_owned(), format!("md5('{n}')")],
        "json" | "jsonb" => texts(&[
            &format!("{{\"a\": {n}}}"),
            &format!("{{\"a\": {{\"b\": [\"c\", {n}]}}, \"d\": null}}"),
            &format!("[{n}]"),
            &format!("\"a{n}\""),
            "{}",
            "[]",
        ]),
        "bytea" => bytes(n, numbers),
        "inet" | "cidr" => texts(&[
            &format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255),
            &format!("2001:db8::{:x}", n & 0xffff),
            "10.0.0.0/8",
        ]),
        "macaddr" | "macaddr8" => {
            texts(&[&format!("02:00:00:00:{:02x}:{:02x}", n >> 8 & 255, n & 255)])
        }
        "bit" | "varbit" => texts(&[&format!("{n:b}"), "1"]),
        "int4range" | "int8range" | "numrange" => texts(&[&format!("[{n},{large})"), "empty"]),
        "tsrange" | "tstzrange" | "daterange" => {
            texts(&["[2026-01-01,2027-01-01)", "[2026-01-01,)", "empty"])
        }
        "tsvector" | "tsquery" => texts(&[&format!("a{n}"), &format!("a{n} & b")]),
        _ => words(n, numbers),
    }
}

fn labels(labels: &[String], n: i64) -> Vec<String> {
    let mut labels: Vec<_> = labels.iter().map(|label| quote(label)).collect();
    let turn = usize::try_from(n).unwrap_or_default() % labels.len();
    labels.rotate_left(turn);
    labels
}

fn integers(n: i64, large: i64, numbers: &[i64]) -> Vec<String> {
    let near = numbers
        .iter()
        .flat_map(|number| [*number, number.saturating_add(1), number.saturating_sub(1)]);
    let all = [n, large, 1, 0, 2, 10, 100, -1].into_iter().chain(near);
    all.map(|number| format!("({number})")).collect()
}

/// Not far from now, so that no partitions of other years are asked for.
fn times(n: i64) -> Vec<String> {
    vec![
        format!("now() + interval '{n} seconds'"),
        format!("now() + interval '40 days {n} seconds'"),
        format!("now() - interval '1 day' - interval '{n} seconds'"),
        format!("now() + interval '1 year {n} seconds'"),
        "now()".to_owned(),
        "date_trunc('month', now())".to_owned(),
    ]
}

fn bytes(n: i64, numbers: &[i64]) -> Vec<String> {
    let digits = |length: i64| format!("decode(lpad('{n}', {}, '0'), 'hex')", 2 * length);
    let named = lengths(numbers).map(digits);
    [format!("sha256('{n}')"), digits(LONG)]
        .into_iter()
        .chain(named)
        .collect()
}

fn words(n: i64, numbers: &[i64]) -> Vec<String> {
    let longest = lengths(numbers).max().unwrap_or(LONG);
    let mut words = texts(&[&format!("a{n}")]);
    words.push(format!("rpad('a{n}', {longest}, 'x')"));
    words.extend(texts(&[
        &format!("{n}"),
        &format!("A{n}"),
        &format!("a{n}@example.com"),
        &format!("https://example.com/a{n}"),
        &format!("a{n}.example.com"),
        &format!("a{n}:b"),
        &format!("a b{n}"),
        &format!("+49{n}000000"),
        "a",
        "en",
        "EUR",
        "10.0.0.1",
        "{}",
        "",
    ]));
    words.extend([
        format!("md5('{n}')"),
        format!("encode(sha256('{n}'), 'hex')"),
        "gen_random_uuid()".to_owned(),
    ]);
    for length in lengths(numbers) {
        for filler in ['a', 'A', '0'] {
            words.push(format!("lpad('{n}', {length}, '{filler}')"));
            words.push(format!("rpad('{filler}{n}', {length}, '{filler}')"));
        }
    }
    words
}

fn lengths(numbers: &[i64]) -> impl Iterator<Item = i64> {
    numbers
        .iter()
        .copied()
        .filter(|number| (1..=LONGEST).contains(number))
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| quote(value)).collect()
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns the texts and the numbers that stand in definitions; a number may also stand within a text.
fn hints(definitions: &[String]) -> (Vec<String>, Vec<i64>) {
    let (mut literals, mut numbers) = (Vec::new(), Vec::new());
    for definition in definitions {
        let mut parts = definition.split('\'');
        parts.next();
        // What stands between two quotes, and then what stands behind them.
        while let Some(mut literal) = parts.next().map(str::to_owned) {
            while parts.next() == Some("") {
                literal.push('\'');
                literal.push_str(parts.next().unwrap_or_default());
            }
            literals.push(literal);
        }
        let digits = definition.split(|letter: char| !letter.is_ascii_digit());
        numbers.extend(digits.filter_map(|digits| digits.parse::<i64>().ok()));
    }
    numbers.sort_unstable();
    numbers.dedup();
    (literals, numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_give_their_texts_and_numbers() {
        let definition = "CHECK (a = ANY (ARRAY['x'::text, 'it''s'::text, ''::text]) AND b ~ '^[a-z]{0,49}$' OR c > 7)";
        let (literals, numbers) = hints(&[definition.to_owned()]);
        assert_eq!(literals, ["x", "it's", "", "^[a-z]{0,49}$"]);
        assert_eq!(numbers, [0, 7, 49]);
    }
}
