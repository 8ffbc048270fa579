//! What a lost session costs is bounded: how long and how many are remembered, and how much of what they missed is told again.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fanfare::{Config, EventName, History, Hub, HubBuilder, Payload, RoomPolicy, Session};
use fanfare_testkit::{Dial, TestClient, settle};
use serde_json::{Value, json};

fn builder() -> HubBuilder {
    Hub::builder().rooms(|_, room| match room.as_str() {
        "fleeting" => RoomPolicy::default(),
        _ => RoomPolicy { announce_up_to: 0, ..RoomPolicy::with_history(History::last(1000)) },
    })
}

async fn publish(hub: &Hub, room: &str, content: u64) {
    let payload = Payload::new(&json!({"content": content})).unwrap();
    hub.room(room).unwrap().publish_event(EventName::new("message").unwrap(), payload).await.unwrap();
}

async fn direct(session: &Session, content: u64) {
    let payload = Payload::new(&json!({"content": content})).unwrap();
    session.send_event(EventName::new("direct").unwrap(), payload).await.unwrap();
}

/// The contents of a room's messages, or of direct ones where `room` is null.
fn contents(words: &[Value], room: Value) -> Vec<u64> {
    words.iter().filter(|word| word["room"] == room).filter_map(|word| word["content"].as_u64()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_lost_something_tells_a_gap() {
    for known in [0, 3] {
        let config = Config {
            inbox_history: History { messages: 8, bytes: 100_000, age: Duration::from_secs(120) },
            ..Config::default()
        };
        let hub = builder().config(config).build().unwrap();
        let mut ann = TestClient::connect_v1(&hub).await;
        let session = hub.session(&ann.id()).unwrap();
        for content in 0..known {
            direct(&session, content).await;
        }
        ann.words().await;
        ann.vanish();
        for content in known..known + 10 {
            direct(&session, content).await;
        }
        settle().await;
        let mut again = Dial::v1().resuming(&ann).connect(&hub).await;
        let words = again.words().await;
        assert!(words.iter().any(|word| word["type"] == "gap" && word.get("room").is_none()), "{words:?}");
        assert_eq!(contents(&words, Value::Null), [0; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_missed_more_than_may_be_recovered_gets_a_gap_and_nothing_of_it() {
    let config = Config { max_recovered_messages: 10, ..Config::default() };
    let bytes = Config { max_recovered_bytes: 400, ..Config::default() };
    for config in [config, bytes] {
        for (missed, recovered) in [(10, true), (200, false)] {
            let hub = builder().config(config.clone()).build().unwrap();
            let mut ann = TestClient::connect_v1(&hub).await;
            ann.join("a").await;
            ann.cut();
            settle().await;
            for content in 1..=missed {
                publish(&hub, "a", content).await;
            }
            let mut again = Dial::v1().resuming(&ann).connect(&hub).await;
            let joined = again.expect("joined").await;
            assert_eq!((&joined["recovered"], &joined["offset"]), (&json!(recovered), &json!(missed)));
            publish(&hub, "a", missed + 1).await;
            let words = again.words().await;
            let expected: Vec<u64> = if recovered { (1..=missed + 1).collect() } else { vec![missed + 1] };
            assert_eq!(contents(&words, "a".into()), expected);
            let gap = words.iter().find(|word| word["type"] == "gap").map(|gap| gap["to"]["offset"].clone());
            assert_eq!(gap, (!recovered).then(|| json!(missed)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_with_its_time_and_with_a_goodbye() {
    type Ending = fn(&Hub, &mut TestClient);
    let ways: [(&str, bool, Ending); 5] = [
        ("lost", true, |_, client| client.cut()),
        ("restart", true, |hub, client| hub.session(&client.id()).unwrap().close(fanfare::CloseCode::Restart)),
        ("goodbye", false, |_, client| client.close(1000)),
        ("kicked", false, |hub, client| hub.session(&client.id()).unwrap().close(fanfare::CloseCode::Kicked)),
        ("never", false, |_, client| client.connected["resume"] = json!("AAAAAAAAAAAAAAAAAAAAAA")),
    ];
    for (way, resumable, end) in ways {
        for (after, in_time) in [(119_900, true), (120_005, false)] {
            let hub = builder().build().unwrap();
            let mut ann = TestClient::connect_v1(&hub).await;
            end(&hub, &mut ann);
            settle().await;
            ann.cut();
            tokio::time::sleep(Duration::from_millis(after)).await;
            let again = Dial::v1().resuming(&ann).connect(&hub).await;
            assert_eq!(again.connected["resumed"], resumable && in_time, "{way} after {after} ms");
            // What nobody came back for is forgotten by then.
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(hub.stats().resumable, 0, "{way} after {after} ms");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_oldest_lost_sessions_are_forgotten_first() {
    let hub = builder().config(Config { max_resumable_sessions: 3, ..Config::default() }).build().unwrap();
    let mut lost = Vec::new();
    for _ in 0..5 {
        let mut client = TestClient::connect_v1(&hub).await;
        client.cut();
        settle().await;
        lost.push(client);
    }
    assert_eq!(hub.stats().resumable, 3);
    let mut resumed = Vec::new();
    for client in &lost {
        resumed.push(Dial::v1().resuming(client).connect(&hub).await.connected["resumed"] == true);
        settle().await;
    }
    // Each client that did not resume is dropped at once and becomes a lost session itself, the newest.
    assert_eq!(resumed[0..2], [false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_was_closed_comes_back_and_misses_nothing() {
    let hub = builder().config(Config { max_outbox_bytes: 4096, ..Config::default() }).build().unwrap();
    let mut ann = TestClient::connect_v1(&hub).await;
    ann.join("a").await;
    let mut published = 0;
    ann.stall();
    while hub.stats().slow_closed == 0 {
        published += 1;
        publish(&hub, "a", published).await;
        settle().await;
        assert!(published < 300);
    }
    ann.unstall();
    let mut heard = contents(&ann.words().await, "a".into());
    assert!((heard.len() as u64) < published);
    let mut again = Dial::v1().resuming(&ann).connect(&hub).await;
    heard.extend(contents(&again.words().await, "a".into()));
    assert_eq!(heard, (1..=published).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn the_plain_form_is_not_resumed_and_costs_nothing_to_remember() {
    let hub = builder().build().unwrap();
    let mut ann = TestClient::connect(&hub).await;
    assert_eq!(ann.connected.get("resume"), None);
    ann.cut();
    settle().await;
    assert_eq!(hub.stats().resumable, 0);
}
