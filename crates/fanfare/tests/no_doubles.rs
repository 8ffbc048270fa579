//! C3: no place is told twice, and a publication with an idempotency key is applied once within five minutes at least.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fanfare::{EventName, History, Hub, Level, Payload, Reject, RoomName, RoomPolicy, Session, Verb};
use fanfare_testkit::{Cluster, TestClient, settle};
use serde_json::{Value, json};

fn with_history() -> Hub {
    Hub::builder().rooms(|_, _| RoomPolicy::with_history(History::last(100))).build().unwrap()
}

fn word(content: u64) -> (EventName, Payload) {
    (EventName::new("message").unwrap(), Payload::new(&json!({"content": content})).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_publication_with_a_key_is_applied_once_and_answers_with_the_first_receipt() {
    for (hub, level) in [(with_history(), Level::Appended), (Hub::builder().build().unwrap(), Level::Accepted)] {
        let mut ann = TestClient::connect_v1(&hub).await;
        ann.join("r").await;
        let room = hub.room("r").unwrap();
        let mut receipts = Vec::new();
        for content in 1..=3 {
            let (name, payload) = word(content);
            receipts.push(room.to().idempotent("k").publish_event(name, payload).await.unwrap());
        }
        assert_eq!(receipts.iter().map(|receipt| receipt.duplicate).collect::<Vec<_>>(), [false, true, true]);
        assert!(receipts.iter().all(|receipt| receipt.position == receipts[0].position && receipt.level == level));
        assert_eq!(ann.contents().await, [1]);
        // Another key is another publication, and so is the same key in another room.
        let (name, payload) = word(4);
        assert!(!room.to().idempotent("other").publish_event(name, payload).await.unwrap().duplicate);
        let (name, payload) = word(5);
        assert!(!hub.room("q").unwrap().to().idempotent("k").publish_event(name, payload).await.unwrap().duplicate);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_remembered_for_five_minutes() {
    let hub = with_history();
    let room = hub.room("r").unwrap();
    for (after, duplicate) in [(0, false), (299, true), (2, false)] {
        tokio::time::sleep(Duration::from_secs(after)).await;
        let (name, payload) = word(1);
        let receipt = room.to().idempotent("k").publish_event(name, payload).await.unwrap();
        assert_eq!(receipt.duplicate, duplicate, "after {after} s more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_repeats_its_message_is_acknowledged_and_heard_once() {
    let hub = with_history();
    let mut ann = TestClient::connect_v1(&hub).await;
    let mut bob = TestClient::connect_v1(&hub).await;
    ann.join("r").await;
    bob.join("r").await;
    let say = json!({"type": "message", "room": "r", "content": 1, "key": "k"});
    let first = ann.ask(say.clone()).await;
    let second = ann.ask(say).await;
    for answer in [&first, &second] {
        assert_eq!((&answer["type"], &answer["offset"]), (&json!("ack"), &json!(1)), "{answer}");
    }
    assert_eq!(bob.contents().await, [1]);
}

#[tokio::test(start_paused = true)]
async fn two_clients_that_chose_the_same_key_do_not_lose_each_others_messages() {
    let hub = with_history();
    let mut ann = TestClient::connect_v1(&hub).await;
    let mut bob = TestClient::connect_v1(&hub).await;
    let mut eve = TestClient::connect_v1(&hub).await;
    for client in [&mut ann, &mut bob, &mut eve] {
        client.join("r").await;
    }
    ann.ask(json!({"type": "message", "room": "r", "content": "ann", "key": "1"})).await;
    bob.ask(json!({"type": "message", "room": "r", "content": "bob", "key": "1"})).await;
    assert_eq!(eve.contents().await, ["ann", "bob"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_key_at_once_on_several_nodes_is_applied_once() {
    let cluster = Cluster::with(3, |builder| builder.rooms(|_, _| RoomPolicy::with_history(History::last(100))));
    let mut ann = TestClient::connect_v1(cluster.hub(0)).await;
    ann.join("r").await;
    let publish = |node: usize| {
        let room = cluster.hub(node).room("r").unwrap();
        let (name, payload) = word(7);
        room.to().idempotent("k").publish_event(name, payload)
    };
    let (a, b, c) = tokio::join!(publish(0), publish(1), publish(2));
    let applied = [a, b, c].into_iter().filter(|receipt| !receipt.as_ref().unwrap().duplicate).count();
    assert_eq!(applied, 1);
    assert_eq!(ann.contents().await, [7]);
}

#[tokio::test(start_paused = true)]
async fn what_a_join_reads_from_the_log_does_not_come_live_again() {
    let hub = Hub::builder()
        .rooms(|_, _| RoomPolicy { announce_up_to: 0, ..RoomPolicy::with_history(History::last(100)) })
        .permit(async |_: Session, _: RoomName, _: Verb| {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok::<_, Reject>(())
        })
        .build()
        .unwrap();
    let room = hub.room("r").unwrap();
    let publisher = tokio::spawn({
        let room = room.clone();
        async move {
            for content in 1..=300 {
                let (name, payload) = word(content);
                room.publish_event(name, payload).await.unwrap();
                if content % 3 == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    });
    let mut members = Vec::new();
    for _ in 0..5 {
        let mut member = TestClient::connect_v1(&hub).await;
        member.send(json!({"type": "join_room", "room": "r", "history": 50}));
        members.push(member);
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    publisher.await.unwrap();
    settle().await;
    for member in &mut members {
        let words = member.words().await;
        let offsets: Vec<u64> = words
            .iter()
            .filter(|word| word["type"] == "message")
            .map(|word| word["offset"].as_u64().unwrap())
            .collect();
        let first = offsets[0];
        assert_eq!(offsets, (first..=300).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_join_that_is_repeated_brings_nothing_again() {
    let hub = with_history();
    let (name, payload) = word(1);
    hub.room("r").unwrap().publish_event(name, payload).await.unwrap();
    let mut ann = TestClient::connect_v1(&hub).await;
    ann.ask(json!({"type": "join_room", "room": "r", "history": 5})).await;
    assert_eq!(ann.contents().await, [1]);
    ann.join("r").await;
    let rest: Vec<Value> = ann.words().await;
    assert_eq!(rest, [Value::Null; 0]);
}
