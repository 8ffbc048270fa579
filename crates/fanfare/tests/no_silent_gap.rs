//! C2: no gap is silent: a member of a room with history sees n, n+1, …, or an explicit gap with its range; all of it or nothing, never a part.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fanfare::{Config, EventName, History, Hub, Payload, Reject, RoomName, RoomPolicy, Session, Verb};
use fanfare_testkit::{Cluster, Dial, TestClient, settle};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use serde_json::{Value, json};

fn keeping(messages: usize) -> Hub {
    Hub::builder().rooms(move |_, _| RoomPolicy::with_history(History::last(messages))).build().unwrap()
}

async fn publish(hub: &Hub, content: u64) {
    let payload = Payload::new(&json!({"content": content})).unwrap();
    let name = EventName::new("message").unwrap();
    hub.room("r").unwrap().publish_event(name, payload).await.unwrap();
}

/// Checks that a member was told of every place from `place` on up to `top`, in order: by the message, by the place of a message that
/// is not for it, or by a gap. Returns the places that a gap took.
fn accounted(words: &[Value], mut place: u64, top: u64) -> Vec<u64> {
    let mut lost = Vec::new();
    for word in words.iter().filter(|word| word["room"] == "r") {
        match word["type"].as_str().unwrap() {
            "message" | "position" => {
                assert_eq!(word["offset"], place + 1, "after {place} in {words:#?}");
                place += 1;
            }
            "gap" => {
                let to = word["to"]["offset"].as_u64().unwrap();
                lost.extend(place + 1..=to);
                place = to;
            }
            _ => {}
        }
    }
    assert_eq!(place, top, "in {words:#?}");
    lost
}

#[tokio::test(start_paused = true)]
async fn a_join_since_a_place_brings_all_that_came_after_it() {
    let hub = keeping(100);
    let mut ann = TestClient::connect_v1(&hub).await;
    let epoch = ann.join("r").await["epoch"].clone();
    for content in 1..=30 {
        publish(&hub, content).await;
    }
    for (dial, top) in [(Dial::v1(), 30), (Dial::v1_binary(), 31)] {
        let mut bob = dial.connect(&hub).await;
        let since = json!({"epoch": epoch, "offset": 12});
        let joined = bob.ask(json!({"type": "join_room", "room": "r", "since": since})).await;
        assert_eq!((&joined["recovered"], &joined["offset"]), (&json!(true), &json!(top)));
        publish(&hub, top + 1).await;
        let words = bob.words().await;
        assert_eq!(accounted(&words, 12, top + 1), [0u64; 0]);
        let contents: Vec<_> = words.iter().filter_map(|word| word["content"].as_u64()).collect();
        assert_eq!(contents, (13..=top + 1).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_join_since_a_place_that_was_trimmed_brings_a_gap_and_nothing_of_the_past() {
    let hub = keeping(10);
    let mut ann = TestClient::connect_v1(&hub).await;
    let epoch = ann.join("r").await["epoch"].clone();
    for content in 1..=30 {
        publish(&hub, content).await;
    }
    let mut bob = TestClient::connect_v1(&hub).await;
    let since = json!({"epoch": epoch, "offset": 12});
    let joined = bob.ask(json!({"type": "join_room", "room": "r", "since": since})).await;
    assert_eq!(joined["recovered"], false);
    publish(&hub, 31).await;
    assert_eq!(accounted(&bob.words().await, 12, 31), (13..=30).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_place_of_another_epoch_brings_a_gap() {
    let hub = keeping(100);
    let mut ann = TestClient::connect_v1(&hub).await;
    let epoch = ann.join("r").await["epoch"].as_u64().unwrap();
    publish(&hub, 1).await;
    let mut bob = TestClient::connect_v1(&hub).await;
    let since = json!({"epoch": epoch ^ 1, "offset": 1});
    let joined = bob.ask(json!({"type": "join_room", "room": "r", "since": since})).await;
    assert_eq!(joined["recovered"], false);
    let gap = bob.find("a gap", |word| word["type"] == "gap").await;
    assert_eq!((&gap["from"], &gap["to"]), (&since, &json!({"epoch": epoch, "offset": 1})));
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_again_for_a_place_of_a_room_it_is_in_is_not_told_that_it_got_everything() {
    let hub = keeping(100);
    let mut ann = TestClient::connect_v1(&hub).await;
    let epoch = ann.join("r").await["epoch"].clone();
    for content in 1..=3 {
        publish(&hub, content).await;
    }
    ann.words().await;
    let since = json!({"epoch": epoch, "offset": 1});
    let joined = ann.ask(json!({"type": "join_room", "room": "r", "since": since})).await;
    let told = ann.contents().await;
    assert!(told == [2, 3] || joined["code"] == "already_joined", "{joined} and then {told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_room_without_history_cannot_be_recovered_and_says_so() {
    let hub = Hub::builder().build().unwrap();
    let mut ann = TestClient::connect_v1(&hub).await;
    let since = json!({"epoch": 1, "offset": 1});
    let joined = ann.ask(json!({"type": "join_room", "room": "r", "since": since})).await;
    assert_eq!(joined["recovered"], false);
    ann.expect("gap").await;
}

/// A hub whose permission checks take so long.
fn slow_joins(history: Option<History>, config: Config) -> Hub {
    Hub::builder()
        .config(config)
        .rooms(move |_, _| RoomPolicy { history, announce_up_to: 0, ..RoomPolicy::default() })
        .permit(async |_: Session, _: RoomName, verb: Verb| {
            if verb == Verb::Join {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok::<_, Reject>(())
        })
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_published_during_a_join_comes_after_its_acknowledgement_without_a_hole() {
    // The first fits beside the join, the second does not and is read from the log again.
    for waiting in [1024, 5] {
        let hub = slow_joins(Some(History::last(100)), Config { max_join_buffer: waiting, ..Config::default() });
        publish(&hub, 1).await;
        let mut ann = TestClient::connect_v1(&hub).await;
        ann.send(json!({"type": "join_room", "room": "r"}));
        settle().await;
        for content in 2..=20 {
            publish(&hub, content).await;
        }
        ann.expect_nothing().await;
        let joined = ann.expect("joined").await;
        publish(&hub, 21).await;
        let words = ann.words().await;
        assert_eq!(accounted(&words, joined["offset"].as_u64().unwrap(), 21), [0u64; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn without_history_too_a_join_under_fire_ends_with_the_newest_and_no_hole() {
    let hub = slow_joins(None, Config { max_join_buffer: 5, ..Config::default() });
    let mut ann = TestClient::connect_v1(&hub).await;
    ann.send(json!({"type": "join_room", "room": "r"}));
    settle().await;
    for content in 1..=20 {
        publish(&hub, content).await;
    }
    ann.expect("joined").await;
    publish(&hub, 21).await;
    let words = ann.words().await;
    let contents: Vec<u64> = words.iter().filter_map(|word| word["content"].as_u64()).collect();
    let told = words.iter().any(|word| word["type"] == "gap");
    // Nothing of before is promised here. But where it begins, it goes on.
    let first = *contents.first().unwrap();
    assert!(told || contents == (first..=21).collect::<Vec<_>>(), "{contents:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_cut_off_brings_what_it_missed_or_a_gap() {
    for (missed, gap) in [(5, false), (50, true)] {
        let policy = RoomPolicy::with_history(History::last(20));
        let cluster = Cluster::with(2, |builder| builder.rooms(move |_, _| policy));
        let mut ann = TestClient::connect_v1(cluster.hub(0)).await;
        ann.join("r").await;
        publish(cluster.hub(1), 1).await;
        cluster.cut(0);
        for content in 2..=missed {
            publish(cluster.hub(1), content).await;
        }
        cluster.heal(0);
        settle().await;
        publish(cluster.hub(1), missed + 1).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let lost = accounted(&ann.words().await, 0, missed + 1);
        assert_eq!(!lost.is_empty(), gap, "{lost:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_history_a_cut_is_told_as_a_gap_of_unknown_range() {
    let cluster = Cluster::new(2);
    let mut ann = TestClient::connect_v1(cluster.hub(0)).await;
    ann.join("r").await;
    cluster.cut(0);
    cluster.heal(0);
    let gap = ann.expect("gap").await;
    assert_eq!(gap, json!({"type": "gap", "room": "r"}));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    /// Two nodes, cuts, heals, losses of the log, members who come and go.
    #[test]
    fn however_the_lines_break_every_place_is_accounted_for(steps in prop::collection::vec(0..100u8, 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let policy = RoomPolicy::with_history(History::last(8));
            let cluster = Cluster::with(2, |builder| builder.rooms(move |_, _| policy));
            let mut member = TestClient::connect_v1(cluster.hub(0)).await;
            let mut place = member.join("r").await["offset"].as_u64().unwrap();
            let mut published = 0;
            for step in steps {
                match step {
                    0..60 => {
                        publish(cluster.hub(1), published).await;
                        published += 1;
                    }
                    60..68 => cluster.cut(0),
                    68..80 => cluster.heal(0),
                    80..90 => settle().await,
                    _ => tokio::time::sleep(Duration::from_millis(150)).await,
                }
            }
            cluster.heal(0);
            tokio::time::sleep(Duration::from_secs(3)).await;
            let words = member.words().await;
            accounted(&words, place, published);
            place = published;
            publish(cluster.hub(1), published).await;
            accounted(&member.words().await, place, published + 1);
        });
    }
}
