//! The transport over tokio-tungstenite, for people who accept by themselves.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use fanfare::CloseCode;
use fanfare_websocket::TungsteniteTransport;
use futures_util::{SinkExt, StreamExt};
use support::{End, echo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tungstenite::{
    Message,
    protocol::{Role, WebSocketConfig},
};

async fn server(stream: DuplexStream) -> TungsteniteTransport<DuplexStream> {
    let config =
        WebSocketConfig::default().read_buffer_size(4096).max_message_size(Some(1 << 16)).max_frame_size(Some(1 << 16));
    TungsteniteTransport::new(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await)
}

#[tokio::test]
async fn messages_pings_and_the_close_are_answered_once() {
    let (theirs, ours) = duplex(100);
    let mut server = server(ours).await;
    let talk = async {
        let mut client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
        for message in [Message::text("grüße"), Message::binary(vec![1; 1000])] {
            client.send(message.clone()).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), message);
        }
        client.send(Message::Ping(Bytes::from_static(b"?"))).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"?")));
        client.send(Message::text("after the pong")).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text("after the pong"));
        client.close(None).await.unwrap();
        assert!(client.next().await.unwrap().unwrap().is_close());
    };
    let (end, ()) = tokio::join!(
        async move {
            let end = echo(&mut server).await;
            drop(server);
            end
        },
        talk
    );
    assert_eq!(end, End::Closed(1005));
}

#[tokio::test]
async fn violations_have_their_close_codes() {
    for (bytes, code) in [
        (&[0x81, 0x01, b'a'][..], CloseCode::Protocol),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xFF], CloseCode::InvalidPayload),
        (&[0x82, 0xFF, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0], CloseCode::TooBig),
    ] {
        let (mut client, ours) = duplex(1024);
        let mut server = server(ours).await;
        client.write_all(bytes).await.unwrap();
        let serve = async move { echo(&mut server).await };
        let listen = async {
            let mut answer = [0; 4];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer[2..], code.code().to_be_bytes());
            drop(client);
        };
        assert_eq!(tokio::join!(serve, listen).0, End::Violation(code));
    }
}
