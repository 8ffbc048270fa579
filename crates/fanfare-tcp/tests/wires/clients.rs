//! Clients: tungstenite's for WebSocket, bare sockets for the rest.

use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use fanfare_testkit::transport_contract::{Frame, TransportClient};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        handshake::client::Response,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

/// A WebSocket client.
pub(crate) struct WebSocketClient(pub(crate) WebSocketStream<TcpStream>);

impl WebSocketClient {
    /// Connects with more headers.
    pub(crate) async fn connect(
        address: SocketAddr,
        target: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(Self, Response), Error> {
        let mut request = format!("ws://{address}{target}").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await?;
        client_async(request, stream).await.map(|(stream, response)| (Self(stream), response))
    }

    /// The next word of the server.
    pub(crate) async fn word(&mut self) -> Value {
        match self.next().await {
            Some(Frame::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("expected a word, got {other:?}"),
        }
    }
}

#[async_trait]
impl TransportClient for WebSocketClient {
    async fn send(&mut self, frame: Frame) {
        let message = match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Binary(bytes) => Message::binary(bytes),
            Frame::Close(code, reason) => {
                Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason: reason.into() }))
            }
        };
        let _ = self.0.send(message).await;
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            return match self.0.next().await?.ok()? {
                Message::Text(text) => Some(Frame::Text(text.as_str().to_owned())),
                Message::Binary(bytes) => Some(Frame::Binary(bytes.to_vec())),
                Message::Close(frame) => {
                    let frame = frame?;
                    Some(Frame::Close(frame.code.into(), frame.reason.as_str().to_owned()))
                }
                // Tungstenite answers pings by itself.
                _ => continue,
            };
        }
    }

    fn cut(self) {
        reset(self.0.into_inner());
    }
}

/// A client of lines or of length-prefixed messages.
pub(crate) struct BareClient {
    pub(crate) stream: TcpStream,
    received: BytesMut,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Lines,
    Lengths,
}

impl BareClient {
    pub(crate) async fn connect(address: SocketAddr, shape: Shape) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self { stream, received: BytesMut::new(), shape }
    }

    /// The next message, whatever it is; `None` at the end.
    pub(crate) async fn message(&mut self) -> Option<Vec<u8>> {
        loop {
            let found = match self.shape {
                Shape::Lines => self.received.iter().position(|byte| *byte == b'\n').map(|end| (0, end, 1)),
                Shape::Lengths => {
                    let length = self.received.first_chunk().map(|length| u32::from_be_bytes(*length) as usize);
                    length.filter(|length| self.received.len() >= 4 + length).map(|length| (4, length, 0))
                }
            };
            if let Some((header, length, trailer)) = found {
                self.received.advance(header);
                let message = self.received.split_to(length).to_vec();
                self.received.advance(trailer);
                return Some(message);
            }
            if self.stream.read_buf(&mut self.received).await.ok()? == 0 {
                assert!(self.received.is_empty(), "the last message is not whole: {:?}", self.received);
                return None;
            }
        }
    }

    /// The next word of the server.
    pub(crate) async fn word(&mut self) -> Value {
        serde_json::from_slice(&self.message().await.expect("a word")).unwrap()
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }
}

#[async_trait]
impl TransportClient for BareClient {
    async fn send(&mut self, frame: Frame) {
        let bytes = match (frame, self.shape) {
            (Frame::Text(text), Shape::Lines) => [text.as_bytes(), b"\n"].concat(),
            (Frame::Text(text), Shape::Lengths) => [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat(),
            (Frame::Close(..), _) => return self.stream.shutdown().await.unwrap_or(()),
            (Frame::Binary(_), _) => unreachable!("the fixture says that there are no binary messages"),
        };
        let _ = self.stream.write_all(&bytes).await;
    }

    async fn next(&mut self) -> Option<Frame> {
        Some(Frame::Text(String::from_utf8(self.message().await?).unwrap()))
    }

    fn cut(self) {
        reset(self.stream);
    }
}

/// Loses the connection: a reset, not an end.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
}
