//! C4: a publish that succeeds means the level that was asked for, and an outcome that nobody knows is an error of its own kind.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use fanfare::{
    BrokerError, Config, EventName, History, Hub, Level, Payload, Publish, PublishError, Receipt, RoomPolicy,
    broker::{Broker, Publication, Sink, Topic},
};
use fanfare_testkit::{Cluster, TestClient};
use serde_json::json;

async fn say(publish: Publish) -> Result<Receipt, PublishError> {
    publish.publish_event(EventName::new("message").unwrap(), Payload::new(&json!({"content": 1})).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn a_receipt_states_at_least_the_level_that_was_asked_for() {
    let hub = Hub::builder()
        .rooms(|_, room| match room.as_str() {
            "kept" => RoomPolicy::with_history(History::last(10)),
            _ => RoomPolicy::default(),
        })
        .build()
        .unwrap();
    let kept = || hub.room("kept").unwrap().to();
    let fleeting = || hub.room("fleeting").unwrap().to();
    let receipt = say(kept().at_least(Level::Appended)).await.unwrap();
    assert_eq!((receipt.level, receipt.position.map(|position| position.offset)), (Level::Appended, Some(1)));
    let receipt = say(fleeting().at_least(Level::Accepted)).await.unwrap();
    assert_eq!((receipt.level, receipt.position), (Level::Accepted, None));
    for refused in [kept().at_least(Level::Durable), fleeting().at_least(Level::Appended)] {
        assert_eq!(say(refused).await, Err(PublishError::LevelNotOffered));
    }
    // What is volatile stands in no log, whatever the room keeps.
    assert_eq!(say(kept().volatile().at_least(Level::Appended)).await, Err(PublishError::LevelNotOffered));
    assert_eq!(hub.room("kept").unwrap().history(None, 10).await.unwrap().messages.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_cut_off_refuses_and_the_client_may_try_again() {
    let cluster = Cluster::new(1);
    let mut ann = TestClient::connect_v1(cluster.hub(0)).await;
    ann.join("r").await;
    cluster.cut(0);
    let refused = say(cluster.hub(0).room("r").unwrap().to()).await;
    assert_eq!(refused, Err(PublishError::Broker(BrokerError::Unavailable)));
    let answer = ann.ask(json!({"type": "message", "room": "r", "content": 1})).await;
    assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!("unavailable")));
    assert!(answer["retryAfter"].is_number());
}

/// Takes every publication and never answers, or answers that it does not know.
struct Lost {
    silent: bool,
}

#[async_trait]
impl Broker for Lost {
    async fn publish(&self, _: &Topic, _: Arc<Publication>, _: Option<History>) -> Result<Receipt, BrokerError> {
        if self.silent { std::future::pending().await } else { Err(BrokerError::Unknown) }
    }

    async fn subscribe(&self, _: &Topic, _: &Arc<dyn Sink>) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn unsubscribe(&self, _: &Topic) -> Result<(), BrokerError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_nobody_knows_is_an_error_of_its_own_and_comes_in_time() {
    for silent in [false, true] {
        let check_timeout = Duration::from_secs(3);
        let config = Config { check_timeout, ..Config::default() };
        let hub = Hub::builder().config(config).broker(Lost { silent }).build().unwrap();
        let begin = tokio::time::Instant::now();
        assert_eq!(say(hub.room("r").unwrap().to()).await, Err(PublishError::Unknown));
        let expected = if silent { check_timeout } else { Duration::ZERO };
        assert_eq!(begin.elapsed().as_millis(), expected.as_millis());
        let mut ann = TestClient::connect_v1(&hub).await;
        ann.join("r").await;
        let answer = ann.ask(json!({"type": "message", "room": "r", "content": 1})).await;
        assert_eq!(answer["code"], "unknown");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_big_is_published_to_nobody() {
    let hub = Hub::builder().config(Config { max_message_bytes: 100, ..Config::default() }).build().unwrap();
    let mut ann = TestClient::connect(&hub).await;
    ann.join("r").await;
    let payload = Payload::new(&json!({"content": "x".repeat(100)})).unwrap();
    let name = EventName::new("message").unwrap();
    assert_eq!(hub.room("r").unwrap().publish_event(name, payload).await, Err(PublishError::TooBig));
    ann.expect_nothing().await;
}
