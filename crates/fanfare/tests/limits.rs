//! Every limit has a named outcome for who goes beyond it, and none for anybody else.
#![allow(clippy::unwrap_used)]

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fanfare::{CloseCode, Config, Hub, InboundRate, JoinError, Origins, Payload, Refusal, Session};
use fanfare_testkit::{Dial, TestClient, settle};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

fn hub(config: Config) -> Hub {
    Hub::builder().config(config).build().unwrap()
}

async fn refused(client: &mut TestClient, word: Value, code: &str) {
    let answer = client.ask(word.clone()).await;
    assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{word}");
    assert!(answer["message"].is_string());
}

#[tokio::test(start_paused = true)]
async fn a_room_too_many_is_refused_until_another_is_left() {
    let hub = hub(Config { max_rooms_per_session: 3, ..Config::default() });
    let mut ann = TestClient::connect(&hub).await;
    for room in ["a", "b", "c"] {
        ann.join(room).await;
    }
    refused(&mut ann, json!({"type": "join_room", "room": "d"}), "too_many_rooms").await;
    // A room that the session is in already is none too many.
    ann.join("a").await;
    let session = hub.session(&ann.id()).unwrap();
    assert_eq!(session.join("d").await, Err(JoinError::TooManyRooms));
    ann.leave("b").await;
    ann.join("d").await;
    assert_eq!(hub.stats().rooms, 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_name_is_refused() {
    let hub = hub(Config::default());
    let mut ann = TestClient::connect(&hub).await;
    ann.join(&"ä".repeat(127)).await;
    for (room, code) in [
        (json!(""), "bad_name"),
        (json!("x".repeat(256)), "bad_name"),
        (json!("a\nb"), "bad_name"),
        (json!("a\u{0}"), "bad_name"),
        (json!(7), "wrong_field"),
        (Value::Null, "missing_field"),
    ] {
        refused(&mut ann, json!({"type": "join_room", "room": room}), code).await;
    }
    refused(&mut ann, json!({"type": "message", "room": "never joined", "content": 1}), "not_joined").await;
    refused(&mut ann, json!({"type": "leave_room", "room": "never joined"}), "not_joined").await;
    refused(&mut ann, json!({"type": "message", "content": 1}), "missing_field").await;
    refused(&mut ann, json!({"type": "no_such_word"}), "unknown_event").await;
    assert!(hub.room("a\nb").is_err());
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_answered_and_after_a_hundred_of_it_the_session_ends_alone() {
    let hub = hub(Config::default());
    let mut bob = TestClient::connect(&hub).await;
    let mut ann = TestClient::connect(&hub).await;
    let nonsense =
        ["", "?", "[]", "{", "{}", "{\"type\":7}", "{\"type\":\"joined\"}", "{\"type\":\"ping\",\"type\":\"pong\"}"];
    for text in nonsense.iter().cycle().take(100) {
        ann.send_text(text);
        assert_eq!(ann.recv().await["type"], "error", "{text}");
    }
    ann.send_text(&"[".repeat(5000));
    assert_eq!(ann.closed().await.0, 4503);
    ann.ended().await;
    assert_eq!(bob.ask(json!({"type": "ping"})).await["type"], "pong");
    bob.expect_nothing().await;
    assert_eq!(hub.stats().bad_messages, 101);
}

#[tokio::test(start_paused = true)]
async fn after_the_last_straw_nothing_more_is_carried_out() {
    let ran = Arc::new(AtomicUsize::new(0));
    let count = ran.clone();
    let hub = Hub::builder()
        .config(Config { max_errors_per_session: 2, ..Config::default() })
        .on_event("count", move |_: Payload| {
            count.fetch_add(1, Ordering::Relaxed);
            async {}
        })
        .build()
        .unwrap();
    let mut ann = TestClient::connect(&hub).await;
    for _ in 0..3 {
        ann.send_text("?");
    }
    for _ in 0..10 {
        ann.send(json!({"type": "count"}));
    }
    assert_eq!(ann.closed().await.0, 4503);
    settle().await;
    assert_eq!(ran.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn beyond_its_rate_a_session_is_read_more_slowly_and_nothing_is_lost() {
    let rate = InboundRate { per_second: 100, burst: 50 };
    let hub = hub(Config { inbound_rate: Some(rate), ..Config::default() });
    let mut bob = TestClient::connect(&hub).await;
    let mut ann = TestClient::connect(&hub).await;
    for client in [&mut ann, &mut bob] {
        client.join("r").await;
    }
    sleep(Duration::from_secs(10)).await;
    let begin = Instant::now();
    bob.words().await;
    for content in 0..550 {
        ann.say("r", content);
    }
    let burst = bob.contents().await;
    assert!((50..=60).contains(&burst.len()), "{}", burst.len());
    let mut all = burst;
    while all.len() < 550 {
        sleep(Duration::from_millis(10)).await;
        all.extend(bob.contents().await);
    }
    assert_eq!(all, (0..550).map(Value::from).collect::<Vec<_>>());
    let took = begin.elapsed().as_secs_f64();
    assert!((4.9..=5.2).contains(&took), "500 beyond the burst of 50 took {took} s");
    assert_eq!(hub.stats().sessions, 2);
}

#[tokio::test(start_paused = true)]
async fn a_busy_session_is_not_read_beyond_its_mailbox_and_nothing_is_lost() {
    let running = Arc::new(AtomicUsize::new(0));
    let now = running.clone();
    let hub = Hub::builder()
        .config(Config { max_mailbox_events: 5, ..Config::default() })
        .on_event("slow", move |_: Session, payload: Payload| {
            assert_eq!(now.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
            let now = now.clone();
            async move {
                sleep(Duration::from_millis(100)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                payload
            }
        })
        .build()
        .unwrap();
    let mut ann = TestClient::connect(&hub).await;
    for number in 0..50 {
        ann.send(json!({"type": "slow", "id": number, "number": number}));
    }
    settle().await;
    // One under way, five in the mailbox, and what one more turn may read.
    assert!(hub.stats().messages_in <= 10, "{}", hub.stats().messages_in);
    // Another one is served meanwhile.
    let mut bob = TestClient::connect(&hub).await;
    assert_eq!(bob.ask(json!({"type": "ping"})).await["type"], "pong");
    sleep(Duration::from_secs(6)).await;
    let answers: Vec<Value> = ann.words().await.into_iter().map(|word| word["number"].clone()).collect();
    assert_eq!(answers, (0..50).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_connection_too_many_is_refused_and_its_place_is_free_again_when_one_goes() {
    let hub = hub(Config { max_connections: 2, ..Config::default() });
    let ann = TestClient::connect(&hub).await;
    let _bob = TestClient::connect(&hub).await;
    let refusal = Dial::plain().open(&hub).await.map(drop).unwrap_err();
    assert_eq!((&refusal, refusal.close_code()), (&Refusal::Full, CloseCode::TryAgainLater));
    drop(ann);
    settle().await;
    TestClient::connect(&hub).await;
    assert_eq!(hub.stats().refused, 1);
}

#[tokio::test(start_paused = true)]
async fn one_address_has_so_many_connections_and_no_more_but_for_this_machine() {
    let hub = hub(Config { max_connections_per_address: NonZeroUsize::new(2), ..Config::default() });
    // The first 64 bits of an IPv6 address are one subscriber's.
    for (same, other) in [
        (["192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3"], "192.0.2.2:1"),
        (["[2001:db8::1]:1", "[2001:db8::2]:2", "[2001:db8::3]:3"], "[2001:db8:0:1::1]:1"),
    ] {
        let mut open = Vec::new();
        for address in &same[..2] {
            open.push(Dial::plain().from(address.parse().unwrap()).connect(&hub).await);
        }
        let third = Dial::plain().from(same[2].parse().unwrap());
        assert_eq!(third.clone().open(&hub).await.map(drop), Err(Refusal::TooManyFromAddress));
        open.push(Dial::plain().from(other.parse().unwrap()).connect(&hub).await);
        open.remove(0);
        settle().await;
        third.connect(&hub).await;
    }
    let mut local = Vec::new();
    for port in 1..=5 {
        local.push(Dial::plain().from(([127, 0, 0, 1], port).into()).connect(&hub).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_another_origin_is_refused_before_anything_is_kept() {
    let hub = hub(Config { origins: Origins::List(vec!["https://app.example".into()]), ..Config::default() });
    let from = |origin: &str| Dial::plain().header("Host", "chat.example").header("Origin", origin);
    for good in ["https://app.example", "https://chat.example"] {
        from(good).connect(&hub).await;
    }
    for bad in ["https://evil.example", "https://app.example.evil.example", "null"] {
        let refusal = from(bad).open(&hub).await.map(drop).unwrap_err();
        assert_eq!((&refusal, refusal.http_status()), (&Refusal::Origin, 403));
    }
}

#[tokio::test(start_paused = true)]
async fn a_knob_that_does_not_fit_is_named() {
    for (config, field) in [
        (Config { max_outbox_bytes: 0, ..Config::default() }, "max_outbox_bytes"),
        (Config { ping_timeout: Duration::ZERO, ..Config::default() }, "ping_timeout"),
        (Config { idempotency_window: Duration::from_secs(1), ..Config::default() }, "idempotency_window"),
    ] {
        let error = Hub::builder().config(config).build().map(drop).unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
    }
}
