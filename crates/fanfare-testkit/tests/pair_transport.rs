//! The in-memory transport of the test client passes the transport contract itself.

use async_trait::async_trait;
use fanfare::Hub;
use fanfare_testkit::{
    Dial, Heard, TestClient,
    transport_contract::{Frame, TransportClient, TransportFixture},
};
use tokio::time::{Duration, Instant};

#[derive(Default)]
struct Pair(Option<Hub>);

/// Reads only while it is asked to.
struct Client(TestClient);

#[async_trait]
impl TransportFixture for Pair {
    type Client = Client;

    async fn start(&mut self, hub: &Hub) {
        self.0 = Some(hub.clone());
    }

    async fn connect(&mut self) -> Client {
        let hub = self.0.as_ref().expect("started first");
        let mut client = Dial::plain().open(hub).await.expect("the hub lets everybody in");
        client.stall();
        Client(client)
    }
}

#[async_trait]
impl TransportClient for Client {
    async fn send(&mut self, frame: Frame) {
        match frame {
            Frame::Text(text) => self.0.send_text(&text),
            Frame::Binary(bytes) => self.0.send_raw(&bytes),
            Frame::Close(code, _) => self.0.close(code),
        }
    }

    async fn next(&mut self) -> Option<Frame> {
        let far = Instant::now() + Duration::from_secs(3600);
        self.0.unstall();
        let frame = loop {
            match self.0.next_until(far).await? {
                Heard::Word(word) => break Some(Frame::Text(word.to_string())),
                Heard::Raw(bytes) => break Some(Frame::Binary(bytes.to_vec())),
                Heard::Close(code, reason) => break Some(Frame::Close(code, reason)),
                Heard::Ping | Heard::Pong => {}
                Heard::End => break None,
            }
        };
        self.0.stall();
        frame
    }

    fn cut(mut self) {
        self.0.cut();
    }
}

fanfare_testkit::transport_contract_tests!(Pair::default());
