//! The accept loop and the time of handshakes: what a hostile or an unlucky peer costs, and how listening ends.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use fanfare::{Config, Drain};
use fanfare_tcp::AcceptError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::{TcpListener, TcpStream},
};

use super::{
    clients::{BareClient, Shape, WebSocketClient},
    hub, hub_with, serve,
};

fn short_handshakes() -> Config {
    Config { handshake_timeout: Duration::from_millis(300), ..Config::default() }
}

#[tokio::test]
async fn a_peer_that_is_silent_or_slow_in_its_handshake_is_closed_at_the_deadline() {
    let hub = hub_with(short_handshakes());
    let address = serve(fanfare_tcp::websocket(&hub)).await;
    let begin = Instant::now();
    let mut silent = TcpStream::connect(address).await.unwrap();
    let slow = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = slow.into_split();
    tokio::spawn(async move {
        // A byte at a time, each well within the deadline, and never an end.
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for byte in b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'y')) {
            ticks.tick().await;
            if writing.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    });
    assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0);
    // The slow one may be reset, because it goes on writing.
    assert_eq!(reading.read(&mut [0]).await.unwrap_or(0), 0);
    assert!(begin.elapsed() >= Duration::from_millis(300), "closed after {:?}", begin.elapsed());
    assert_eq!(hub.stats().sessions, 0);
}

#[tokio::test]
async fn connections_in_their_handshake_count_for_the_bound_and_give_their_place_back() {
    let hub = hub_with(Config { max_connections: 2, ..short_handshakes() });
    let address = serve(fanfare_tcp::websocket(&hub)).await;
    let _silent = TcpStream::connect(address).await.unwrap();
    let (mut open, _) = WebSocketClient::connect(address, "/", &[]).await.unwrap();
    assert_eq!(open.word().await["type"], "connected");
    let Err(tokio_tungstenite::tungstenite::Error::Http(refused)) =
        WebSocketClient::connect(address, "/", &[]).await.map(drop)
    else {
        panic!("a third connection where two may be");
    };
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "5");
    // The silent one's time ends, and its place is free.
    while WebSocketClient::connect(address, "/", &[]).await.is_err() {}
}

#[tokio::test]
async fn many_connections_of_one_address_are_refused_unless_it_is_this_machine() {
    let hub = hub_with(Config { max_connections_per_address: NonZeroUsize::new(1), ..Config::default() });
    let server = fanfare_tcp::lines(&hub);
    let far = Some("192.0.2.1:9".parse().unwrap());
    let (_first, end) = duplex(1024);
    server.accept(end, far).await.unwrap();
    let (mut second, end) = duplex(1024);
    let refused = tokio::spawn({
        let server = server.clone();
        async move { server.accept(end, far).await }
    });
    let mut told = String::new();
    second.read_to_string(&mut told).await.unwrap();
    drop(second);
    assert!(told.contains(r#""code":"unavailable""#) && told.contains(r#""code":1013"#), "{told}");
    assert!(matches!(refused.await.unwrap(), Err(AcceptError::Refused(fanfare::Refusal::TooManyFromAddress))));
    let near = Some("127.0.0.1:9".parse().unwrap());
    let ends: Vec<_> = (0..3).map(|_| duplex(1024)).collect();
    let mut kept = Vec::new();
    for (client, end) in ends {
        server.accept(end, near).await.unwrap();
        kept.push(client);
    }
}

#[tokio::test]
async fn listening_ends_when_the_hub_drains_and_silent_peers_do_not_hold_it_up() {
    let hub = hub();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(fanfare_tcp::websocket(&hub).serve(listener));
    let (mut client, _) = WebSocketClient::connect(address, "/", &[]).await.unwrap();
    assert_eq!(client.word().await["type"], "connected");
    let mut silent = TcpStream::connect(address).await.unwrap();
    let draining = tokio::spawn(async move {
        let begin = Instant::now();
        (hub.drain(Drain::default()).await, begin.elapsed())
    });
    assert_eq!(client.word().await["code"], 1012);
    // It answers the close, as tungstenite does while it is read.
    while fanfare_testkit::transport_contract::TransportClient::next(&mut client).await.is_some() {}
    drop(client);
    serving.await.unwrap();
    assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0);
    let (drained, time) = draining.await.unwrap();
    assert_eq!((drained.told, drained.cut), (1, 0));
    assert!(time < Drain::default().limit, "the drain took {time:?}");
    TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn dropping_the_server_stops_listening_and_keeps_open_sessions() {
    let hub = hub();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(fanfare_tcp::lines(&hub).serve(listener));
    let mut client = BareClient::connect(address, Shape::Lines).await;
    assert_eq!(client.word().await["type"], "connected");
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    TcpStream::connect(address).await.unwrap_err();
    client.write(b"{\"type\":\"ping\",\"id\":1}\n").await;
    assert_eq!(client.word().await["type"], "pong");
}

#[tokio::test]
async fn small_writes_are_not_delayed_and_silent_machines_are_found() {
    let (listener, config) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Config::default());
    let (stream, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    drop(stream);
    let (stream, _) = accepted.unwrap();
    fanfare_tcp::tune(&stream, &config).unwrap();
    assert!(stream.nodelay().unwrap());
    let socket = socket2::SockRef::from(&stream);
    assert!(socket.keepalive().unwrap());
    #[cfg(target_os = "linux")]
    {
        assert_eq!(socket.tcp_keepalive_time().unwrap(), config.ping_interval);
        assert_eq!(
            socket.tcp_keepalive_interval().unwrap() * socket.tcp_keepalive_retries().unwrap(),
            config.ping_timeout
        );
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(config.ping_interval + config.ping_timeout));
    }
}
