//! A slow peer costs at most its outbox, holds up nobody, and what it loses it is told, by the policy of the room: nothing is lost silently.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fanfare::{Config, EventName, History, Hub, Overflow, Payload, RoomPolicy};
use fanfare_testkit::{Dial, Heard, TestClient, settle};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use serde_json::{Value, json};

const OUTBOX: usize = 8 * 1024;

fn hub(overflow: Overflow, history: bool, config: Config) -> Hub {
    let history = history.then(|| History { messages: 10_000, bytes: 1 << 30, age: Duration::from_secs(600) });
    Hub::builder()
        .config(Config { max_outbox_bytes: OUTBOX, ..config })
        .rooms(move |_, _| RoomPolicy { history, overflow, announce_up_to: 0 })
        .build()
        .unwrap()
}

fn word(content: u64, size: usize) -> (EventName, Payload) {
    let payload = Payload::new(&json!({"content": content, "pad": "x".repeat(size)})).unwrap();
    (EventName::new("message").unwrap(), payload)
}

async fn publish(hub: &Hub, content: u64, size: usize) {
    let (name, payload) = word(content, size);
    hub.room("r").unwrap().publish_event(name, payload).await.unwrap();
}

/// The places of a room with history that a client was told of, in order, as `(first, last, lost)`.
fn ranges(words: &[Value]) -> Vec<(u64, u64, bool)> {
    let mut ranges: Vec<(u64, u64, bool)> = Vec::new();
    for word in words.iter().filter(|word| word["room"] == "r") {
        match word["type"].as_str().unwrap() {
            "gap" => {
                let (from, to) = (word["from"]["offset"].as_u64().unwrap(), word["to"]["offset"].as_u64().unwrap());
                ranges.push((from + 1, to, true));
            }
            "message" | "position" => {
                let offset = word["offset"].as_u64().unwrap();
                ranges.push((offset, offset, false));
            }
            _ => {}
        }
    }
    ranges
}

/// Checks that the ranges lie end to end from 1 to `top`. Returns how many places were lost.
fn lost(words: &[Value], top: u64) -> u64 {
    let (mut next, mut lost) = (1, 0);
    for (first, last, is_gap) in ranges(words) {
        assert_eq!(first, next, "{:?}", ranges(words));
        assert!(last >= first, "{:?}", ranges(words));
        lost += if is_gap { last - first + 1 } else { 0 };
        next = last + 1;
    }
    assert_eq!(next, top + 1, "{:?}", ranges(words));
    lost
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_drops_is_told_with_its_exact_range() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        for dial in [Dial::v1(), Dial::v1_binary()] {
            let hub = hub(overflow, true, Config::default());
            let mut slow = dial.connect(&hub).await;
            slow.join("r").await;
            slow.stall();
            for content in 1..=200 {
                publish(&hub, content, 300).await;
                settle().await;
                assert!(hub.stats().outbox_bytes <= OUTBOX as u64 + 200, "{}", hub.stats().outbox_bytes);
            }
            slow.unstall();
            publish(&hub, 201, 300).await;
            let words = slow.words().await;
            let lost = lost(&words, 201);
            assert!(lost > 100, "{lost}");
            assert_eq!(hub.stats().dropped, lost);
            let gaps: Vec<_> = ranges(&words).into_iter().filter(|(_, _, is_gap)| *is_gap).collect();
            assert_eq!(gaps.len(), 1, "a gap grows and is told once: {gaps:?}");
            let newest =
                words.iter().filter_map(|word| word["content"].as_u64()).filter(|content| *content < 201).max();
            assert_eq!(newest == Some(200), overflow == Overflow::DropOldest, "{newest:?}");
            assert_eq!(hub.stats().sessions, 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_history_the_gap_is_told_without_a_range() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let hub = hub(overflow, false, Config::default());
        let mut slow = TestClient::connect(&hub).await;
        slow.join("r").await;
        slow.stall();
        for content in 1..=100 {
            publish(&hub, content, 300).await;
            settle().await;
        }
        slow.unstall();
        let words = slow.words().await;
        let gaps: Vec<_> = words.iter().filter(|word| word["type"] == "gap").collect();
        assert_eq!(gaps, [&json!({"type": "gap", "room": "r"})]);
        let heard = words.iter().filter(|word| word["type"] == "message").count() as u64;
        assert_eq!(heard + hub.stats().dropped, 100);
    }
}

#[tokio::test(start_paused = true)]
async fn by_default_a_slow_peer_is_closed_and_may_come_back() {
    let hub = hub(Overflow::Disconnect, true, Config::default());
    let mut slow = TestClient::connect_v1(&hub).await;
    let mut quick = TestClient::connect_v1(&hub).await;
    slow.join("r").await;
    quick.join("r").await;
    slow.stall();
    for content in 1..=100 {
        publish(&hub, content, 300).await;
        // Nobody waits for the slow one.
        assert_eq!(quick.expect("message").await["content"], content);
    }
    assert_eq!((hub.stats().slow_closed, hub.stats().sessions, hub.stats().resumable), (1, 1, 1));
    slow.unstall();
    let all = slow.all().await;
    assert_eq!(all[all.len() - 2..], [Heard::Close(4000, "reading too slowly".into()), Heard::End]);
    assert_eq!(hub.stats().outbox_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn of_states_only_the_newest_of_each_key_waits() {
    let hub = hub(Overflow::Conflate, false, Config::default());
    let mut slow = TestClient::connect(&hub).await;
    let mut quick = TestClient::connect(&hub).await;
    slow.join("r").await;
    quick.join("r").await;
    slow.stall();
    let mut heard = 0;
    for content in 0..200u64 {
        let key = format!("key {}", content % 4);
        let payload = Payload::new(&json!({"content": content, "key": key, "pad": "x".repeat(300)})).unwrap();
        let name = EventName::new("price").unwrap();
        hub.room("r").unwrap().to().conflate_by(key).publish_event(name, payload).await.unwrap();
        heard += usize::from(quick.recv().await["content"] == content);
    }
    assert_eq!(heard, 200, "who is not behind gets all");
    slow.unstall();
    let words = slow.words().await;
    assert!(words.len() < 40, "{}", words.len());
    assert!(words.iter().all(|word| word["type"] == "price"), "no state was lost: {words:?}");
    for key in 0..4 {
        let of_key = words.iter().filter(|word| word["key"] == format!("key {key}"));
        let contents: Vec<u64> = of_key.map(|word| word["content"].as_u64().unwrap()).collect();
        assert_eq!(contents.last(), Some(&(196 + key)));
        assert!(contents.is_sorted(), "{contents:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn states_of_a_room_with_history_keep_its_order_and_account_for_every_place() {
    let hub = hub(Overflow::Conflate, true, Config::default());
    let mut slow = TestClient::connect_v1(&hub).await;
    slow.join("r").await;
    slow.stall();
    for content in 1..=100u64 {
        let (name, payload) = word(content, 300);
        let key = format!("key {}", content % 3);
        hub.room("r").unwrap().to().conflate_by(key).publish_event(name, payload).await.unwrap();
        settle().await;
    }
    slow.unstall();
    let words = slow.words().await;
    lost(&words, 100);
    let heard = words.iter().filter(|word| word["type"] == "message").count();
    assert!(heard < 50, "{heard}");
    for newest in 98..=100 {
        assert!(words.iter().any(|word| word["content"] == newest), "{newest}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_volatile_is_dropped_for_who_is_behind_without_a_gap() {
    let hub = hub(Overflow::Disconnect, true, Config::default());
    let mut slow = TestClient::connect_v1(&hub).await;
    let mut quick = TestClient::connect_v1(&hub).await;
    slow.join("r").await;
    quick.join("r").await;
    slow.stall();
    for content in 1..=20 {
        publish(&hub, content, 300).await;
    }
    settle().await;
    for _ in 0..1000 {
        let (name, payload) = word(0, 300);
        hub.room("r").unwrap().to().volatile().publish_event(name, payload).await.unwrap();
        settle().await;
    }
    assert_eq!(quick.words().await.iter().filter(|word| word["content"] == 0).count(), 1000);
    assert_eq!(hub.stats().slow_closed, 0);
    slow.unstall();
    let words = slow.words().await;
    assert_eq!((lost(&words, 20), words.iter().filter(|word| word["content"] == 0).count()), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    /// Publications of a member, of another and of the server, in all sizes, while the member reads and does not read.
    #[test]
    fn however_slowly_a_peer_reads_every_place_is_accounted_for(
        oldest in any::<bool>(),
        steps in prop::collection::vec((0..10u8, 0..2000usize), 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let overflow = if oldest { Overflow::DropOldest } else { Overflow::DropNewest };
            let hub = hub(overflow, true, Config::default());
            let mut slow = TestClient::connect_v1(&hub).await;
            slow.join("r").await;
            let session = hub.session(&slow.id()).unwrap();
            let mut published = 0;
            for (step, size) in steps {
                match step {
                    0..4 => publish(&hub, published, size).await,
                    4 => {
                        let (name, payload) = word(published, size);
                        session.to("r").publish_event(name, payload).await.unwrap();
                    }
                    5 | 6 => {
                        slow.stall();
                        continue;
                    }
                    7 => {
                        slow.unstall();
                        continue;
                    }
                    _ => {
                        settle().await;
                        continue;
                    }
                }
                published += 1;
            }
            settle().await;
            slow.unstall();
            let words = slow.words().await;
            lost(&words, published);
        });
    }
}
