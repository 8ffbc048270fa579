//! The client's end: sends words, reads words, and misbehaves when told to.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use fanfare::{Hub, SessionId, protocol::Native};
use serde_json::{Map, Value, json};

use super::{
    Dial,
    pack::{pack, pack_raw},
    pipe::{Pipe, Up},
    settle,
};

/// What reaches a client.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "tests match on all of it")]
pub enum Heard {
    /// A word of the protocol.
    Word(Value),
    /// Bytes of the application.
    Raw(Bytes),
    /// The transport's ping. The client answers it by itself, unless it is mute.
    Ping,
    /// The transport's pong.
    Pong,
    /// The server's close. The client answers it by itself, unless it is mute.
    Close(u16, String),
    /// The end of the connection.
    End,
}

/// A client without a network. Made by [`connect`](Self::connect) or, with more to say, by a [`Dial`].
///
/// It reads by itself all the time, until it is [stalled](Self::stall). Dropping it loses the connection.
pub struct TestClient {
    pub(super) pipe: Arc<Pipe>,
    pub(super) form: Native,
    /// The `connected` of the server; null before.
    pub connected: Value,
    /// The last place seen in each room; the inbox stands under the empty name.
    pub places: BTreeMap<String, Value>,
    /// Read already, but not what was looked for.
    pub(super) kept: VecDeque<Heard>,
    /// How many pings came.
    pub pings: usize,
    next_id: u64,
}

impl TestClient {
    /// A client of the plain form, connected.
    ///
    /// # Panics
    /// When the hub refuses it.
    pub async fn connect(hub: &Hub) -> Self {
        Dial::plain().connect(hub).await
    }

    /// A client of version 1, connected.
    ///
    /// # Panics
    /// When the hub refuses it.
    pub async fn connect_v1(hub: &Hub) -> Self {
        Dial::v1().connect(hub).await
    }

    pub(super) fn new(pipe: Arc<Pipe>, form: Native) -> Self {
        let (places, kept) = (BTreeMap::new(), VecDeque::new());
        Self { pipe, form, connected: Value::Null, places, kept, pings: 0, next_id: 1 }
    }

    /// Waits for `connected`, which must be the next word.
    ///
    /// # Panics
    /// When something else comes, or nothing for 5 s.
    pub async fn await_connected(&mut self) -> &Value {
        self.connected = self.expect("connected").await;
        &self.connected
    }

    /// The session's id, as the server told it.
    ///
    /// # Panics
    /// Before `connected`.
    pub fn id(&self) -> SessionId {
        self.connected["clientId"].as_str().and_then(|id| id.parse().ok()).expect("connected tells a session id")
    }

    /// The field `resume` with which the session goes on in another connection.
    pub fn resume_field(&self) -> Value {
        let mut rooms = Map::new();
        for (room, place) in self.places.iter().filter(|(room, _)| !room.is_empty()) {
            rooms.insert(room.clone(), place.clone());
        }
        let mut resume = json!({"token": self.connected["resume"], "rooms": rooms});
        if let Some(place) = self.places.get("") {
            resume["inbox"] = place.clone();
        }
        resume
    }

    /// Sends a word.
    #[track_caller]
    pub fn send(&mut self, word: impl Into<Value>) {
        let word = word.into();
        self.pipe.send(match self.form {
            Native::V1_BINARY => Up::Binary(pack(&word).into()),
            _ => Up::Text(word.to_string()),
        });
    }

    /// Sends a text as it is.
    pub fn send_text(&mut self, text: &str) {
        self.pipe.send(Up::Text(text.to_owned()));
    }

    /// Sends bytes of the application.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.pipe.send(match self.form {
            Native::V1_BINARY => Up::Binary(pack_raw(bytes).into()),
            _ => Up::Binary(Bytes::copy_from_slice(bytes)),
        });
    }

    /// Sends a ping of the transport.
    pub fn ping(&mut self) {
        self.pipe.send(Up::Ping);
    }

    /// Sends a message to a room.
    pub fn say(&mut self, room: &str, content: impl Into<Value>) {
        let content = content.into();
        self.send(json!({"type": "message", "room": room, "content": content}));
    }

    /// Sends a word with an `id` and waits for the answer that repeats it. What comes before stays to be read.
    ///
    /// # Panics
    /// When no answer comes for 5 s.
    pub async fn ask(&mut self, mut word: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        word["id"] = id.into();
        self.send(word.clone());
        self.find(&format!("the answer to {word}"), |answer| {
            answer["id"] == id && answer["type"] != "message" && answer.get("call").is_none()
        })
        .await
    }

    /// Joins a room and returns the acknowledgement.
    ///
    /// # Panics
    /// When the join is refused.
    pub async fn join(&mut self, room: &str) -> Value {
        let answer = self.ask(json!({"type": "join_room", "room": room})).await;
        assert!(answer["type"] != "error", "cannot join {room}: {answer}");
        answer
    }

    /// Leaves a room and returns the acknowledgement.
    ///
    /// # Panics
    /// When the client is not in the room.
    pub async fn leave(&mut self, room: &str) -> Value {
        let answer = self.ask(json!({"type": "leave_room", "room": room})).await;
        assert!(answer["type"] != "error", "cannot leave {room}: {answer}");
        answer
    }

    /// Says goodbye with this code.
    pub fn close(&mut self, code: u16) {
        self.pipe.send(Up::Close(code, String::new()));
    }

    /// Loses the connection: both ends see it break, and what is under way is lost.
    pub fn cut(&mut self) {
        self.pipe.cut();
    }

    /// Ends the client's half without a close.
    pub fn end(&mut self) {
        self.pipe.send(Up::End);
    }

    /// Stops reading: the wire takes what it has room for, then the server's outbox fills.
    pub fn stall(&mut self) {
        self.pipe.stall();
    }

    /// Reads again.
    pub fn unstall(&mut self) {
        self.pipe.unstall();
    }

    /// Answers neither pings nor closes from now on.
    pub fn mute(&mut self) {
        self.pipe.state.lock().mute = true;
    }

    /// As if the cable were pulled: nothing is read, nothing is answered, and nobody is told.
    pub fn vanish(&mut self) {
        self.mute();
        self.stall();
    }

    /// Waits until nothing moves any more.
    pub async fn settle(&self) {
        settle().await;
    }
}

impl Drop for TestClient {
    fn drop(&mut self) {
        self.pipe.cut();
    }
}
