//! What waits for peers is bounded: for each session, for the process, and in one turn; who is beyond it is told why, and nobody else waits.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fanfare::{Config, EventName, History, Hub, Overflow, Payload, RoomPolicy};
use fanfare_testkit::{Dial, Heard, TestClient, settle};
use serde_json::json;

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

#[tokio::test(start_paused = true)]
async fn what_is_sent_to_the_session_alone_ends_it_when_it_is_too_much() {
    let hub = hub(Overflow::DropOldest, false, Config::default());
    for dial in [Dial::plain(), Dial::v1()] {
        let mut slow = dial.connect(&hub).await;
        slow.stall();
        let session = hub.session(&slow.id()).unwrap();
        for content in 0..100 {
            let (name, payload) = word(content, 300);
            if session.send_event(name, payload).await.is_err() {
                break;
            }
            settle().await;
        }
        assert!(!session.is_open());
        slow.unstall();
        assert_eq!(slow.closed().await.0, 4000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_in_one_turn_is_bounded_as_well() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let hub = hub(overflow, true, Config::default());
        let mut slow = TestClient::connect_v1(&hub).await;
        slow.join("r").await;
        slow.stall();
        settle().await;
        for content in 1..=400 {
            publish(&hub, content, 1000).await;
        }
        settle().await;
        // The frame that was begun, and what the bound allows, a batch more.
        let most = OUTBOX + 80 * 1024;
        assert!(hub.stats().outbox_bytes <= most as u64, "{} bytes wait", hub.stats().outbox_bytes);
        slow.unstall();
        let words = slow.words().await;
        assert!(words.iter().any(|word| word["type"] == "gap"));
        let heard = words.iter().filter(|word| word["type"] == "message").count() as u64;
        assert_eq!(heard + hub.stats().dropped, 400);
    }
}

#[tokio::test(start_paused = true)]
async fn over_the_budget_of_the_process_whoever_is_behind_pays_first() {
    let budget = 64 * 1024;
    let config = Config { max_total_outbox_bytes: budget, ..Config::default() };
    let hub = hub(Overflow::Disconnect, false, config);
    let mut quick = TestClient::connect(&hub).await;
    quick.join("r").await;
    let mut slow = Vec::new();
    for _ in 0..40 {
        let mut client = TestClient::connect(&hub).await;
        client.join("r").await;
        client.stall();
        slow.push(client);
    }
    for content in 0..30 {
        publish(&hub, content, 300).await;
        assert_eq!(quick.expect("message").await["content"], content);
        settle().await;
        // Forty more messages before the shard sees that it is over.
        assert!(hub.stats().outbox_bytes <= (budget + 41 * 500) as u64, "{}", hub.stats().outbox_bytes);
    }
    assert!(hub.stats().slow_closed > 0);
    assert!(hub.session(&quick.id()).is_some());
    for client in &mut slow {
        client.unstall();
        let all = client.all().await;
        let open = hub.session(&client.id()).is_some();
        assert!(open || all.iter().any(|heard| matches!(heard, Heard::Close(4000, _))), "closed without a word");
    }
    settle().await;
    assert_eq!(hub.stats().outbox_bytes, 0);
}
