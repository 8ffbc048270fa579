//! The bounds, the clock and the faults of the memory broker; what it shares with every broker is in the contract suite.
#![allow(clippy::unwrap_used)]

mod random;

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::advance;

use super::*;
use crate::{
    EventName, Namespace, Payload, Position, RoomName,
    broker::{BrokerState, PublicationKind},
};

const SECOND: Duration = Duration::from_secs(1);
const KEEP: History = History { messages: 10, bytes: 1000, age: Duration::from_secs(60) };

#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Message(Vec<u8>, Option<Position>),
    Gap,
    State(BrokerState),
}

#[derive(Default)]
struct Recorder(Mutex<Vec<Seen>>);

impl Recorder {
    fn new() -> (Arc<Self>, Arc<dyn Sink>) {
        let recorder = Arc::new(Self::default());
        (recorder.clone(), recorder)
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock())
    }
}

impl Sink for Recorder {
    fn deliver(&self, _topic: &Topic, publication: Arc<Publication>, position: Option<Position>) {
        let PublicationKind::Raw(bytes) = &publication.kind else { panic!("only raw ones are published here") };
        self.0.lock().push(Seen::Message(bytes.to_vec(), position));
    }

    fn gap(&self, topic: Option<&Topic>) {
        assert_eq!(topic, None);
        self.0.lock().push(Seen::Gap);
    }

    fn state(&self, state: BrokerState) {
        self.0.lock().push(Seen::State(state));
    }
}

fn room(name: &str) -> Topic {
    Topic::room(Namespace::default(), RoomName::new(name).unwrap())
}

fn raw(text: &str) -> Arc<Publication> {
    Arc::new(Publication::new(PublicationKind::Raw(text.to_owned().into()), 0))
}

fn keyed(key: &str) -> Arc<Publication> {
    Arc::new(Publication { idempotency_key: Some(key.into()), ..Publication::clone(&raw("x")) })
}

async fn append(broker: &MemoryBroker, room_name: &str, text: &str) -> Position {
    broker.publish(&room(room_name), raw(text), Some(KEEP)).await.unwrap().position.unwrap()
}

async fn read(broker: &MemoryBroker, room_name: &str, since: Option<Position>) -> (Vec<u64>, Position, bool) {
    let query = HistoryQuery { since, max_messages: 100, max_bytes: 10_000 };
    let page = broker.history(&room(room_name), query).await.unwrap();
    (page.entries.iter().map(|entry| entry.position.offset).collect(), page.top, page.complete)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_on_two_nodes_see_one_order() {
    let bus = MemoryBus::new();
    let nodes = [Arc::new(bus.broker()), Arc::new(bus.broker())];
    let recorders = [Recorder::new(), Recorder::new()];
    for (node, (_, sink)) in nodes.iter().zip(&recorders) {
        node.subscribe(&room("a"), sink).await.unwrap();
    }
    let tasks = (0..8).map(|task| {
        let node = nodes[task % 2].clone();
        tokio::spawn(async move {
            for n in 0..250 {
                append(&node, "a", &format!("{task} {n}")).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let [first, second] = recorders.map(|(recorder, _)| recorder.take());
    let offsets = first.iter().map(|seen| match seen {
        Seen::Message(_, Some(position)) => position.offset,
        other => panic!("{other:?}"),
    });
    assert!(offsets.eq(1..=2000));
    assert!(first == second);
}

#[tokio::test(start_paused = true)]
async fn a_log_keeps_what_each_of_its_bounds_allows() {
    let broker = MemoryBroker::new();
    for (name, history, texts, kept) in [
        ("messages", History { messages: 2, ..KEEP }, ["a", "b", "c"], vec![2, 3]),
        ("bytes", History { bytes: 5, ..KEEP }, ["aaa", "bbb", "cc"], vec![2, 3]),
        ("one too large", History { bytes: 5, ..KEEP }, ["a", "b", "cccccc"], vec![]),
        ("nothing", History { messages: 0, ..KEEP }, ["a", "b", "c"], vec![]),
        ("age", History { age: SECOND * 2, ..KEEP }, ["a", "b", "c"], vec![2, 3]),
    ] {
        for text in texts {
            broker.publish(&room(name), raw(text), Some(history)).await.unwrap();
            advance(SECOND * 9 / 10).await;
        }
        let (offsets, top, complete) = read(&broker, name, None).await;
        assert_eq!((offsets, top.offset, complete), (kept, 3, true), "{name}");
        let (offsets, _, complete) = read(&broker, name, Some(Position::new(top.epoch, 0))).await;
        assert_eq!((offsets, complete), (vec![], false), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_new_again_after_its_window_and_never_before() {
    let options = MemoryOptions { max_idempotency_keys: 2, ..MemoryOptions::default() };
    let broker = MemoryBus::with_options(options).broker();
    let publish = async |key| broker.publish(&room("a"), keyed(key), Some(KEEP)).await;
    let first = publish("one").await.unwrap();
    advance(SECOND * 100).await;
    publish("two").await.unwrap();
    assert_eq!(publish("three").await, Err(BrokerError::Full), "forgetting a live key would break its promise");
    assert_eq!(read(&broker, "a", None).await.1.offset, 2, "what was refused was not appended");
    advance(SECOND * 199).await;
    assert_eq!(publish("one").await.unwrap(), Receipt { duplicate: true, ..first });
    advance(SECOND).await;
    assert_eq!(publish("one").await.map(|receipt| receipt.duplicate), Ok(false));
    assert_eq!(publish("three").await, Err(BrokerError::Full));
    assert_eq!(broker.bus().sizes().2, 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_used_again_outlives_what_is_forgotten_of_its_first_use() {
    let broker = MemoryBroker::new();
    let publish = async |key: u32| broker.publish(&room("a"), keyed(&key.to_string()), None).await.unwrap().duplicate;
    // More than one call forgets.
    for key in 0..40 {
        assert!(!publish(key).await);
    }
    advance(SECOND * 300).await;
    assert!(!publish(39).await);
    for key in 0..5 {
        assert!(!publish(key).await);
    }
    assert_eq!(broker.bus().sizes().2, 6, "what is forgotten is gone");
    assert!(publish(39).await);
}

#[tokio::test(start_paused = true)]
async fn keys_work_where_there_is_no_log() {
    let broker = MemoryBroker::new();
    let (recorder, sink) = Recorder::new();
    broker.subscribe(&room("a"), &sink).await.unwrap();
    for duplicate in [false, true] {
        let receipt = broker.publish(&room("a"), keyed("k"), None).await.unwrap();
        assert_eq!(receipt, Receipt { position: None, level: super::super::Level::Accepted, duplicate });
    }
    assert_eq!(recorder.take(), [Seen::Message(b"x".to_vec(), None)]);
}

#[tokio::test(start_paused = true)]
async fn the_log_that_was_unused_longest_makes_room_for_a_new_one() {
    let bus = MemoryBus::with_options(MemoryOptions { max_logs: 3, ..MemoryOptions::default() });
    let broker = bus.broker();
    let mut tops = Vec::new();
    for name in ["a", "b", "c"] {
        tops.push(append(&broker, name, "x").await);
        advance(SECOND).await;
    }
    assert_eq!(read(&broker, "a", None).await.1, tops[0]);
    advance(SECOND).await;
    append(&broker, "d", "x").await;
    assert_eq!(bus.sizes(), (3, 3, 0));
    assert_eq!(read(&broker, "a", None).await.1, tops[0], "it was read last");
    assert_eq!(read(&broker, "c", None).await.1, tops[2]);
    let (_, top, complete) = read(&broker, "b", Some(tops[1])).await;
    assert!(top.epoch != tops[1].epoch && !complete, "what was forgotten is told: {top:?}");
}

#[tokio::test(start_paused = true)]
async fn asking_for_the_tops_of_many_rooms_costs_other_rooms_nothing() {
    let bus = MemoryBus::with_options(MemoryOptions { max_logs: 10, ..MemoryOptions::default() });
    let broker = bus.broker();
    for name in ["a", "b", "c"] {
        append(&broker, name, "x").await;
    }
    for n in 0..1000 {
        advance(Duration::from_millis(1)).await;
        read(&broker, &format!("other {n}"), None).await;
    }
    for name in ["a", "b", "c"] {
        assert_eq!(read(&broker, name, None).await.0, [1]);
    }
    assert_eq!(bus.sizes(), (10, 10, 0));
}

#[tokio::test(start_paused = true)]
async fn topics_that_nobody_uses_any_more_are_forgotten() {
    let bus = MemoryBus::new();
    let broker = bus.broker();
    let (_, sink) = Recorder::new();
    for n in 0..50 {
        append(&broker, &format!("log {n}"), "x").await;
        read(&broker, &format!("top {n}"), None).await;
        let member = Member { client_id: SessionId::random(), user: None, info: None };
        broker.track(&room(&format!("member {n}")), &member, SECOND).await.unwrap();
        broker.subscribe(&room(&format!("sink {n}")), &sink).await.unwrap();
        broker.publish(&room("nobody"), raw("x"), None).await.unwrap();
        broker.publish(&room("nobody"), keyed(&format!("{n}")), None).await.unwrap();
    }
    assert_eq!(bus.sizes().0, 200);
    for n in 0..50 {
        broker.unsubscribe(&room(&format!("sink {n}"))).await.unwrap();
    }
    assert_eq!(bus.sizes().0, 150);
    advance(SECOND * 60).await;
    for _ in 0..50 {
        broker.presence(&room("any"), 1).await.unwrap();
    }
    assert_eq!(bus.sizes().0, 50, "the tops that were given out stay for an hour");
    advance(SECOND * 3540).await;
    for _ in 0..50 {
        broker.presence(&room("any"), 1).await.unwrap();
    }
    assert_eq!(bus.sizes(), (0, 0, 50));
}

#[tokio::test(start_paused = true)]
async fn a_log_with_subscribers_goes_on_when_its_messages_are_old() {
    let broker = MemoryBroker::new();
    let (_, sink) = Recorder::new();
    broker.subscribe(&room("a"), &sink).await.unwrap();
    let first = append(&broker, "a", "x").await;
    for _ in 0..10 {
        advance(SECOND * 60).await;
        broker.presence(&room("any"), 1).await.unwrap();
    }
    assert_eq!(read(&broker, "a", None).await, (vec![], first, true));
    assert_eq!(append(&broker, "a", "y").await, Position::new(first.epoch, 2));
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_node_said_about_presence_ends_with_its_leases() {
    let bus = MemoryBus::new();
    let (living, dead) = (bus.broker(), bus.broker());
    let member = Member { client_id: SessionId::random(), user: Some("ann".into()), info: Some(Payload::empty()) };
    dead.track(&room("a"), &member, SECOND * 15).await.unwrap();
    drop(dead);
    assert_eq!(living.presence(&room("a"), 10).await.unwrap(), (vec![member], 1));
    advance(SECOND * 15).await;
    assert_eq!(living.presence(&room("a"), 10).await.unwrap(), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn a_cut_node_misses_what_is_published_and_is_told_so() {
    let bus = MemoryBus::new();
    let (cut, other) = (bus.broker(), bus.broker());
    let (recorder, sink) = Recorder::new();
    cut.subscribe(&room("a"), &sink).await.unwrap();
    bus.cut(&cut);
    bus.cut(&cut);
    let missed = append(&other, "a", "missed").await;
    assert_eq!(cut.publish(&room("a"), raw("x"), None).await, Err(BrokerError::Unavailable));
    assert_eq!(cut.subscribe(&room("b"), &sink).await, Err(BrokerError::Unavailable));
    let query = HistoryQuery { since: None, max_messages: 1, max_bytes: 1 };
    assert_eq!(cut.history(&room("a"), query).await.map(|_| ()), Err(BrokerError::Unavailable));
    bus.heal(&cut);
    bus.heal(&cut);
    let next = append(&other, "a", "next").await;
    let seen = [Seen::State(BrokerState::Degraded), Seen::State(BrokerState::Up), Seen::Gap];
    assert_eq!(recorder.take(), [&seen[..], &[Seen::Message(b"next".to_vec(), Some(next))]].concat());
    assert_eq!(read(&cut, "a", Some(Position::new(missed.epoch, 0))).await.0, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_store_begins_new_epochs_and_says_so() {
    let bus = MemoryBus::new();
    let broker = bus.broker();
    let (recorder, sink) = Recorder::new();
    broker.subscribe(&room("a"), &sink).await.unwrap();
    let before = append(&broker, "a", "x").await;
    append(&broker, "unused", "x").await;
    recorder.take();
    bus.lose();
    assert_eq!(bus.sizes(), (1, 0, 0));
    let after = append(&broker, "a", "y").await;
    assert!(after.offset == 1 && after.epoch != before.epoch);
    assert_eq!(recorder.take(), [Seen::Gap, Seen::Message(b"y".to_vec(), Some(after))]);
    assert_eq!(read(&broker, "a", Some(before)).await, (vec![], after, false));
}

/// A sink that owns its broker and lets go of it in the middle of a delivery, as a hub does whose last handle goes then.
#[derive(Default)]
struct Owner(Mutex<Option<MemoryBroker>>);

impl Sink for Owner {
    fn deliver(&self, _: &Topic, _: Arc<Publication>, _: Option<Position>) {
        self.0.lock().take();
    }

    fn gap(&self, _: Option<&Topic>) {}

    fn state(&self, _: BrokerState) {}
}

#[tokio::test(start_paused = true)]
async fn a_broker_may_be_dropped_within_a_delivery() {
    let bus = MemoryBus::new();
    let other = bus.broker();
    let owner = Arc::new(Owner::default());
    let sink: Arc<dyn Sink> = owner.clone();
    let owned = bus.broker();
    owned.subscribe(&room("a"), &sink).await.unwrap();
    owned.subscribe(&room("b"), &sink).await.unwrap();
    *owner.0.lock() = Some(owned);
    drop(sink);
    let event = Publication::event(EventName::new("e").unwrap(), Payload::empty(), 0);
    other.publish(&room("a"), event.into(), None).await.unwrap();
    assert!(owner.0.lock().is_none());
    other.presence(&room("any"), 1).await.unwrap();
    assert_eq!(bus.sizes().0, 0);
    assert_eq!(Arc::strong_count(&owner), 1, "nothing keeps the sink of a broker that is gone");
}
