//! The transport contract, for each wire.

use std::net::SocketAddr;

use async_trait::async_trait;
use fanfare::Hub;
use fanfare_testkit::transport_contract::{Lack, TransportFixture};

use super::{
    clients::{BareClient, Shape, WebSocketClient},
    serve,
};

#[derive(Default)]
struct WebSocket(Option<SocketAddr>);

#[async_trait]
impl TransportFixture for WebSocket {
    type Client = WebSocketClient;

    async fn start(&mut self, hub: &Hub) {
        self.0 = Some(serve(fanfare_tcp::websocket(hub)).await);
    }

    async fn connect(&mut self) -> WebSocketClient {
        WebSocketClient::connect(self.0.unwrap(), "/", &[]).await.unwrap().0
    }
}

struct Bare(Shape, Option<SocketAddr>);

#[async_trait]
impl TransportFixture for Bare {
    type Client = BareClient;

    fn lacks(&self) -> &[Lack] {
        &[Lack::Binary, Lack::CloseFrames, Lack::Pings, Lack::Heartbeat]
    }

    async fn start(&mut self, hub: &Hub) {
        self.1 = Some(match self.0 {
            Shape::Lines => serve(fanfare_tcp::lines(hub)).await,
            Shape::Lengths => serve(fanfare_tcp::length_prefixed(hub)).await,
        });
    }

    async fn connect(&mut self) -> BareClient {
        BareClient::connect(self.1.unwrap(), self.0).await
    }
}

mod websocket {
    fanfare_testkit::transport_contract_tests!(super::WebSocket::default());
}

mod lines {
    fanfare_testkit::transport_contract_tests!(super::Bare(super::Shape::Lines, None));
}

mod length_prefixed {
    fanfare_testkit::transport_contract_tests!(super::Bare(super::Shape::Lengths, None));
}
