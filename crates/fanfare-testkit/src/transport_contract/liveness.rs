//! Liveness: who answers stays, who is mute goes.

use std::time::{Duration, Instant};

use fanfare::{CloseCode, Config, DisconnectReason};

use super::{Lack, TransportFixture, stage::Stage};

const INTERVAL: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(300);

fn config() -> Config {
    Config { ping_interval: INTERVAL, ping_timeout: TIMEOUT, jitter_pings: false, ..Config::default() }
}

/// A peer that answers nothing is gone after the ping interval and the timeout, and not before.
pub async fn a_mute_peer_is_gone_after_interval_and_timeout<F: TransportFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, config()).await;
    if left_out(&stage) {
        return;
    }
    let begin = Instant::now();
    let client = stage.client().await;
    // It reads no more, and so it answers no ping.
    let ends = stage.ends(1).await;
    assert_eq!(ends, [(client.id, DisconnectReason::Server(CloseCode::PingTimeout))]);
    assert!(begin.elapsed() >= INTERVAL + TIMEOUT, "gone after {:?}", begin.elapsed());
    stage.end().await;
}

/// A peer that answers pings and sends nothing else stays.
pub async fn a_peer_that_answers_stays<F: TransportFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, config()).await;
    if left_out(&stage) {
        return;
    }
    let mut client = stage.client().await;
    // Three times as long as a mute peer would live.
    let heard = tokio::time::timeout(3 * (INTERVAL + TIMEOUT), client.next()).await;
    assert!(heard.is_err(), "a quiet client heard {heard:?}");
    assert!(stage.hub.session(&client.id).is_some(), "a client that answers pings is gone");
    stage.end().await;
}

fn left_out<F: TransportFixture>(stage: &Stage<F>) -> bool {
    let left_out = stage.lacks(Lack::Heartbeat);
    if left_out {
        println!("left out: the fixture declares that its transport has no heartbeat");
    }
    left_out
}
