//! C5: when a log was lost its epoch changes, and the members are told by a gap within 5 s; old places never come again.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fanfare::{EventName, History, Payload, RoomPolicy};
use fanfare_testkit::{Cluster, TestClient, settle};
use serde_json::json;
use tokio::time::Instant;

fn cluster(nodes: usize) -> Cluster {
    Cluster::with(nodes, |builder| builder.rooms(|_, _| RoomPolicy::with_history(History::last(100))))
}

async fn publish(cluster: &Cluster, content: u64) -> fanfare::Position {
    let payload = Payload::new(&json!({"content": content})).unwrap();
    let room = cluster.hub(0).room("r").unwrap();
    room.publish_event(EventName::new("message").unwrap(), payload).await.unwrap().position.unwrap()
}

#[tokio::test(start_paused = true)]
async fn members_of_every_node_are_told_of_a_lost_log_within_5_s() {
    let cluster = cluster(2);
    let mut members = Vec::new();
    for node in 0..2 {
        let mut member = TestClient::connect_v1(cluster.hub(node)).await;
        member.join("r").await;
        members.push(member);
    }
    let before = publish(&cluster, 1).await;
    for member in &mut members {
        member.words().await;
    }
    cluster.lose();
    let begin = Instant::now();
    let mut epochs = Vec::new();
    for member in &mut members {
        let gap = member.find("a gap", |word| word["type"] == "gap" && word["room"] == "r").await;
        assert_eq!(gap["from"], json!({"epoch": before.epoch.0, "offset": 1}));
        assert_ne!(gap["to"]["epoch"], before.epoch.0);
        assert_eq!(gap["to"]["offset"], 0);
        epochs.push(gap["to"]["epoch"].as_u64().unwrap());
    }
    assert!(begin.elapsed() <= Duration::from_secs(5), "{:?}", begin.elapsed());
    let after = publish(&cluster, 2).await;
    assert_eq!(after.offset, 1);
    for (member, epoch) in members.iter_mut().zip(epochs) {
        let message = member.find("a message", |word| word["type"] == "message").await;
        assert_eq!((&message["epoch"], &message["offset"], &message["content"]), (&json!(epoch), &json!(1), &json!(2)));
        assert_eq!(epoch, u64::from(after.epoch.0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_published_at_once_into_the_new_log_is_not_lost() {
    let cluster = cluster(1);
    let mut ann = TestClient::connect_v1(cluster.hub(0)).await;
    ann.join("r").await;
    for content in 1..=5 {
        publish(&cluster, content).await;
    }
    ann.words().await;
    cluster.lose();
    let new = publish(&cluster, 6).await;
    settle().await;
    let words = ann.words().await;
    let gap = words.iter().find(|word| word["type"] == "gap" && word["room"] == "r").unwrap();
    // Either the message comes, or the gap says that it is lost.
    let told = words.iter().any(|word| word["content"] == 6 && word["epoch"] == new.epoch.0);
    let in_gap = gap["to"] == json!({"epoch": new.epoch.0, "offset": 1});
    assert!(told != in_gap, "{words:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_place_of_the_lost_log_is_not_taken_for_one_of_the_new() {
    let cluster = cluster(1);
    let mut ann = TestClient::connect_v1(cluster.hub(0)).await;
    ann.join("r").await;
    for content in 1..=5 {
        publish(&cluster, content).await;
    }
    ann.words().await;
    let old = ann.places["r"].clone();
    assert_eq!(old["offset"], 5);
    ann.leave("r").await;
    cluster.lose();
    // The new log reaches the old place and goes beyond it.
    for content in 11..=18 {
        publish(&cluster, content).await;
    }
    let joined = ann.ask(json!({"type": "join_room", "room": "r", "since": old})).await;
    assert_eq!((&joined["recovered"], &joined["offset"]), (&json!(false), &json!(8)));
    let words = ann.words().await;
    let words: Vec<_> = words.iter().filter(|word| word["room"] == "r").collect();
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!((&words[0]["type"], &words[0]["from"]), (&json!("gap"), &old));
}
