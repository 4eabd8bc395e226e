//! What `verify` finds out about a migration.

use usher_migrate::{Migrations, Outcome, Proof};

use crate::support::Proving;

const TABLE: (&str, &str, &str) = (
    "V1__a",
    "create table a (id int not null, b text)",
    "drop table a",
);

/// Proves migrations that come after one which makes the table `a`.
async fn proved(others: &[(&str, &str, &str)]) -> Vec<Proof> {
    let parts = [&[TABLE], others].concat();
    let mut proving = Proving::default();
    let mut proofs = proving.run(&Migrations::from_parts(&parts).unwrap()).await;
    let first = proofs.remove(0);
    assert!(first.is_good(), "{first:?}");
    proofs
}

/// Returns what a proof has against a migration, in lines.
fn told(proof: &Proof) -> Vec<String> {
    let lines = proof.faults.iter().flat_map(|fault| {
        let place = if fault.with_rows {
            "with rows"
        } else {
            "empty"
        };
        let differences = fault.differences.iter().map(ToString::to_string);
        [format!("{place}: {}", fault.what)]
            .into_iter()
            .chain(differences)
    });
    lines.collect()
}

fn lost(proof: &Proof) -> Vec<(String, i64)> {
    let lost = proof.losses.iter();
    lost.map(|loss| (loss.object.to_string(), loss.rows.unwrap()))
        .collect()
}

#[tokio::test]
async fn a_rollback_that_forgets_a_function_is_caught_and_the_next_one_is_still_tried() {
    let function = "create function f() returns int language sql return 1;";
    let proofs = proved(&[
        ("V2__b", function, "select 1"),
        ("V3__c", "create table c (id int)", "drop table c"),
    ])
    .await;
    let told = told(&proofs[0]);
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(
        told[0],
        "empty: its rollback leaves another schema than the one before it"
    );
    assert!(
        told[1].starts_with("+ function f(): CREATE OR REPLACE FUNCTION"),
        "{told:?}"
    );
    assert_eq!(told[2], "+ grant function f() to public: EXECUTE");
    let again = "empty: it cannot be applied again after its rollback: V2__b failed at line 1 of V2__b.sql: function \"f\" \
                 already exists";
    assert!(told[3].starts_with(again), "{told:?}");
    assert_eq!(
        (&proofs[0].outcome, &proofs[1].outcome),
        (&Outcome::Failed, &Outcome::Proved)
    );
    assert_eq!(proofs[1].rows["c"], 3);
}

#[tokio::test]
async fn a_migration_that_makes_something_else_the_second_time_is_caught() {
    let late = "create table b (id int);
        do $$ begin if exists (select from a where id = -5) then create table late (id int); end if; end $$";
    let proofs = proved(&[(
        "V2__b",
        late,
        "drop table b; insert into a (id) values (-5)",
    )])
    .await;
    let told = told(&proofs[0]);
    let again = "empty: applied again after its rollback it makes another schema than at first";
    assert_eq!(told, [again, "+ column late.id: integer", "+ table late"]);
}

#[tokio::test]
async fn a_rollback_that_is_refused_and_leaves_something_is_caught() {
    let key = "create unique index concurrently if not exists f_flag_key on f (flag)";
    let proofs = proved(&[
        (
            "V2__f",
            "create table f (flag boolean); create unique index f_flag_key on f (flag)",
            "drop table f",
        ),
        (
            "V3__no_key",
            "-- migrate: no-transaction\ndrop index concurrently if exists f_flag_key",
            &format!("-- migrate: no-transaction\n{key}"),
        ),
    ])
    .await;
    let refusal = proofs[1].refusal.as_deref().unwrap();
    assert!(
        refusal.contains("could not create unique index"),
        "{refusal}"
    );
    assert_eq!(
        told(&proofs[1]),
        [
            "with rows: its rollback is refused and leaves something behind",
            "+ index f_flag_key: CREATE UNIQUE INDEX f_flag_key ON f USING btree (flag) INVALID"
        ]
    );
}

#[tokio::test]
async fn what_is_lost_is_told_with_the_number_of_rows_and_values() {
    let proofs = proved(&[
        (
            "V2__column",
            "alter table a add column c text",
            "alter table a drop column c",
        ),
        (
            "V3__rows",
            "create table d (id int)",
            "drop table d; delete from a where c is not null",
        ),
        (
            "V4__values",
            "alter table a drop column b",
            "alter table a add column b text",
        ),
        (
            "V5__forms",
            "alter table a alter column c type varchar(400)",
            "alter table a alter column c type text using upper(c)",
        ),
        ("V6__nothing", "select 1", "select 1"),
    ])
    .await;
    let lost: Vec<_> = proofs.iter().map(lost).collect();
    let entry = |object: &str, rows| (object.to_owned(), rows);
    // Of every three rows that are made, one has values only where it needs them.
    assert_eq!(lost[0], [entry("column a.c", 2)]);
    assert_eq!(lost[1], [entry("table a", 4), entry("table d", 3)]);
    assert_eq!(
        lost[2],
        [entry("column a.b", 6)],
        "it is back, and its values are not"
    );
    assert_eq!(lost[3], [entry("column a.c", 8)], "they are others now");
    assert_eq!(lost[4], []);
    for proof in &proofs {
        assert_eq!((&proof.outcome, &proof.refusal), (&Outcome::Proved, &None));
    }
}

#[tokio::test]
async fn a_rollback_that_rows_refuse_is_told_and_is_no_fault() {
    let proofs = proved(&[
        ("V2__wide", "alter table a alter column id type bigint", "alter table a alter column id type int"),
        (
            "V3__null",
            "create table n (id int)",
            "do $$ begin if exists (select from n) then raise 'n has rows'; end if; end $$; drop table n",
        ),
        ("V4__c", "create table c (id int)", "drop table c"),
    ])
    .await;
    for (proof, reason) in proofs.iter().zip(["integer out of range", "n has rows"]) {
        assert_eq!((&proof.outcome, told(proof)), (&Outcome::Proved, vec![]));
        let refusal = proof.refusal.as_deref().unwrap();
        assert!(
            refusal.contains(reason) && refusal.contains("rollback.sql"),
            "{refusal}"
        );
    }
    assert_eq!(
        (&proofs[2].refusal, lost(&proofs[2])),
        (&None, vec![("table c".to_owned(), 3)])
    );
}

#[tokio::test]
async fn a_migration_without_a_transaction_is_proved_like_any_other() {
    let proofs = proved(&[
        (
            "V2__index",
            "-- migrate: no-transaction\ncreate index concurrently if not exists a_b_idx on a (b);",
            "-- migrate: no-transaction\ndrop index concurrently if exists a_b_idx;",
        ),
        (
            "V3__key",
            "-- migrate: no-transaction\ncreate unique index concurrently if not exists a_b_key on a (b);",
            "-- migrate: no-transaction\ndrop index concurrently if exists a_id_key;",
        ),
    ])
    .await;
    assert_eq!(
        (&proofs[0].outcome, told(&proofs[0]), lost(&proofs[0])),
        (&Outcome::Proved, vec![], vec![])
    );
    let told = told(&proofs[1]);
    assert_eq!(
        told[1],
        "+ index a_b_key: CREATE UNIQUE INDEX a_b_key ON a USING btree (b)"
    );
}

#[tokio::test]
async fn what_cannot_be_undone_is_told_and_not_tried() {
    let why = "-- irreversible: the names are gone";
    let proofs = proved(&[
        ("V2__b", "alter table a drop column b", why),
        ("V3__c", "create table c (id int)", "drop table c"),
        ("V4__d", "create table d (id int)", "-- Nothing here."),
        ("V5__e", "create table e (id int)", "drop table nowhere"),
    ])
    .await;
    assert_eq!(
        proofs[0].outcome,
        Outcome::Irreversible("the names are gone".to_owned())
    );
    assert!(proofs[0].is_good() && proofs[1].is_good());
    assert_eq!(
        told(&proofs[2]),
        [
            "empty: it cannot be undone: V4__d has no rollback: write its rollback.sql, or `-- irreversible: why` into it"
        ]
    );
    let told = told(&proofs[3]);
    let start = "empty: it cannot be undone: V5__e failed at line 1 of rollback.sql: table \"nowhere\" does not exist";
    assert!(told.len() == 1 && told[0].starts_with(start), "{told:?}");
}

#[tokio::test]
async fn a_migration_that_only_an_empty_table_takes_is_caught() {
    let proofs = proved(&[
        (
            "V2__c",
            "alter table a add column c int not null",
            "alter table a drop column c",
        ),
        ("V3__d", "create table d (id int)", "drop table d"),
        ("V4__e", "create table d (id int)", "drop table d"),
        ("V5__f", "create table f (id int)", "drop table f"),
    ])
    .await;
    let said = told(&proofs[0]);
    let start = "with rows: it cannot be applied to tables with rows: V2__c failed at line 1 of V2__c.sql: column \"c\" of \
                 relation \"a\" contains null values";
    assert!(said.len() == 1 && said[0].starts_with(start), "{said:?}");
    assert_eq!(proofs[1].outcome, Outcome::Proved);
    let said = told(&proofs[2]);
    assert!(
        said[0].starts_with("empty: it cannot be applied: V4__e failed"),
        "{said:?}"
    );
    assert_eq!(
        (&proofs[2].outcome, &proofs[3].outcome),
        (&Outcome::Failed, &Outcome::Untried)
    );
}
