//! What clients of an HTTP adapter can rely on, whatever the framework, beside the contract of all transports: each adapter runs
//! both on a server of its own.
#![allow(clippy::unwrap_used)]

mod client;
mod fixture;

use std::{future::Future, net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use bytes::Bytes;
use fanfare::{
    Config, DisconnectReason, Drain, Handshake, Hub, HubBuilder, Identity, Payload, Refusal, Session,
    transport::{Framing, MessageKind},
};
use fanfare_websocket::ClientFraming;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::tungstenite::Message;

pub(crate) use client::{Client, refusal};
use client::{bounded, http_status};
pub(crate) use fixture::Serving;

/// A server of the framework with a hub at `/ws`. It runs until it is dropped.
pub(crate) trait Server: Sized + Send + 'static {
    fn start(hub: &Hub) -> impl Future<Output = Self> + Send;
    fn address(&self) -> SocketAddr;
}

/// One test for each promise, on the server type `$server`.
macro_rules! keeps {
    ($server:ty: $($promise:ident),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            promises::$promise::<$server>().await;
        })*
    };
}

/// All promises, and the contract.
macro_rules! keeps_its_promises {
    ($server:ident) => {
        mod transport {
            fanfare_testkit::transport_contract_tests!(super::promises::Serving::<super::$server>::default());
        }
        keeps! { $server:
            an_event_is_answered,
            a_message_over_the_limit_closes_with_1009,
            a_foreign_page_is_refused_before_the_upgrade,
            a_request_that_is_no_upgrade_is_told_so,
            credentials_are_checked_before_the_upgrade,
            too_many_connections_are_refused_and_leave_no_trace,
            the_first_subprotocol_that_we_speak_is_chosen,
            bytes_sent_together_with_the_request_are_not_lost,
            a_client_that_sends_too_fast_is_slowed_and_loses_nothing,
            a_cut_client_is_noticed,
            a_drained_hub_closes_with_1012_and_refuses_with_503,
            the_application_sees_path_query_headers_and_address,
        }
    };
}
pub(crate) use {keeps, keeps_its_promises};

fn echoing() -> HubBuilder {
    Hub::builder()
        .on_event("echo", async |payload: Payload| payload)
        .on_raw(async |session: Session, bytes: Bytes| drop(session.send_raw(bytes).await))
}

pub(crate) async fn an_event_is_answered<S: Server>() {
    let server = S::start(&echoing().build().unwrap()).await;
    let mut client = Client::connect(server.address(), "/ws", &[]).await.unwrap();
    assert_eq!(client.json().await["type"], "connected");
    client.send(json!({"type": "echo", "id": 1, "text": "grüße"})).await;
    assert_eq!(client.json().await, json!({"type": "ack", "id": 1, "text": "grüße"}));
}

pub(crate) async fn a_message_over_the_limit_closes_with_1009<S: Server>() {
    let config = Config { max_message_bytes: 1000, ..Config::default() };
    let server = S::start(&echoing().config(config).build().unwrap()).await;
    let mut client = Client::opened(server.address()).await;
    client.send_message(Message::binary(vec![7; 1000])).await;
    assert_eq!(client.message().await.len(), 1000);
    client.send_message(Message::binary(vec![7; 1001])).await;
    assert_eq!(client.close_code().await, 1009);
}

pub(crate) async fn a_foreign_page_is_refused_before_the_upgrade<S: Server>() {
    let hub = echoing().build().unwrap();
    let server = S::start(&hub).await;
    let foreign = Client::connect(server.address(), "/ws", &[("origin", "https://evil.example")]).await;
    assert_eq!(refusal(foreign).status(), 403);
    assert_eq!(hub.stats().refused, 1);
    let own = format!("http://{}", server.address());
    Client::connect(server.address(), "/ws", &[("origin", &own)]).await.unwrap();
}

pub(crate) async fn a_request_that_is_no_upgrade_is_told_so<S: Server>() {
    let server = S::start(&echoing().build().unwrap()).await;
    let upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
    let rows = [
        (String::new(), 426),
        (format!("{upgrade}Sec-WebSocket-Version: 13\r\n"), 400),
        (format!("{upgrade}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n"), 400),
        (format!("{upgrade}Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 426),
    ];
    for (headers, status) in rows {
        assert_eq!(http_status(server.address(), &headers).await, status, "{headers}");
    }
}

pub(crate) async fn credentials_are_checked_before_the_upgrade<S: Server>() {
    let hub = echoing()
        .authenticate(async |handshake: Arc<Handshake>| match handshake.token().as_deref() {
            Some("let me in") => Ok(Identity::user("ada")),
            _ => Err(Refusal::unauthorized("no good token")),
        })
        .on_event("who", async |session: Session, _: Payload| {
            Payload::new(&json!({"user": session.user_id().unwrap().as_ref()})).unwrap()
        })
        .build()
        .unwrap();
    let server = S::start(&hub).await;
    for (path, header) in [("/ws", None), ("/ws?token=wrong", None), ("/ws", Some(("authorization", "Bearer wrong")))] {
        let refused = refusal(Client::connect(server.address(), path, header.as_slice()).await);
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.headers()["www-authenticate"], "Bearer");
        assert_eq!(refused.body().as_deref().unwrap(), b"no good token\n");
    }
    let good = [("/ws?token=let+me%20in", None), ("/ws", Some(("authorization", "Bearer let me in")))];
    for (path, header) in good {
        let mut client = Client::connect(server.address(), path, header.as_slice()).await.unwrap();
        assert_eq!(client.json().await["type"], "connected");
        client.send(json!({"type": "who", "id": 1})).await;
        assert_eq!(client.json().await["user"], "ada");
    }
}

pub(crate) async fn too_many_connections_are_refused_and_leave_no_trace<S: Server>() {
    let config = Config { max_connections: 1, ..Config::default() };
    let (gone, mut goodbyes) = mpsc::channel(1);
    let hub = echoing()
        .config(config)
        .on_disconnect(move |_: Session, _: DisconnectReason| {
            let gone = gone.clone();
            async move { gone.send(()).await.unwrap() }
        })
        .build()
        .unwrap();
    let server = S::start(&hub).await;
    let mut first = Client::opened(server.address()).await;
    let refused = refusal(Client::connect(server.address(), "/ws", &[]).await);
    assert_eq!(refused.status(), 503);
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    first.close().await;
    bounded(goodbyes.recv()).await.unwrap();
    // The place is free a moment after the session's end is told.
    while Client::connect(server.address(), "/ws", &[]).await.is_err() {}
}

pub(crate) async fn the_first_subprotocol_that_we_speak_is_chosen<S: Server>() {
    let server = S::start(&echoing().build().unwrap()).await;
    let rows = [
        (None, None),
        (Some("chat"), None),
        (Some("chat, fanfare.v1.json"), Some("fanfare.v1.json")),
        (Some("fanfare.v1.json, fanfare.v1.msgpack"), Some("fanfare.v1.json")),
        (Some("fanfare.v1.msgpack, fanfare.v1.json"), Some("fanfare.v1.msgpack")),
    ];
    for (offered, chosen) in rows {
        let headers = format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}",
            offered.map_or_else(String::new, |offered| format!("Sec-WebSocket-Protocol: {offered}\r\n"))
        );
        let (_stream, answer) = client::upgrade(server.address(), &headers, &[]).await;
        let told = answer.iter().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        assert!(answer[0].starts_with("http/1.1 101 "), "{answer:?}");
        assert_eq!(told, chosen, "{answer:?}");
    }
    let mut client =
        Client::connect(server.address(), "/ws", &[("sec-websocket-protocol", "fanfare.v1.json")]).await.unwrap();
    client.send(json!({"type": "hello"})).await;
    let connected = client.json().await;
    assert_eq!(connected["type"], "connected");
    assert!(connected["resume"].is_string(), "the plain form cannot resume: {connected}");
}

pub(crate) async fn bytes_sent_together_with_the_request_are_not_lost<S: Server>() {
    let server = S::start(&echoing().build().unwrap()).await;
    let mut frames = Vec::new();
    for number in 0..3 {
        let message = json!({"type": "echo", "id": number}).to_string();
        ClientFraming.frame(MessageKind::Text, message.as_bytes(), &mut frames);
    }
    let headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let (stream, _) = client::upgrade(server.address(), headers, &frames).await;
    let mut client = Client::over(stream).await;
    assert_eq!(client.json().await["type"], "connected");
    for number in 0..3 {
        assert_eq!(client.json().await, json!({"type": "ack", "id": number}));
    }
}

pub(crate) async fn a_client_that_sends_too_fast_is_slowed_and_loses_nothing<S: Server>() {
    /// 30 MB: more than the mailbox and all buffers of the connection hold.
    const EVENTS: u64 = 500;
    let gate = Arc::new(Semaphore::new(0));
    let (done, mut handled) = mpsc::channel(EVENTS as usize);
    let work = {
        let gate = gate.clone();
        move |payload: Payload| {
            let (gate, done) = (gate.clone(), done.clone());
            async move {
                gate.acquire().await.unwrap().forget();
                let work: serde_json::Value = payload.read().unwrap();
                done.send(work["number"].as_u64().unwrap()).await.unwrap();
            }
        }
    };
    let server = S::start(&Hub::builder().on_event("work", work).build().unwrap()).await;
    let mut client = Client::opened(server.address()).await;
    let mut sending = tokio::spawn(async move {
        for number in 0..EVENTS {
            client.send(json!({"type": "work", "number": number, "text": "x".repeat(60_000)})).await;
        }
        client
    });
    tokio::time::timeout(Duration::from_millis(500), &mut sending).await.expect_err("nobody took what was sent");
    gate.add_permits(EVENTS as usize);
    for number in 0..EVENTS {
        assert_eq!(bounded(handled.recv()).await, Some(number));
    }
    bounded(sending).await.unwrap().close().await;
}

pub(crate) async fn a_cut_client_is_noticed<S: Server>() {
    let (hub, mut goodbyes) = told_of_goodbyes();
    let server = S::start(&hub).await;
    let client = Client::opened(server.address()).await;
    drop(client);
    assert_eq!(bounded(goodbyes.recv()).await.unwrap(), DisconnectReason::Lost);
    // Reset rather than ended.
    let client = Client::opened(server.address()).await;
    client.reset();
    assert_eq!(bounded(goodbyes.recv()).await.unwrap(), DisconnectReason::Lost);
}

pub(crate) async fn a_drained_hub_closes_with_1012_and_refuses_with_503<S: Server>() {
    let hub = echoing().build().unwrap();
    let server = S::start(&hub).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(Client::opened(server.address()).await);
    }
    let drain = Drain { pace: Duration::ZERO, ..Drain::default() };
    let draining = tokio::spawn({
        let hub = hub.clone();
        async move { hub.drain(drain).await }
    });
    for client in &mut clients {
        assert_eq!(client.close_code().await, 1012);
        client.ends().await;
    }
    let drained = bounded(draining).await.unwrap();
    assert_eq!((drained.told, drained.cut), (3, 0));
    let refused = refusal(Client::connect(server.address(), "/ws", &[]).await);
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
}

pub(crate) async fn the_application_sees_path_query_headers_and_address<S: Server>() {
    let (seen, mut handshakes) = mpsc::channel(1);
    let config = Config { max_connections_per_address: NonZeroUsize::new(1), ..Config::default() };
    let hub = echoing()
        .config(config)
        .authenticate(move |handshake: Arc<Handshake>| {
            let seen = seen.clone();
            async move {
                seen.send(handshake).await.unwrap();
                Ok(Identity::guest())
            }
        })
        .build()
        .unwrap();
    let server = S::start(&hub).await;
    let client = Client::connect(server.address(), "/ws?a=1&b=%C3%BC", &[("x-custom", "yes"), ("cookie", "c=d")]);
    let client = client.await.unwrap();
    let handshake = bounded(handshakes.recv()).await.unwrap();
    assert_eq!(handshake.transport(), "websocket");
    assert_eq!((handshake.path(), handshake.query_string()), ("/ws", "a=1&b=%C3%BC"));
    assert_eq!(handshake.query("b").as_deref(), Some("ü"));
    assert_eq!(handshake.header("X-Custom"), Some("yes"));
    assert_eq!(handshake.cookie("c"), Some("d"));
    assert_eq!(handshake.peer_addr(), Some(client.local_addr()));
}

/// A hub that reports why its sessions ended.
fn told_of_goodbyes() -> (Hub, mpsc::Receiver<DisconnectReason>) {
    let (gone, goodbyes) = mpsc::channel(8);
    let hub = echoing().on_disconnect(move |_: Session, why: DisconnectReason| {
        let gone = gone.clone();
        async move { gone.send(why).await.unwrap() }
    });
    (hub.build().unwrap(), goodbyes)
}
