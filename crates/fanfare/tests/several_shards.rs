//! Several shards on several threads keep the same promises: one order, nothing lost, nothing doubled, nobody left behind.
#![allow(clippy::unwrap_used)]

use std::{num::NonZeroUsize, time::Duration};

use fanfare::{Config, EventName, History, Hub, Payload, RoomPolicy};
use fanfare_testkit::TestClient;
use serde_json::{Value, json};
use tokio::{sync::Barrier, task::JoinSet, time::timeout};

/// These run in real time, on real threads: the only bound is that they end.
const LIMIT: Duration = Duration::from_secs(60);

fn hub(shards: usize) -> Hub {
    Hub::builder()
        .config(Config { shards: NonZeroUsize::new(shards), max_shard_queue: 64, ..Config::default() })
        .rooms(|_, _| RoomPolicy::with_history(History::last(10_000)))
        .build()
        .unwrap()
}

/// The next word about a message of the room: itself, or the place of one's own.
async fn next_place(client: &mut TestClient) -> (u64, Option<Value>) {
    loop {
        let word = client.recv().await;
        match word["type"].as_str().unwrap() {
            "message" => return (word["offset"].as_u64().unwrap(), Some(word["content"].clone())),
            "position" => return (word["offset"].as_u64().unwrap(), None),
            "gap" | "error" => panic!("{word}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn members_on_every_shard_see_one_order_whoever_publishes() {
    const CLIENTS: usize = 12;
    const MESSAGES: usize = 60;
    let hub = hub(4);
    let all_in = std::sync::Arc::new(Barrier::new(CLIENTS));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (hub, all_in) = (hub.clone(), all_in.clone());
        clients.spawn(async move {
            let mut client = TestClient::connect_v1(&hub).await;
            client.join("r").await;
            all_in.wait().await;
            for message in 0..MESSAGES {
                client.say("r", format!("{number} {message}"));
                if message % 16 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            let mut seen = Vec::new();
            for expected in 1..=CLIENTS * MESSAGES {
                let (offset, content) = next_place(&mut client).await;
                assert_eq!(offset, expected as u64, "client {number}");
                seen.push(content);
            }
            (number, seen)
        });
    }
    let seen = timeout(LIMIT, clients.join_all()).await.expect("everything comes");
    for place in 0..CLIENTS * MESSAGES {
        let mut contents = seen.iter().filter_map(|(_, seen)| seen[place].as_ref());
        let first = contents.next().unwrap();
        assert!(contents.all(|content| content == first), "place {place}");
        // Everyone but the publisher has it.
        assert_eq!(seen.iter().filter(|(_, seen)| seen[place].is_some()).count(), CLIENTS - 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn members_that_come_and_go_on_every_shard_miss_nothing_between_their_acknowledgements() {
    let hub = hub(3);
    let publishing = {
        let hub = hub.clone();
        tokio::spawn(async move {
            let room = hub.room("r").unwrap();
            for number in 0..3_000_u32 {
                let payload = Payload::new(&json!({"content": number})).unwrap();
                room.publish_event(EventName::new("message").unwrap(), payload).await.unwrap();
                if number % 8 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        })
    };
    let mut clients = JoinSet::new();
    for _ in 0..9 {
        let hub = hub.clone();
        clients.spawn(async move {
            let mut client = TestClient::connect_v1(&hub).await;
            for _ in 0..8 {
                let joined = client.join("r").await;
                let mut last = joined["offset"].as_u64().unwrap();
                client.send(json!({"type": "ping", "id": 7}));
                client.send(json!({"type": "leave_room", "room": "r", "id": 8}));
                loop {
                    let word = client.recv().await;
                    match word["type"].as_str().unwrap() {
                        "message" => {
                            assert_eq!(word["offset"], last + 1);
                            last += 1;
                        }
                        "left" => break,
                        "gap" | "error" => panic!("{word}"),
                        _ => {}
                    }
                }
            }
            client.close(1000);
            client.ended().await;
        });
    }
    timeout(LIMIT, clients.join_all()).await.expect("nobody waits for ever");
    timeout(LIMIT, publishing).await.expect("the publisher is not held up for ever").unwrap();
    assert_eq!(hub.stats().sessions, 0);
    hub.close().await;
}
