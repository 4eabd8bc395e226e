//! The wire that counts waits: it is told what it is to count, and does.

use tokio_postgres::{Client, SimpleQueryMessage};
use usher_tests::{Asked, TestApp, Wire, connect};

async fn wired() -> (TestApp, Wire, Client) {
    let t = TestApp::start().await;
    let wire = Wire::to(t.url()).await;
    let client = connect(&wire.along(t.url())).await;
    (t, wire, client)
}

/// So many waits for statements without a name.
fn unnamed(waits: usize, unnamed: usize) -> Asked {
    Asked {
        waits,
        unnamed,
        ..Asked::default()
    }
}

#[tokio::test]
async fn what_is_sent_together_is_one_wait() {
    let (_t, wire, client) = wired().await;
    let opened = wire.take();
    assert_eq!((opened.connections, opened.waits), (1, 0));
    assert!(opened.to_connect >= 1);
    for _ in 0..3 {
        client.query_typed("select 1", &[]).await.unwrap();
    }
    assert_eq!(wire.take(), unnamed(3, 3));
    let ask = || client.query_typed("select generate_series(1, 10000)", &[]);
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    assert_eq!(
        [first, second, third].map(|rows| rows.unwrap().len()),
        [10_000; 3]
    );
    assert_eq!(wire.take(), unnamed(1, 3));
    let messages = client.simple_query("select 1; select 2").await.unwrap();
    let is_row = |message: &&SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
    assert_eq!(messages.iter().filter(is_row).count(), 2);
    assert_eq!(wire.take(), unnamed(1, 0));
}

#[tokio::test]
async fn waits_on_two_connections_add_up_unless_they_are_at_the_same_time() {
    let (t, wire, first) = wired().await;
    let second = connect(&wire.along(t.url())).await;
    wire.take();
    first.query_typed("select 1", &[]).await.unwrap();
    second.query_typed("select 1", &[]).await.unwrap();
    assert_eq!(wire.take(), unnamed(2, 2));
    let (one, two) = tokio::join!(
        first.query_typed("select 1", &[]),
        second.query_typed("select 1", &[])
    );
    assert_eq!((one.unwrap().len(), two.unwrap().len()), (1, 1));
    assert_eq!(wire.take(), unnamed(1, 2));
}

#[tokio::test]
async fn a_statement_with_a_name_is_seen() {
    let (_t, wire, client) = wired().await;
    wire.take();
    // What the product does not do: prepare, wait, and only then execute.
    client.query("select 1", &[]).await.unwrap();
    let asked = wire.take();
    assert_eq!((asked.waits, asked.named, asked.unnamed), (2, 1, 0));
}
