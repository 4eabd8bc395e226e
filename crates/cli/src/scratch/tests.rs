//! Names of scratch databases, and that one is dropped however its command ends.

use super::*;

#[test]
fn another_database_of_the_same_server_is_named() {
    for (text, expected) in [
        ("postgres://u:p@h:1/app", "postgres://u:p@h:1/x"),
        ("postgres://u@h", "postgres://u@h/x"),
        (
            "'postgresql://u@%2Ftmp%2Fs/app?sslmode=require&dbname=y&options=-c%20a=b'",
            "postgresql://u@%2Ftmp%2Fs/x?sslmode=require&options=-c%20a=b",
        ),
        (
            "postgres://u@a:1,b:2/app?dbname=y",
            "postgres://u@a:1,b:2/x",
        ),
    ] {
        assert_eq!(beside(text, "x"), expected);
    }
}

#[test]
fn only_an_old_scratch_database_is_left_over() {
    let now = 2 * DAY;
    assert!(is_left_over("usher_scratch_1000_00ff", now));
    assert!(!is_left_over(&format!("usher_scratch_{DAY}_00ff"), now));
    for other in ["usher", "usher_scratch_1000", "usher_scratch_x_00ff"] {
        assert!(!is_left_over(other, now), "{other}");
    }
}

#[tokio::test]
async fn a_database_is_empty_and_dropped_with_its_roles_even_after_an_error() {
    let choice = ShadowChoice::default();
    let roles = [format!("usher_role_{:016x}", random())];
    let mut scratch = Scratch::create(&choice).await.unwrap();
    assert!(scratch.major() >= 13);
    let client = scratch.connect().await.unwrap();
    scratch.ensure_roles(&client, &roles).await.unwrap();
    let grant = format!("create table t (id int); grant select on t to {}", roles[0]);
    client.batch_execute(&grant).await.unwrap();
    let server = read("the throw-away server", &throw_away(&[]).await.unwrap()).unwrap();
    let admin = server.connect().await.unwrap();
    let left = "select (select count(*) from pg_database where datname = $1)
        + (select count(*) from pg_roles where rolname = $2) as number";
    let name = scratch.name.clone();
    let parameters = [(&name as _, Type::TEXT), (&roles[0] as _, Type::TEXT)];
    let count = async || -> i64 {
        let row = admin.query_typed_one(left, &parameters).await.unwrap();
        row.get("number")
    };
    assert_eq!(count().await, 2);
    let failed: Result<()> = async move {
        let _scratch = scratch;
        bail!("something went wrong")
    }
    .await;
    assert!(failed.is_err());
    assert_eq!(count().await, 0);
}
