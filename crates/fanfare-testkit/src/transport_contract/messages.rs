//! Messages: whole, in order, untouched.

use fanfare::Config;
use serde_json::json;

use super::{
    Frame, Lack, TransportClient, TransportFixture,
    stage::{Stage, name, short},
};

/// Text arrives as it was sent, in both directions, whatever is in it.
pub async fn text_arrives_as_it_was_sent<F: TransportFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, Config::default()).await;
    let mut client = stage.client().await;
    for text in ["", "hello", "äöü €𝄞", "\u{0}\u{7f}\u{2028}", "\r\n\n", "\"\\/{}[]"] {
        client.send(json!({"type": "echo", "content": text})).await;
        assert_eq!(client.word_of("echo").await["content"], text);
    }
    stage.end().await;
}

/// Bytes arrive as they were sent, in both directions. On a transport without binary messages they go nowhere.
pub async fn bytes_arrive_as_they_were_sent<F: TransportFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, Config::default()).await;
    let mut client = stage.client().await;
    if stage.lacks(Lack::Binary) {
        let session = stage.hub.session(&client.id).expect("a connected client has a session");
        session.send_raw(vec![0, 255]).await.expect("an open session takes what is sent");
        // A message behind them shows that nothing came in their place.
        client.send(json!({"type": "echo", "content": 1})).await;
        assert_eq!(client.word().await["type"], "echo");
        return stage.end().await;
    }
    for bytes in [vec![], vec![0, 255, 254, 10, 13], (0..=255).collect::<Vec<u8>>(), vec![0x80; 5000]] {
        client.raw.send(Frame::Binary(bytes.clone())).await;
        let frame = client.next().await;
        assert!(frame == Some(Frame::Binary(bytes)), "got {}", short(&frame));
    }
    stage.end().await;
}

/// A thousand messages arrive in their order, sent without waiting, in both directions at once.
pub async fn a_thousand_messages_arrive_in_order<F: TransportFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, Config::default()).await;
    let mut client = stage.client().await;
    for number in 0..1000 {
        client.send(json!({"type": "echo", "number": number})).await;
    }
    for number in 0..1000 {
        assert_eq!(client.word_of("echo").await["number"], number);
    }
    // Faster than the client reads: what the server queues is sent in its order too.
    let session = stage.hub.session(&client.id).expect("a connected client has a session");
    for number in 0..1000 {
        let payload = fanfare::Payload::new(&json!({"number": number})).expect("an object is JSON");
        session.send_event(name("count"), payload).await.expect("an open session takes what is sent");
    }
    for number in 0..1000 {
        assert_eq!(client.word_of("count").await["number"], number);
    }
    stage.end().await;
}

/// Messages arrive whole up to the limit, 64 KiB.
pub async fn messages_of_all_sizes_arrive_whole<F: TransportFixture>(fixture: F) {
    let max = 64 * 1024;
    let mut stage = Stage::new(fixture, Config { max_message_bytes: max, ..Config::default() }).await;
    let mut client = stage.client().await;
    // Around the lengths at which a WebSocket frame's header grows, a shard's read ends, and the limit is met.
    for length in [40, 125, 126, 127, 4095, 4096, 16 * 1024, 16 * 1024 + 1, max - 1, max] {
        let word = sized(length);
        client.raw.send(Frame::Text(word.clone())).await;
        let echo = client.word_of("echo").await;
        let content = echo["content"].as_str().expect("the echo has a content");
        let sent: serde_json::Value = serde_json::from_str(&word).expect("a word is JSON");
        assert!(content == sent["content"], "{length} bytes did not arrive whole");
    }
    stage.end().await;
}

/// An `echo` of so many bytes, which differ from place to place.
pub(super) fn sized(length: usize) -> String {
    let frame = json!({"type": "echo", "content": ""}).to_string().len();
    let content: String = ('a'..='z').cycle().take(length - frame).collect();
    json!({"type": "echo", "content": content}).to_string()
}
