//! The fixture of the transport contract: tokio-tungstenite against the framework's server.

use async_trait::async_trait;
use fanfare::Hub;
use fanfare_testkit::transport_contract::{Frame, TransportClient, TransportFixture};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use super::{Client, Server};

pub(crate) struct Serving<S>(Option<S>);

impl<S> Default for Serving<S> {
    fn default() -> Self {
        Self(None)
    }
}

#[async_trait]
impl<S: Server> TransportFixture for Serving<S> {
    type Client = Client;

    async fn start(&mut self, hub: &Hub) {
        self.0 = Some(S::start(hub).await);
    }

    async fn connect(&mut self) -> Client {
        let address = self.0.as_ref().expect("started before").address();
        Client::connect(address, "/ws", &[]).await.expect("the hub lets everybody in")
    }
}

#[async_trait]
impl TransportClient for Client {
    async fn send(&mut self, frame: Frame) {
        let message = match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Binary(bytes) => Message::binary(bytes),
            Frame::Close(code, reason) => Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() })),
        };
        // The end of the connection is told by `next`.
        let _ = self.try_send(message).await;
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            return Some(match self.try_next().await? {
                Message::Text(text) => Frame::Text(text.to_string()),
                Message::Binary(bytes) => Frame::Binary(bytes.into()),
                Message::Close(frame) => frame.map_or(Frame::Close(1005, String::new()), |frame| {
                    Frame::Close(frame.code.into(), frame.reason.to_string())
                }),
                _ => continue,
            });
        }
    }

    fn cut(self) {}
}
