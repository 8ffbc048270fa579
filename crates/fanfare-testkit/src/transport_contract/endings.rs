//! How a connection ends: by either side's close, by its loss, by the end of the server.

use std::time::Duration;

use fanfare::{CloseCode, Config, DisconnectReason, Drain};
use serde_json::{Value, json};

use super::{
    Frame, Lack, TransportClient, TransportFixture,
    stage::{Stage, in_time, short},
};

/// A client's close is answered, with its own code where there are codes, and ends the session as the client's wish.
pub async fn a_clients_close_is_answered<F: TransportFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, Config::default()).await;
    let mut client = stage.client().await;
    client.raw.send(Frame::Close(4999, "bye".into())).await;
    if stage.lacks(Lack::CloseFrames) {
        client.ended().await;
        stage.ends(1).await;
        return stage.end().await;
    }
    let answer = client.next().await;
    assert!(
        matches!(answer, Some(Frame::Close(4999, _))),
        "a close is answered by its own code, got {}",
        short(&answer)
    );
    client.ended().await;
    assert_eq!(stage.ends(1).await, [(client.id, DisconnectReason::Client)]);
    stage.end().await;
}

/// A connection that is lost ends its session, and the others in its rooms are told.
pub async fn a_lost_connection_ends_the_session<F: TransportFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, Config::default()).await;
    let mut stays = stage.client().await;
    let mut lost = stage.client().await;
    stays.ask(json!({"type": "join_room", "room": "r"})).await;
    lost.ask(json!({"type": "join_room", "room": "r"})).await;
    let id = lost.id;
    lost.raw.cut();
    assert_eq!(stays.word_of("user_left").await["clientId"], id.to_string());
    assert_eq!(stage.ends(1).await, [(id, DisconnectReason::Lost)]);
    assert_eq!(stage.hub.stats().sessions, 1);
    stage.end().await;
}

/// The server's close reaches the client with its code and reason, behind all that was sent before.
pub async fn the_servers_close_reaches_the_client<F: TransportFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, Config::default()).await;
    let mut client = stage.client().await;
    client.send(json!({"type": "echo", "content": "before"})).await;
    assert_eq!(client.word().await["content"], "before");
    let session = stage.hub.session(&client.id).expect("a connected client has a session");
    let payload = fanfare::Payload::new(&json!({"content": "last"})).expect("an object is JSON");
    session.send_event(super::stage::name("word"), payload).await.expect("an open session takes what is sent");
    session.close_with(CloseCode::Kicked, "enough", None);
    assert_eq!(client.word().await["content"], "last");
    assert_eq!(client.closed().await, Some((4502, "enough".to_owned())));
    client.ended().await;
    assert_eq!(stage.ends(1).await, [(client.id, DisconnectReason::Server(CloseCode::Kicked))]);
    stage.end().await;
}

/// A drain tells each client that the server restarts and when to come back, and ends when all are gone.
pub async fn a_drain_tells_when_to_come_back<F: TransportFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, Config::default()).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(stage.client().await);
    }
    let how = Drain { pace: Duration::from_millis(100), ..Drain::default() };
    let hub = stage.hub.clone();
    let drain = tokio::spawn(async move { hub.drain(how).await });
    for client in &mut clients {
        let closing: Value = client.word_of("closing").await;
        assert_eq!(closing["code"], 1012);
        let after = closing["retryAfter"].as_u64().expect("a drain tells when to come back");
        assert!(u128::from(after) <= how.spread.as_millis(), "{after} ms is beyond the spread");
        if !stage.lacks(Lack::CloseFrames) {
            assert_eq!(client.closed().await.map(|(code, _)| code), Some(1012));
        }
        client.ended().await;
    }
    let drained = in_time("the drain", drain).await.expect("a drain does not panic");
    assert_eq!((drained.told, drained.cut), (5, 0));
}
