//! The transport over byte streams, with tokio-tungstenite as the peer.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    future::poll_fn,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use fanfare::{
    CloseCode,
    transport::{Framing, MessageKind, Outgoing, Queue, ReceiveError, Received, SendError, Transport},
};
use fanfare_websocket::{ClientFraming, DecoderConfig, WebSocketFraming, WebSocketTransport};
use futures_util::{SinkExt, StreamExt};
use support::{End, echo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::WebSocketStream;
use tungstenite::{Message, protocol::Role};

/// Our transport and tungstenite as its client, with `buffer` bytes of network between them.
async fn pair(buffer: usize) -> (WebSocketTransport<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (server, client) = duplex(buffer);
    let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    (WebSocketTransport::new(server, DecoderConfig::default()), client)
}

fn client_text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    ClientFraming.frame(MessageKind::Text, text.as_bytes(), &mut out);
    out
}

#[tokio::test]
async fn a_tungstenite_client_is_echoed_whatever_the_size_of_the_network() {
    for buffer in [1, 7, 64, 4096, 1 << 20] {
        let (mut server, client) = pair(buffer).await;
        let (mut to_server, mut from_server) = client.split();
        let messages: Vec<Message> = [0, 1, 125, 126, 4000, 65_535, 65_536]
            .into_iter()
            .filter(|length| *length <= buffer * 200)
            .flat_map(|length| [Message::text("é".repeat(length / 2)), Message::binary(vec![7; length])])
            .collect();
        let talk = async {
            for message in &messages {
                to_server.send(message.clone()).await.unwrap();
            }
            to_server.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
            to_server.send(Message::Close(None)).await.unwrap();
        };
        let listen = async {
            for message in &messages {
                assert_eq!(&from_server.next().await.unwrap().unwrap(), message);
            }
            assert_eq!(from_server.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"there?")));
            assert!(from_server.next().await.unwrap().unwrap().is_close());
            assert!(from_server.next().await.is_none());
        };
        // The server drops its end when it is done, which the client waits for.
        let serve = async move {
            let end = echo(&mut server).await;
            assert_eq!(server.decoder().held_bytes(), 0);
            end
        };
        let (end, (), ()) = tokio::join!(serve, talk, async {
            listen.await;
        });
        assert_eq!(end, End::Closed(1005), "buffer of {buffer}");
    }
}

#[tokio::test]
async fn a_violation_is_answered_with_its_close_code_although_more_is_on_its_way() {
    let (server, mut client) = duplex(4096);
    let mut server = WebSocketTransport::new(server, DecoderConfig::default());
    let talk = async {
        // Announces 16 MiB, and goes on to send a part of them.
        client.write_all(&[0x82, 0xFF, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4]).await.unwrap();
        client.write_all(&vec![0; 100_000]).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer[..4], [0x88, answer.len() as u8 - 2, 0x03, 0xF1]);
        drop(client);
    };
    let (end, ()) = tokio::join!(echo(&mut server), talk);
    assert_eq!(end, End::Violation(CloseCode::TooBig));
}

#[tokio::test]
async fn what_the_handshake_read_comes_first() {
    let (stream, mut client) = duplex(1024);
    let first = [client_text("first"), client_text("second")].concat();
    let (left, right) = first.split_at(9);
    let mut server = WebSocketTransport::new(stream, DecoderConfig::default())
        .with_read_buf(Bytes::copy_from_slice(left))
        .with_peer_addr(SocketAddr::from(([10, 0, 0, 1], 99)));
    assert_eq!(server.peer_addr(), Some(SocketAddr::from(([10, 0, 0, 1], 99))));
    client.write_all(right).await.unwrap();
    client.shutdown().await.unwrap();

    let mut seen = Vec::new();
    let mut scratch = [0; 5];
    loop {
        let received =
            poll_fn(|cx| server.poll_receive(cx, &mut scratch, &mut |inbound| seen.push(format!("{inbound:?}"))));
        if received.await.unwrap() == Received::Closed {
            break;
        }
    }
    assert_eq!(seen, ["Text(\"first\")", "Text(\"second\")"]);
}

#[tokio::test]
async fn a_stream_that_ends_inside_a_frame_ends_the_transport() {
    let (server, mut client) = duplex(1024);
    let mut server = WebSocketTransport::new(server, DecoderConfig::default());
    client.write_all(&client_text("half")[..8]).await.unwrap();
    drop(client);
    assert_eq!(echo(&mut server).await, End::Eof);
}

#[tokio::test(start_paused = true)]
async fn control_frames_over_the_rate_end_the_connection_and_patience_is_rewarded() {
    let (mut stream, client) = duplex(1 << 20);
    let mut server = WebSocketTransport::new(client, DecoderConfig::default());
    let mut ping = Vec::new();
    ClientFraming.ping(&mut ping);
    let mut receive = async |server: &mut WebSocketTransport<DuplexStream>, count: usize| {
        stream.write_all(&ping.repeat(count)).await.unwrap();
        let mut scratch = vec![0; 1 << 16];
        poll_fn(|cx| server.poll_receive(cx, &mut scratch, &mut |_| {})).await
    };
    // 20 a second for a minute, then the whole burst.
    for _ in 0..600 {
        receive(&mut server, 2).await.unwrap();
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    receive(&mut server, 98).await.unwrap();
    // 25 a second is over the rate: the burst is used up within 20 seconds.
    for second in 0.. {
        tokio::time::advance(Duration::from_secs(1)).await;
        match receive(&mut server, 25).await {
            Ok(_) => assert!(second < 20),
            Err(ReceiveError::Peer { code, .. }) => return assert_eq!(code, CloseCode::Policy),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn tcp_is_echoed_without_delay() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let talk = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut client = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        client.send(Message::text("over tcp")).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text("over tcp"));
        client.close(None).await.unwrap();
        assert!(client.next().await.unwrap().unwrap().is_close());
        assert!(client.next().await.is_none());
    };
    let serve = async {
        let (stream, peer) = listener.accept().await.unwrap();
        let mut server = WebSocketTransport::tcp(stream, DecoderConfig::default()).unwrap();
        assert_eq!(server.peer_addr(), Some(peer));
        echo(&mut server).await
    };
    assert_eq!(tokio::join!(serve, talk).0, End::Closed(1005));
}

/// Takes nothing, and says so.
struct Full;

impl AsyncRead for Full {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Full {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(0))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_stream_that_takes_nothing_is_an_error() {
    let mut server = WebSocketTransport::new(Full, DecoderConfig::default());
    let (mut queue, mut joined) = (Queue::from([Bytes::from_static(b"frame")]), Vec::new());
    let sent = poll_fn(|cx| server.poll_send(cx, &mut Outgoing::new(&mut queue, &mut joined))).await;
    assert!(matches!(sent, Err(SendError::Io(error)) if error.kind() == std::io::ErrorKind::WriteZero));
}

#[tokio::test]
async fn what_the_peer_does_not_take_stays_in_the_queue() {
    let (stream, mut client) = duplex(10);
    let mut server = WebSocketTransport::new(stream, DecoderConfig::default());
    let mut frame = Vec::new();
    WebSocketFraming.frame(MessageKind::Binary, &[9; 30], &mut frame);
    let (mut queue, mut joined) = (Queue::from([Bytes::from(frame.clone()), Bytes::from(frame.clone())]), Vec::new());
    let mut sent = Vec::new();
    while !queue.is_empty() {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _ = server.poll_send(&mut cx, &mut Outgoing::new(&mut queue, &mut joined)).map(Result::unwrap);
        let mut part = [0; 10];
        let length = client.read(&mut part).await.unwrap();
        sent.extend_from_slice(&part[..length]);
    }
    assert_eq!(sent, frame.repeat(2));
}

#[test]
fn a_transport_is_small() {
    // Beside the stream: the decoder with its clock, and three rarely used things behind pointers.
    let own = size_of::<WebSocketTransport<TcpStream>>() - size_of::<TcpStream>();
    assert!(own <= 80, "{own}");
}
