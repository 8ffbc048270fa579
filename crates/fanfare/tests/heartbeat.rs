//! A mute peer is gone the ping interval and the timeout after its last word, to the millisecond; who answers stays; a handshake has its deadline.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use fanfare::{
    CloseCode, Config, DisconnectReason, Handshake, Hub, HubBuilder, Identity, Payload, Refusal, Session, State,
};
use fanfare_testkit::{Dial, Heard, TestClient, settle};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

type Ends = Arc<Mutex<Vec<(Instant, DisconnectReason)>>>;

fn builder(ends: &Ends) -> HubBuilder {
    let config = Config { jitter_pings: false, ..Config::default() };
    Hub::builder().config(config).state(ends.clone()).on_disconnect(
        async |State(ends): State<Ends>, reason: DisconnectReason| ends.lock().unwrap().push((Instant::now(), reason)),
    )
}

/// When the only session ended, after `begin`, and why.
fn end(ends: &Ends, begin: Instant) -> Option<(u128, DisconnectReason)> {
    let ends = ends.lock().unwrap();
    ends.first().map(|(at, reason)| ((*at - begin).as_millis(), reason.clone()))
}

#[tokio::test(start_paused = true)]
async fn a_mute_peer_is_pinged_after_25_s_and_gone_after_45_s() {
    for dial in Dial::forms() {
        let ends = Ends::default();
        let hub = builder(&ends).build().unwrap();
        let begin = Instant::now();
        let mut ann = dial.connect(&hub).await;
        ann.mute();
        sleep_until(begin + Duration::from_millis(24_999)).await;
        assert_eq!(ann.next_until(Instant::now()).await, None);
        assert_eq!(ann.next_until(begin + Duration::from_millis(25_002)).await, Some(Heard::Ping));
        sleep_until(begin + Duration::from_millis(44_999)).await;
        assert_eq!((hub.stats().sessions, end(&ends, begin)), (1, None));
        sleep(Duration::from_millis(3)).await;
        let (at, reason) = end(&ends, begin).unwrap();
        assert!((45_000..=45_001).contains(&at), "{at}");
        assert_eq!(reason, DisconnectReason::Server(CloseCode::PingTimeout));
        // No time for a close: it would not be answered.
        assert_eq!(ann.all().await, [Heard::Close(4001, "ping timeout".into()), Heard::End]);
        assert_eq!(hub.stats().ping_timeouts, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_stays_for_ever() {
    let ends = Ends::default();
    let hub = builder(&ends).build().unwrap();
    let mut ann = TestClient::connect(&hub).await;
    sleep(Duration::from_secs(3600)).await;
    ann.expect_nothing().await;
    assert_eq!(hub.stats().sessions, 1);
    // One ping in each interval, and no more.
    assert!((72..=144).contains(&ann.pings), "{}", ann.pings);
}

#[tokio::test(start_paused = true)]
async fn any_word_of_a_peer_counts_as_a_sign_of_life() {
    let ends = Ends::default();
    let hub = builder(&ends).build().unwrap();
    let mut ann = TestClient::connect(&hub).await;
    ann.mute();
    for _ in 0..20 {
        sleep(Duration::from_secs(15)).await;
        ann.send(json!({"type": "ping"}));
    }
    settle().await;
    let last = Instant::now();
    assert_eq!(hub.stats().sessions, 1);
    sleep(Duration::from_secs(46)).await;
    let (after, _) = end(&ends, last).unwrap();
    assert!(after <= 45_000, "{after} ms after its last word");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_vanished_while_it_was_sent_to_is_gone_as_soon() {
    let ends = Ends::default();
    let hub = builder(&ends).build().unwrap();
    let begin = Instant::now();
    let mut ann = TestClient::connect(&hub).await;
    ann.join("r").await;
    ann.vanish();
    for _ in 0..44 {
        sleep(Duration::from_secs(1)).await;
        let payload = Payload::new(&json!({"content": "x".repeat(1000)})).unwrap();
        hub.room("r").unwrap().publish_event(fanfare::EventName::new("message").unwrap(), payload).await.unwrap();
    }
    sleep(Duration::from_secs(2)).await;
    let (after, reason) = end(&ends, begin).unwrap();
    assert_eq!(reason, DisconnectReason::Server(CloseCode::PingTimeout));
    assert!((45_000..=45_010).contains(&after), "{after}");
    assert_eq!(hub.stats().outbox_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_waits_for_a_busy_handler_is_not_taken_for_mute() {
    let ends = Ends::default();
    let config = Config { max_mailbox_events: 4, jitter_pings: false, ..Config::default() };
    let hub = builder(&ends)
        .config(config)
        .on_event("slow", async |_: Session, _: Payload| sleep(Duration::from_secs(100)).await)
        .build()
        .unwrap();
    let mut ann = TestClient::connect(&hub).await;
    for id in 0..10 {
        ann.send(json!({"type": "slow", "id": id}));
    }
    sleep(Duration::from_secs(1001)).await;
    let answers: Vec<u64> = ann.words().await.iter().filter_map(|word| word["id"].as_u64()).collect();
    assert_eq!(answers, (0..10).collect::<Vec<_>>());
    assert_eq!(hub.stats().sessions, 1);
}

#[tokio::test(start_paused = true)]
async fn pings_are_spread_over_a_quarter_of_the_interval() {
    let hub = Hub::builder().build().unwrap();
    let begin = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(TestClient::connect(&hub).await);
    }
    let (mut early, mut late) = (0, 0);
    sleep_until(begin + Duration::from_millis(18_600)).await;
    for client in &mut clients {
        client.expect_nothing().await;
        assert_eq!(client.pings, 0);
    }
    sleep_until(begin + Duration::from_millis(21_875)).await;
    for client in &mut clients {
        early += usize::from(client.next_until(Instant::now()).await.is_some());
    }
    sleep_until(begin + Duration::from_millis(25_002)).await;
    for client in &mut clients {
        late += usize::from(client.next_until(Instant::now()).await.is_some());
    }
    assert_eq!(early + late, 100);
    // About half of them came in the first half of the quarter, and all within it.
    assert!((30..=70).contains(&early), "{early}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_say_hello_is_closed_after_10_s() {
    let begin = Instant::now();
    let hub = Hub::builder().build().unwrap();
    let mut ann = Dial::v1().open(&hub).await.unwrap();
    sleep(Duration::from_millis(9_999)).await;
    assert_eq!(ann.next_until(Instant::now()).await, None);
    assert_eq!(ann.closed().await.0, 4501);
    assert!((10_000..=10_002).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    // The same where the credentials have to come, and come too late.
    let wait = async |handshake: Arc<Handshake>| match handshake.auth_payload() {
        Some(_) => Ok(Identity::guest()),
        None => Err(Refusal::CredentialsRequired),
    };
    let hub = Hub::builder().authenticate(wait).build().unwrap();
    let mut bob = Dial::plain().open(&hub).await.unwrap();
    sleep(Duration::from_secs(11)).await;
    bob.send(json!({"type": "hello", "token": "x"}));
    assert_eq!(bob.closed().await.0, 4501);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_not_answered_is_given_one_second() {
    let hub = Hub::builder().build().unwrap();
    let mut ann = TestClient::connect(&hub).await;
    ann.mute();
    let begin = Instant::now();
    hub.session(&ann.id()).unwrap().close(CloseCode::Kicked);
    assert_eq!(ann.closed().await.0, 4502);
    ann.ended().await;
    assert!((1_000..=1_002).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_may_ping_too_by_the_transport_and_by_the_protocol() {
    let hub = Hub::builder().build().unwrap();
    for dial in Dial::forms() {
        let mut ann = dial.connect(&hub).await;
        assert_eq!(ann.ask(json!({"type": "ping"})).await["type"], "pong");
        ann.ping();
        assert_eq!(ann.next_until(Instant::now() + Duration::from_secs(1)).await, Some(Heard::Pong));
    }
}
