//! Lines and length-prefixed messages: what a person, a script or a program of one's own sees of the hub.

use std::{sync::Arc, time::Duration};

use fanfare::{Config, Handshake, Hub, Refusal, protocol::Native};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::{
    clients::{BareClient, Shape},
    hub, hub_with, serve,
};

#[tokio::test]
async fn a_person_at_a_terminal_sends_lines_and_sees_the_answers_after_the_end_of_the_input() {
    let hub = hub();
    let address = serve(fanfare_tcp::lines(&hub)).await;
    let mut other = BareClient::connect(address, Shape::Lines).await;
    assert_eq!(other.word().await["type"], "connected");
    other.write(b"{\"type\":\"join_room\",\"room\":\"r\",\"id\":1}\n").await;
    assert_eq!(other.word().await["type"], "ack");
    let mut client = BareClient::connect(address, Shape::Lines).await;
    // As `printf … | nc -N` does it: everything at once, the end behind it, and only then the reading.
    client
        .write(
            b"{\"type\":\"join_room\",\"room\":\"r\",\"id\":1}\r\n\n\
              {\"type\":\"message\",\"room\":\"r\",\"content\":\"hi\",\"id\":2}\nnonsense\n{\"type\":\"nev",
        )
        .await;
    client.stream.shutdown().await.unwrap();
    let mut seen = Vec::new();
    while let Some(word) = client.message().await {
        let word: Value = serde_json::from_slice(&word).unwrap();
        seen.push((word["type"].as_str().unwrap().to_owned(), word["id"].as_u64()));
    }
    // What is not understood is told at once, even if what came before it is still under way.
    seen.retain(|(kind, _)| kind != "error");
    let expected = [("connected", None), ("ack", Some(1)), ("ack", Some(2)), ("closing", None)];
    assert_eq!(seen, expected.map(|(kind, id)| (kind.to_owned(), id)));
    assert_eq!(other.word().await["type"], "user_joined");
    assert_eq!(other.word().await["content"], "hi");
    assert_eq!(other.word().await["type"], "user_left");
}

#[tokio::test]
async fn a_plain_peer_that_is_quiet_is_never_pinged() {
    let quick = Config {
        ping_interval: Duration::from_millis(20),
        ping_timeout: Duration::from_millis(20),
        jitter_pings: false,
        ..Config::default()
    };
    let hub = hub_with(quick);
    let address = serve(fanfare_tcp::lines(&hub)).await;
    let versioned = serve(fanfare_tcp::lines(&hub).protocol(Native::V1)).await;
    let mut quiet = BareClient::connect(address, Shape::Lines).await;
    assert_eq!(quiet.word().await["type"], "connected");
    // One that has to answer and does not: it comes later and is gone, and the quiet one is still there.
    let mut mute = BareClient::connect(versioned, Shape::Lines).await;
    mute.write(b"{\"type\":\"hello\"}\n").await;
    let mut last = Value::Null;
    while let Some(word) = mute.message().await {
        last = serde_json::from_slice(&word).unwrap();
    }
    assert_eq!((&last["type"], &last["code"]), (&json!("closing"), &json!(4001)));
    quiet.write(b"{\"type\":\"ping\",\"id\":7}\n").await;
    assert_eq!(quiet.word().await, json!({"type": "pong", "id": 7}));
}

#[tokio::test]
async fn what_is_refused_is_told_why() {
    let hub = Hub::builder()
        .authenticate(async |handshake: Arc<Handshake>| match handshake.token() {
            None => Err(Refusal::unauthorized("nobody comes in here")),
            Some(_) => Err(Refusal::CredentialsRequired),
        })
        .build()
        .unwrap();
    let (mut client, end) = duplex(4096);
    let refused = tokio::spawn(async move { fanfare_tcp::lines(&hub).accept(end, None).await });
    let mut told = String::new();
    client.read_to_string(&mut told).await.unwrap();
    drop(client);
    let words: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(words[0], json!({"type": "error", "code": "unauthorized", "message": "nobody comes in here"}));
    assert_eq!((&words[1]["type"], &words[1]["code"], words.len()), (&json!("closing"), &json!(4500), 2));
    assert!(matches!(refused.await.unwrap(), Err(fanfare_tcp::AcceptError::Refused(Refusal::Unauthorized(_)))));
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_and_its_sender_told() {
    let hub = hub_with(Config { max_message_bytes: 1000, ..Config::default() });
    let line = serve(fanfare_tcp::lines(&hub)).await;
    let length = serve(fanfare_tcp::length_prefixed(&hub)).await;
    // A line that has no end, and a header with nothing behind it.
    for (address, shape, bytes) in
        [(line, Shape::Lines, vec![b'x'; 1001]), (length, Shape::Lengths, 1001_u32.to_be_bytes().to_vec())]
    {
        let mut client = BareClient::connect(address, shape).await;
        assert_eq!(client.word().await["type"], "connected");
        client.write(&bytes).await;
        assert_eq!(client.word().await["code"], 1009);
        assert_eq!(client.message().await, None);
    }
}

#[tokio::test]
async fn messagepack_goes_behind_a_length() {
    let hub = hub();
    let address = serve(fanfare_tcp::length_prefixed(&hub).protocol(Native::V1_BINARY)).await;
    let mut client = BareClient::connect(address, Shape::Lengths).await;
    // {"type": "hello"}
    let hello = [&[0x81, 0xA4][..], b"type", &[0xA5], b"hello"].concat();
    client.write(&[&(hello.len() as u32).to_be_bytes()[..], &hello].concat()).await;
    let connected = client.message().await.unwrap();
    assert!(connected[0] & 0xF0 == 0x80, "a map: {connected:?}");
    assert!(connected.windows(9).any(|part| part == b"connected"), "{connected:?}");
}

#[tokio::test]
#[should_panic(expected = "MessagePack cannot stand on a line")]
async fn messagepack_is_not_spoken_in_lines() {
    let _ = fanfare_tcp::lines(&hub()).protocol(Native::V1_BINARY);
}
