//! Bounds: what is too big, too slow or too many costs nobody else anything.

use std::time::Duration;

use fanfare::{CloseCode, Config, DisconnectReason, Payload, RoomName};
use serde_json::json;

use super::{
    Frame, TransportClient, TransportFixture,
    messages::sized,
    stage::{Stage, in_time, name},
};

/// A message over the limit ends its session with "too big", and nobody else notices.
pub async fn a_message_over_the_limit_ends_its_session_alone<F: TransportFixture>(fixture: F) {
    let max = 64 * 1024;
    let mut stage = Stage::new(fixture, Config { max_message_bytes: max, ..Config::default() }).await;
    let mut other = stage.client().await;
    let mut client = stage.client().await;
    client.raw.send(Frame::Text(sized(max + 1))).await;
    assert_eq!(client.closed().await.map(|(code, _)| code), Some(CloseCode::TooBig.code()));
    client.ended().await;
    assert_eq!(stage.ends(1).await, [(client.id, DisconnectReason::Server(CloseCode::TooBig))]);
    other.send(json!({"type": "echo", "content": 1})).await;
    assert_eq!(other.word().await["content"], 1);
    stage.end().await;
}

/// A client that does not read is closed with "slow" when its outbox is full; who reads gets everything meanwhile.
pub async fn a_slow_reader_is_closed_and_others_do_not_wait<F: TransportFixture>(fixture: F) {
    /// More than all buffers of a network between here and there: 64 MiB.
    const MOST: usize = 2048;
    // Long enough to read on after the close, however slow the machine: the code stands behind all that is on its way.
    let config = Config { max_outbox_bytes: 256 * 1024, close_timeout: Duration::from_secs(10), ..Config::default() };
    let mut stage = Stage::new(fixture, config).await;
    let mut reader = stage.client().await;
    let mut slow = stage.client().await;
    for client in [&mut reader, &mut slow] {
        client.ask(json!({"type": "join_room", "room": "r"})).await;
    }
    let room = stage.hub.room("r").expect("a valid name");
    let text: String = "x".repeat(32 * 1024);
    let mut published = 0;
    while stage.hub.stats().slow_closed == 0 {
        assert!(published < MOST, "a client that does not read is not closed after {MOST} messages of 32 KiB");
        let payload = Payload::new(&json!({"number": published, "text": text})).expect("an object is JSON");
        in_time("a publish beside a slow reader", room.publish_event(name("count"), payload)).await.expect("published");
        // The reader has each message before the next is published: it never waits for the slow one.
        assert_eq!(reader.word_of("count").await["number"], published);
        published += 1;
    }
    assert_eq!(stage.ends(1).await, [(slow.id, DisconnectReason::Server(CloseCode::Slow))]);
    assert_eq!(slow.closed().await.map(|(code, _)| code), Some(CloseCode::Slow.code()));
    slow.ended().await;
    reader.send(json!({"type": "echo", "content": "still here"})).await;
    assert_eq!(reader.word_of("echo").await["content"], "still here");
    assert!(!stage.hub.session(&slow.id).is_some_and(|session| session.is_in(&RoomName::new("r").expect("valid"))));
    stage.end().await;
}

/// Five hundred connections come and go, in three ways, and nothing of them stays behind.
pub async fn connections_come_and_go_and_leave_nothing<F: TransportFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, Config::default()).await;
    let mut ended = 0;
    for _ in 0..10 {
        let mut clients = Vec::new();
        for _ in 0..50 {
            let mut client = stage.client().await;
            client.ask(json!({"type": "join_room", "room": "r"})).await;
            clients.push(client);
        }
        assert_eq!(stage.hub.stats().sessions, 50);
        for (number, mut client) in clients.into_iter().enumerate() {
            match number % 3 {
                0 => client.raw.cut(),
                1 => {
                    client.raw.send(Frame::Close(1000, String::new())).await;
                    client.ended().await;
                }
                _ => {
                    let session = stage.hub.session(&client.id).expect("a connected client has a session");
                    session.close(CloseCode::Kicked);
                    client.ended().await;
                }
            }
        }
        ended += 50;
        stage.ends(ended).await;
        assert_eq!(stage.hub.stats().sessions, 0);
    }
    let stats = stage.hub.stats();
    assert_eq!((stats.sessions, stats.rooms, stats.accepted, stats.ended), (0, 0, 500, 500));
    stage.end().await;
}
