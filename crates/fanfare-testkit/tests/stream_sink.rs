//! A transport made from a stream and a sink in one line passes the transport contract.

use std::{io, pin::Pin};

use async_trait::async_trait;
use fanfare::{
    Handshake, Hub,
    protocol::Native,
    transport::{Incoming, OutMessage, StreamSink},
};
use fanfare_testkit::transport_contract::{Frame, TransportClient, TransportFixture};
use futures_util::{Sink, Stream, sink, stream};
use tokio::sync::mpsc;

/// Messages under way in one direction. Few, so that a client that does not read is soon felt.
const UNDER_WAY: usize = 4;

type Messages = Pin<Box<dyn Stream<Item = io::Result<Incoming>> + Send>>;
type Outlet = Pin<Box<dyn Sink<OutMessage, Error = io::Error> + Send>>;

fn transport(from: mpsc::Receiver<Incoming>, to: mpsc::Sender<OutMessage>) -> StreamSink<Messages, Outlet> {
    let messages = stream::unfold(from, async |mut from| from.recv().await.map(|message| (Ok(message), from)));
    let outlet = sink::unfold(to, async |to: mpsc::Sender<OutMessage>, message| {
        to.send(message).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(to)
    });
    StreamSink::new("channels", Box::pin(messages), Box::pin(outlet))
}

#[derive(Default)]
struct Channels(Option<Hub>);

struct Client {
    to: Option<mpsc::Sender<Incoming>>,
    from: mpsc::Receiver<OutMessage>,
}

#[async_trait]
impl TransportFixture for Channels {
    type Client = Client;

    async fn start(&mut self, hub: &Hub) {
        self.0 = Some(hub.clone());
    }

    async fn connect(&mut self) -> Client {
        let hub = self.0.as_ref().expect("started first");
        let (to, from_client) = mpsc::channel(2000);
        let (to_client, from) = mpsc::channel(UNDER_WAY);
        let admission = hub.admit(Handshake::new("channels")).await.expect("the hub lets everybody in");
        hub.accept(admission, transport(from_client, to_client), Native::PLAIN);
        Client { to: Some(to), from }
    }
}

impl Client {
    async fn say(&mut self, message: Incoming) {
        if let Some(to) = &self.to {
            // An error is the end of the connection, which `next` tells.
            let _ = to.send(message).await;
        }
    }
}

#[async_trait]
impl TransportClient for Client {
    async fn send(&mut self, frame: Frame) {
        self.say(match frame {
            Frame::Text(text) => Incoming::Text(text),
            Frame::Binary(bytes) => Incoming::Binary(bytes.into()),
            Frame::Close(code, reason) => Incoming::Close(code, reason),
        })
        .await;
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            match self.from.recv().await? {
                OutMessage::Text(bytes) => {
                    return Some(Frame::Text(String::from_utf8(bytes.to_vec()).expect("text is UTF-8")));
                }
                OutMessage::Binary(bytes) => return Some(Frame::Binary(bytes.to_vec())),
                OutMessage::Ping => self.say(Incoming::Pong(bytes::Bytes::new())).await,
                OutMessage::Close(code, reason) => {
                    self.say(Incoming::Close(code, reason.clone())).await;
                    self.to = None;
                    return Some(Frame::Close(code, reason));
                }
                _ => {}
            }
        }
    }

    fn cut(self) {}
}

fanfare_testkit::transport_contract_tests!(Channels::default());
