//! A drain refuses newcomers, tells every client when to come back, paces itself, loses nothing that can be resumed, and ends in its time.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fanfare::{Drain, EventName, Hub, Payload, PublishError, Refusal, SendToError};
use fanfare_testkit::{Dial, TestClient, settle};
use serde_json::json;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn every_client_is_told_when_to_come_back() {
    let hub = Hub::builder().build().unwrap();
    let mut clients = Vec::new();
    for number in 0..60 {
        clients.push(Dial::forms()[number % 3].clone().connect(&hub).await);
    }
    let begin = Instant::now();
    let drain = tokio::spawn({
        let hub = hub.clone();
        async move { hub.drain(Drain::default()).await }
    });
    settle().await;
    assert!(!hub.is_ready());
    assert_eq!(Dial::plain().open(&hub).await.map(drop), Err(Refusal::ShuttingDown));
    assert!(matches!(hub.reserve(None).map(drop), Err(Refusal::ShuttingDown)));
    let drained = drain.await.unwrap();
    assert_eq!((drained.told, drained.cut), (60, 0));
    assert!((1_400..=2_500).contains(&begin.elapsed().as_millis()), "paced over 2 s: {:?}", begin.elapsed());
    let mut after = Vec::new();
    for client in &mut clients {
        let closing = client.expect("closing").await;
        assert_eq!(closing["code"], 1012);
        after.push(closing["retryAfter"].as_u64().unwrap());
        assert_eq!(client.closed().await, (1012, "server restarts".to_owned()));
        client.ended().await;
    }
    assert!(after.iter().all(|after| *after <= 5000));
    assert!(after.iter().max().unwrap() - after.iter().min().unwrap() > 2500, "spread: {after:?}");
    assert_eq!(hub.stats().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn clients_that_do_not_go_are_cut_at_the_limit() {
    let hub = Hub::builder().config(fanfare::Config { close_timeout: Duration::from_secs(60), ..Default::default() });
    let hub = hub.build().unwrap();
    let mut stays = TestClient::connect(&hub).await;
    let mut stalled = TestClient::connect(&hub).await;
    stays.mute();
    stalled.vanish();
    let begin = Instant::now();
    let drained = hub.drain(Drain { limit: Duration::from_secs(4), ..Drain::default() }).await;
    assert_eq!((drained.told, drained.cut), (2, 2));
    assert!((4_000..=4_100).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    stays.ended().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_a_closed_hub_is_refused_and_does_not_hang() {
    let hub = Hub::builder().build().unwrap();
    let ann = TestClient::connect(&hub).await;
    let session = hub.session(&ann.id()).unwrap();
    hub.close().await;
    let name = || EventName::new("x").unwrap();
    assert_eq!(session.send_event(name(), Payload::empty()).await, Err(SendToError::Closed));
    assert!(session.join("r").await.is_err());
    assert!(session.call_event(name(), Payload::empty(), Duration::from_secs(1)).await.is_err());
    session.leave(&"r".parse().unwrap()).await;
    assert!(!session.is_open());
    let published = hub.room("r").unwrap().publish_event(name(), Payload::empty()).await;
    assert!(matches!(published, Ok(_) | Err(PublishError::Closed)));
    assert!(matches!(Dial::plain().open(&hub).await.map(drop), Err(Refusal::ShuttingDown)));
    assert_eq!((hub.stats().sessions, hub.stats().resumable), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_empty_hub_drains_at_once() {
    let hub = Hub::builder().build().unwrap();
    let begin = Instant::now();
    let drained = hub.drain(Drain::default()).await;
    assert_eq!((drained.told, drained.cut), (0, 0));
    assert!(begin.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_the_drain_arrives_before_the_close() {
    let hub = Hub::builder().build().unwrap();
    let mut ann = TestClient::connect(&hub).await;
    ann.join("r").await;
    for content in 0..100 {
        let payload = Payload::new(&json!({"content": content})).unwrap();
        hub.room("r").unwrap().publish_event(EventName::new("message").unwrap(), payload).await.unwrap();
    }
    hub.drain(Drain::default()).await;
    assert_eq!(ann.contents().await.len(), 100);
}
