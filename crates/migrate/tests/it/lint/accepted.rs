//! Findings that somebody accepted, and those of another program.

use usher_migrate::{Finding, Migrations};

use super::{AWAY, broken, lint};

#[test]
fn a_finding_is_accepted_with_a_reason() {
    let sql =
        "-- lint: allow blocking-index because the table has ten rows\ncreate index on a (b);";
    let findings = lint(sql, AWAY);
    assert_eq!(findings.open, []);
    let [(finding, reason)] = findings.accepted.as_slice() else {
        panic!("{findings:?}")
    };
    assert_eq!(
        (finding.rule.as_str(), reason.as_str()),
        ("blocking-index", "the table has ten rows")
    );
    for unclear in [
        "allow blocking-index",
        "allow blocking-index because ",
        "allow all of it because I can",
        "ignore",
    ] {
        let sql = format!("-- lint: {unclear}\ncreate index on a (b);");
        assert_eq!(
            broken(&sql, AWAY),
            ["unclear-allow", "blocking-index"],
            "{unclear}"
        );
    }
    let other = "-- lint: allow type-change because it is short\ncreate index on a (b);";
    assert_eq!(broken(other, AWAY), ["needless-allow", "blocking-index"]);
}

#[test]
fn a_finding_in_a_migration_that_cannot_change_is_accepted_beside_it() {
    let migrations = Migrations::from_parts(&[
        ("V1__a", "drop index i", ""),
        ("V2__b", "drop index i", AWAY),
    ])
    .unwrap();
    let rules = |list: &str| -> Vec<_> {
        let open = migrations.lint(list, Some(Vec::new())).open;
        open.into_iter()
            .map(|finding| (finding.file, finding.line, finding.rule))
            .collect()
    };
    let found = |file: &str, line, rule: &str| (file.to_owned(), line, rule.to_owned());
    let list = "# Why.\n\nV1__a allow missing-rollback because it was the first\nV2__b allow blocking-index because it is small\n";
    assert_eq!(rules(list), [found("V1__a/V1__a.sql", 1, "blocking-index")]);
    let wrong = "V3__c allow blocking-index because it is small\nV2__b allow type-change because it is small\nV2__b\n";
    assert_eq!(
        rules(wrong)[3..],
        [
            found("lint.txt", 1, "unclear-allow"),
            found("lint.txt", 2, "needless-allow"),
            found("lint.txt", 3, "unclear-allow"),
        ]
    );
}

#[test]
fn the_findings_of_another_program_count_once_and_are_accepted_too() {
    let sql = "-- lint: allow odd-name because it is old\ncreate index on a (b);";
    let migrations = Migrations::from_parts(&[("V1__a", sql, AWAY)]).unwrap();
    let other = |line, rule: &str| Finding {
        file: "V1__a/V1__a.sql".to_owned(),
        line,
        rule: rule.to_owned(),
        what: "it said so".to_owned(),
        advice: "ask it".to_owned(),
    };
    let rules = |others: Option<Vec<Finding>>| -> Vec<_> {
        let open = migrations.lint("", others).open;
        open.into_iter().map(|finding| finding.rule).collect()
    };
    let others = vec![
        other(2, "odd-name"),
        other(2, "blocking-index"),
        // The same thing, seen in another way.
        other(2, "blocking-constraint"),
        other(3, "type-change"),
        other(2, "new-rule"),
    ];
    let open = ["blocking-index", "new-rule", "type-change"];
    assert_eq!(rules(Some(others)), open);
    assert_eq!(rules(Some(vec![])), ["needless-allow", "blocking-index"]);
    // Without the other program nobody can tell.
    assert_eq!(rules(None), ["blocking-index"]);
}
