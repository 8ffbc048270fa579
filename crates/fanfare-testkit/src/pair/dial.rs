//! How a test client connects: which form it speaks, what it says first, and what its wire is like.

use std::{net::SocketAddr, time::Duration};

use fanfare::{Handshake, Hub, Namespace, Refusal, protocol::Native};
use serde_json::{Value, json};

use super::{
    TestClient,
    pipe::{Pipe, PipeTransport},
};

/// Bytes that a client's wire takes while the client does not read.
const CAPACITY: usize = 4096;

/// A connection to be made.
#[derive(Debug, Clone)]
#[must_use = "nothing is dialled until `connect` or `open`"]
pub struct Dial {
    form: Native,
    handshake: Handshake,
    hello: Option<Value>,
    capacity: usize,
    latency: Duration,
}

impl Dial {
    /// The plain form.
    pub fn plain() -> Self {
        Self::of(Native::PLAIN)
    }

    /// Version 1 in JSON.
    pub fn v1() -> Self {
        Self::of(Native::V1)
    }

    /// Version 1 in MessagePack.
    pub fn v1_binary() -> Self {
        Self::of(Native::V1_BINARY)
    }

    fn of(form: Native) -> Self {
        let hello = (form != Native::PLAIN).then(|| json!({"type": "hello"}));
        Self { form, handshake: Handshake::new("pair"), hello, capacity: CAPACITY, latency: Duration::ZERO }
    }

    /// All three forms, for what must hold in each of them.
    pub fn forms() -> [Self; 3] {
        [Self::plain(), Self::v1(), Self::v1_binary()]
    }

    /// Adds a field to the first message, the `hello`; a plain client that has one sends it too.
    pub fn hello(mut self, field: &str, value: impl Into<Value>) -> Self {
        let hello = self.hello.get_or_insert_with(|| json!({"type": "hello"}));
        hello[field] = value.into();
        self
    }

    /// Goes on with the session of `client`, with its token and the places that it has seen.
    pub fn resuming(self, client: &TestClient) -> Self {
        self.hello("resume", client.resume_field())
    }

    /// Sets the token of the query, as browsers log in.
    pub fn token(mut self, token: &str) -> Self {
        self.handshake = self.handshake.with_target(&format!("/?token={token}"));
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.handshake = self.handshake.with_header(name, value);
        self
    }

    /// Asks for a namespace.
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.handshake = self.handshake.with_namespace(Namespace::new(namespace).expect("a valid name"));
        self
    }

    /// Comes from this address.
    pub fn from(mut self, peer_addr: SocketAddr) -> Self {
        self.handshake = self.handshake.with_peer_addr(Some(peer_addr));
        self
    }

    /// Sets how many bytes the wire takes while the client does not read; 4 KiB, and the message that goes beyond.
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.capacity = bytes;
        self
    }

    /// Sets how long everything takes in each direction; no time unless set.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Connects and says nothing, and waits for nothing.
    ///
    /// # Errors
    /// The hub's refusal.
    pub async fn open(self, hub: &Hub) -> Result<TestClient, Refusal> {
        let peer_addr = self.handshake.peer_addr();
        let admission = hub.admit(self.handshake).await?;
        let pipe = Pipe::new(self.capacity, self.latency);
        let transport = PipeTransport {
            pipe: pipe.clone(),
            max_message_bytes: hub.config().max_message_bytes,
            peer_addr,
            timer: None,
        };
        hub.accept(admission, transport, self.form);
        Ok(TestClient::new(pipe, self.form))
    }

    /// Connects and says the `hello` if there is one, but does not wait for the answer.
    ///
    /// # Errors
    /// The hub's refusal.
    pub async fn greet(self, hub: &Hub) -> Result<TestClient, Refusal> {
        let hello = self.hello.clone();
        let mut client = self.open(hub).await?;
        if let Some(hello) = hello {
            client.send(hello);
        }
        Ok(client)
    }

    /// Connects, says the `hello` if there is one, and waits for `connected`.
    ///
    /// # Panics
    /// When the hub refuses.
    pub async fn connect(self, hub: &Hub) -> TestClient {
        let mut client = self.greet(hub).await.expect("the hub lets the client in");
        client.await_connected().await;
        client
    }
}
