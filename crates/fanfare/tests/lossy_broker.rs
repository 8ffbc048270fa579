//! C2: no gap is silent: a member of a room with history sees n, n+1, …, or an explicit gap with its range; all of it or nothing, never a part.
//!
//! Here with brokers that lose deliveries without a word, double them, or take their time with the log.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use fanfare::{
    BrokerError, Config, EventName, History, Hub, Payload, Position, Receipt, RoomPolicy,
    broker::{Broker, BrokerState, HistoryPage, HistoryQuery, MemoryBroker, Offers, Publication, Sink, Topic},
};
use fanfare_testkit::{TestClient, settle};
use serde_json::{Value, json};

/// A memory broker behind a bad line.
#[derive(Clone, Copy, Default)]
struct Faults {
    /// Every so-manieth delivery is lost.
    lost: Option<u64>,
    /// Every so-manieth delivery comes twice, the second time behind the next one.
    doubled: Option<u64>,
    /// The log answers so late, with what it held when it was asked.
    history_takes: Duration,
}

struct Lossy(MemoryBroker, Faults);

struct LossySink {
    sink: Arc<dyn Sink>,
    faults: Faults,
    count: AtomicU64,
}

impl Sink for LossySink {
    fn deliver(&self, topic: &Topic, publication: Arc<Publication>, position: Option<Position>) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let hits = |every: Option<u64>| every.is_some_and(|every| count % every == 0);
        if position.is_some() && hits(self.faults.lost) {
            return;
        }
        self.sink.deliver(topic, publication.clone(), position);
        if position.is_some() && hits(self.faults.doubled) {
            self.sink.deliver(topic, publication, position);
        }
    }

    fn gap(&self, topic: Option<&Topic>) {
        self.sink.gap(topic);
    }

    fn state(&self, state: BrokerState) {
        self.sink.state(state);
    }
}

#[async_trait]
impl Broker for Lossy {
    fn offers(&self) -> Offers {
        self.0.offers()
    }

    async fn publish(
        &self,
        topic: &Topic,
        publication: Arc<Publication>,
        history: Option<History>,
    ) -> Result<Receipt, BrokerError> {
        self.0.publish(topic, publication, history).await
    }

    async fn subscribe(&self, topic: &Topic, sink: &Arc<dyn Sink>) -> Result<(), BrokerError> {
        let sink: Arc<dyn Sink> = Arc::new(LossySink { sink: sink.clone(), faults: self.1, count: AtomicU64::new(0) });
        self.0.subscribe(topic, &sink).await
    }

    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BrokerError> {
        self.0.unsubscribe(topic).await
    }

    async fn history(&self, topic: &Topic, query: HistoryQuery) -> Result<HistoryPage, BrokerError> {
        let page = self.0.history(topic, query).await;
        if !self.1.history_takes.is_zero() {
            tokio::time::sleep(self.1.history_takes).await;
        }
        page
    }
}

fn hub(faults: Faults, config: Config) -> Hub {
    let policy = RoomPolicy { announce_up_to: 0, ..RoomPolicy::with_history(History::last(1000)) };
    let broker = Lossy(MemoryBroker::new(), faults);
    Hub::builder().config(config).broker(broker).rooms(move |_, _| policy).build().unwrap()
}

async fn publish(hub: &Hub, content: u64) {
    let payload = Payload::new(&json!({"content": content})).unwrap();
    hub.room("r").unwrap().publish_event(EventName::new("message").unwrap(), payload).await.unwrap();
}

/// The places that were told, where each message's content is its place.
fn places(words: &[Value]) -> Vec<u64> {
    let messages = words.iter().filter(|word| word["type"] == "message");
    messages
        .map(|word| {
            assert_eq!(word["offset"], word["content"]);
            word["offset"].as_u64().unwrap()
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_broker_lost_without_a_word_is_read_from_the_log_as_soon_as_the_next_comes() {
    for history_takes in [Duration::ZERO, Duration::from_millis(30)] {
        let hub = hub(Faults { lost: Some(3), history_takes, ..Faults::default() }, Config::default());
        let mut ann = TestClient::connect_v1(&hub).await;
        ann.join("r").await;
        for content in 1..=100 {
            publish(&hub, content).await;
            if content % 10 == 0 {
                settle().await;
            }
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(places(&ann.words().await), (1..=100).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_broker_delivers_twice_is_told_once() {
    let hub = hub(Faults { doubled: Some(2), ..Faults::default() }, Config::default());
    let mut ann = TestClient::connect_v1(&hub).await;
    ann.join("r").await;
    for content in 1..=20 {
        publish(&hub, content).await;
    }
    assert_eq!(places(&ann.words().await), (1..=20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_is_published_while_a_join_reads_the_log_waits_beside_it_or_is_read_again() {
    // All of it may wait; or so little that the log is read again.
    for max_join_buffer in [1024, 5] {
        let faults = Faults { history_takes: Duration::from_secs(1), ..Faults::default() };
        let hub = hub(faults, Config { max_join_buffer, ..Config::default() });
        for content in 1..=10 {
            publish(&hub, content).await;
        }
        let mut ann = TestClient::connect_v1(&hub).await;
        ann.send(json!({"type": "join_room", "room": "r", "history": 4}));
        settle().await;
        for content in 11..=40 {
            publish(&hub, content).await;
        }
        ann.expect_nothing().await;
        let joined = ann.expect("joined").await;
        publish(&hub, 41).await;
        let places = places(&ann.words().await);
        let first = places[0];
        assert_eq!(places, (first..=41).collect::<Vec<_>>(), "after {joined}");
        assert_eq!(first, if max_join_buffer == 5 { 37 } else { 7 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_join_that_never_catches_up_is_refused_and_may_be_tried_again() {
    let faults = Faults { history_takes: Duration::from_millis(500), ..Faults::default() };
    let hub = hub(faults, Config { max_join_buffer: 5, ..Config::default() });
    let mut ann = TestClient::connect_v1(&hub).await;
    ann.send(json!({"type": "join_room", "room": "r", "id": 1}));
    for content in 1..=500 {
        publish(&hub, content).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answer = ann.recv().await;
    assert_eq!((&answer["code"], &answer["id"]), (&json!("unavailable"), &json!(1)));
    ann.expect_nothing().await;
    ann.join("r").await;
    publish(&hub, 501).await;
    assert_eq!(places(&ann.words().await), [501]);
}
