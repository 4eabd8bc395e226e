//! Differences in each of the checks.

use super::*;

fn named<T>(entries: impl IntoIterator<Item = (&'static str, T)>) -> BTreeMap<String, T> {
    let named = |(name, value): (&str, T)| (name.to_owned(), value);
    entries.into_iter().map(named).collect()
}

fn counted(rows: i64, sum: &str) -> Contents {
    Contents {
        rows,
        sum: sum.to_owned(),
    }
}

#[test]
fn rows_and_their_values_are_told_apart() {
    let expected = named([
        ("a", counted(2, "x")),
        ("b", counted(2, "x")),
        ("c", counted(0, "0")),
    ]);
    let found = named([
        ("a", counted(2, "y")),
        ("b", counted(1, "z")),
        ("d", counted(0, "0")),
    ]);
    assert_eq!(
        each(&expected, &found, rows),
        [
            "b has 1 instead of 2",
            "c is missing",
            "d should not be there"
        ]
    );
    assert_eq!(
        each(&expected, &found, contents),
        ["a has the number of rows, and other values in them"]
    );
    assert!(each(&expected, &expected, rows).is_empty());
}

#[test]
fn a_sequence_may_be_further_and_not_back() {
    let expected = named([("a", 5), ("b", 5), ("c", 5)]);
    let found = named([("a", 6), ("b", 4), ("d", 9)]);
    assert_eq!(
        each(&expected, &found, sequence),
        [
            "b stands at 4 instead of 5",
            "c was never used instead of standing at 5"
        ]
    );
}

#[test]
fn a_month_is_compared_by_count_span_and_sum() {
    let entries = |rows, last_id, sum: &str| Month {
        rows,
        first_id: 1,
        last_id,
        first_at: "t1".to_owned(),
        last_at: "t2".to_owned(),
        sum: sum.to_owned(),
    };
    let expected = named(["m1", "m2", "m3", "m4"].map(|name| (name, entries(2, 9, "x"))));
    let found = named([
        ("m1", entries(1, 9, "x")),
        ("m2", entries(2, 8, "x")),
        ("m3", entries(2, 9, "y")),
        ("m5", entries(3, 9, "x")),
    ]);
    assert_eq!(
        each(&expected, &found, month),
        [
            "m1: 1 entries instead of 2",
            "m2: entries 1 to 8, t1 to t2 instead of 1 to 9, t1 to t2",
            "m3: an entry was changed",
            "m4: all 2 entries are missing",
            "m5: 3 entries should not be there",
        ]
    );
}

fn object(kind: &str, name: &str) -> Object {
    Object {
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

#[test]
fn another_owner_is_no_difference_and_anything_else_is() {
    for (from, to, expected) in [
        ("owned by ada", "", true),
        (
            "row level security, owned by ada",
            "row level security",
            true,
        ),
        (
            "create function f() owned by \"a b\"",
            "create function f()",
            true,
        ),
        ("row level security", "", false),
        ("", "owned by ada", false),
    ] {
        let changed = Difference::Changed {
            object: object("table", "t"),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        assert_eq!(
            is_about_owners(&changed, "ada", "postgres"),
            expected,
            "{from} {to}"
        );
    }
}

#[test]
fn grants_to_who_owned_it_and_to_who_restored_it_do_not_count() {
    let definition = "SELECT".to_owned();
    for (kind, name, is_free_to_come, is_free_to_go) in [
        ("grant", "table t to ada", true, false),
        ("grant", "table t to postgres", false, true),
        ("grant", "table t to usher_app", false, false),
        ("table", "t to ada", false, false),
    ] {
        let (object, definition) = (object(kind, name), definition.clone());
        let added = Difference::Added {
            object: object.clone(),
            definition: definition.clone(),
        };
        let removed = Difference::Removed { object, definition };
        let found = [added, removed].map(|one| is_about_owners(&one, "ada", "postgres"));
        assert_eq!(found, [is_free_to_come, is_free_to_go], "{name}");
    }
}
