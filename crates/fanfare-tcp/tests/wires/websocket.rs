//! The WebSocket handshake: what the hub learns of a request, and what a refused one is told.

use std::sync::Arc;

use fanfare::{Config, Handshake, Hub, Identity, Refusal};
use fanfare_testkit::transport_contract::{Frame, TransportClient};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::TcpStream,
    sync::mpsc,
};

use super::{clients::WebSocketClient, hub, hub_with, serve};

/// Sends a raw request and returns all that is answered.
async fn answer(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    // Frames may follow.
    String::from_utf8_lossy(&answer).into_owned()
}

fn upgrade(target: &str, headers: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: chat.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

#[tokio::test]
async fn what_cannot_be_accepted_is_told_by_its_status() {
    let hub = Hub::builder()
        .authenticate(async |handshake: Arc<Handshake>| match handshake.query("token").as_deref() {
            Some("good") => Ok(Identity::user("ada")),
            Some("slow down") => Err(Refusal::Rejected(
                fanfare::Reject::forbidden("not so fast").with_retry_after(std::time::Duration::from_millis(1500)),
            )),
            _ => Err(Refusal::unauthorized("who are you?")),
        })
        .build()
        .unwrap();
    let address = serve(fanfare_tcp::websocket(&hub).path("/ws")).await;
    let big = format!("X-Big: {}\r\n", "x".repeat(20_000));
    let many: String = (0..200).map(|number| format!("X-{number}: x\r\n")).collect();
    let rows = [
        (upgrade("/ws?token=good", ""), "101", ""),
        (upgrade("/ws", ""), "401", "who are you?"),
        (upgrade("/ws?token=slow+down", ""), "403", "not so fast"),
        (upgrade("/ws?token=good", "Origin: https://evil.example\r\n"), "403", "origin not allowed"),
        (upgrade("/other", ""), "404", "nothing here"),
        (upgrade("/ws?token=good", &big), "431", ""),
        (upgrade("/ws?token=good", &many), "431", ""),
        ("GET /ws HTTP/1.1\r\nHost: chat.example\r\n\r\n".to_owned(), "426", ""),
        ("POST /ws HTTP/1.1\r\nHost: chat.example\r\n\r\n".to_owned(), "400", ""),
        ("{\"type\":\"join_room\"}\r\n\r\n".to_owned(), "400", ""),
    ];
    for (request, status, message) in rows {
        let answer = answer(address, &request).await;
        let begin = &request[..request.len().min(80)];
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{begin:?} was answered with {answer:?}");
        assert!(answer.contains(message), "{begin:?} was answered with {answer:?}");
        assert_eq!(answer.contains("retry-after: 2\r\n"), message == "not so fast", "{answer:?}");
    }
}

#[tokio::test]
async fn the_hub_learns_all_of_a_request() {
    let (told, mut heard) = mpsc::channel(1);
    let hub = Hub::builder()
        .authenticate(move |handshake: Arc<Handshake>| {
            let told = told.clone();
            async move {
                told.send(handshake).await.unwrap();
                Ok(Identity::guest())
            }
        })
        .build()
        .unwrap();
    let (mut client, server) = duplex(4096);
    let peer = Some("192.0.2.7:1234".parse().unwrap());
    tokio::spawn(async move { fanfare_tcp::websocket(&hub).secure(true).accept(server, peer).await });
    let headers = "Cookie: a=1; b=2\r\nAuthorization: Bearer abc\r\nX-Name: gr\u{fc}n\r\n";
    client.write_all(upgrade("/ws?q=1%202", headers).as_bytes()).await.unwrap();
    let handshake = heard.recv().await.unwrap();
    assert_eq!((handshake.path(), handshake.query("q").as_deref()), ("/ws", Some("1 2")));
    assert_eq!((handshake.transport(), handshake.is_secure(), handshake.peer_addr()), ("websocket", true, peer));
    assert_eq!((handshake.cookie("b"), handshake.bearer_token()), (Some("2"), Some("abc")));
    assert_eq!(handshake.header("x-name"), Some("gr\u{fc}n"));
}

#[tokio::test]
async fn the_subprotocol_chooses_the_form() {
    let hub = hub();
    let address = serve(fanfare_tcp::websocket(&hub)).await;
    // The client's favourite; tungstenite, like browsers, does not go on without an answer to what it asked for.
    for (asked, told) in [
        ("fanfare.v1.json", "fanfare.v1.json"),
        ("other, fanfare.v1.json", "fanfare.v1.json"),
        ("fanfare.v1.msgpack, fanfare.v1.json", "fanfare.v1.msgpack"),
    ] {
        let asked = [("sec-websocket-protocol", asked)];
        let (mut client, response) = WebSocketClient::connect(address, "/", &asked).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], told);
        if told == "fanfare.v1.json" {
            client.send(Frame::Text(r#"{"type":"hello"}"#.into())).await;
            assert!(client.word().await["resume"].is_string(), "version 1 can be resumed");
        }
    }
    let (mut plain, response) = WebSocketClient::connect(address, "/", &[]).await.unwrap();
    assert!(!response.headers().contains_key("sec-websocket-protocol"));
    assert_eq!(plain.word().await["type"], "connected");
    let unknown = answer(address, &upgrade("/", "Sec-WebSocket-Protocol: unknown\r\n")).await;
    assert!(unknown.starts_with("HTTP/1.1 101 ") && !unknown.contains("sec-websocket-protocol"), "{unknown}");
}

#[tokio::test]
async fn frames_that_come_with_the_request_are_not_lost() {
    let hub = hub();
    let address = serve(fanfare_tcp::websocket(&hub)).await;
    // A masked close with code 1000, mask zero.
    let request = [upgrade("/", "").as_bytes(), &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]].concat();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(
        answer.ends_with(&[0x88, 0x02, 0x03, 0xE8]) || answer.windows(4).any(|part| part == [0x03, 0xE8, b'd', b'o']),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_message_over_the_hubs_limit_is_refused_on_its_header() {
    let hub = hub_with(Config { max_message_bytes: 1000, ..Config::default() });
    let address = serve(fanfare_tcp::websocket(&hub)).await;
    let (mut client, _) = WebSocketClient::connect(address, "/", &[]).await.unwrap();
    assert_eq!(client.word().await["type"], "connected");
    client.send(Frame::Text("x".repeat(1001))).await;
    assert!(matches!(client.next().await, Some(Frame::Close(1009, _))));
}
