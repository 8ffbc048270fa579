//! The client's end: sends words, reads words, and misbehaves when told to.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use fanfare::{Hub, SessionId, protocol::Native, transport::OutMessage};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    Dial,
    pack::{pack, pack_raw, unpack},
    pipe::{Down, Pipe, Up},
    settle,
};

/// How long a client waits for what must come, by the test's clock.
const DEADLINE: Duration = Duration::from_secs(5);

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
    pipe: Arc<Pipe>,
    form: Native,
    /// The `connected` of the server; null before.
    pub connected: Value,
    /// The last place seen in each room; the inbox stands under the empty name.
    pub places: BTreeMap<String, Value>,
    /// Read already, but not what was looked for.
    kept: VecDeque<Heard>,
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

    /// What comes next, of whatever kind, pings included; `None` when nothing does until `deadline`.
    pub async fn next_until(&mut self, deadline: Instant) -> Option<Heard> {
        if let Some(heard) = self.kept.pop_front() {
            return Some(heard);
        }
        loop {
            match self.pipe.take() {
                Ok(down) => return Some(self.note(down)),
                Err(Some(at)) if at <= deadline => sleep_until(at).await,
                Err(_) => timeout_at(deadline, self.pipe.arrived.notified()).await.ok()?,
            }
        }
    }

    fn note(&mut self, down: Down) -> Heard {
        let heard = match down {
            Down::Message(OutMessage::Text(text)) => {
                let text = std::str::from_utf8(&text).expect("the server's text is UTF-8");
                Heard::Word(serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")))
            }
            Down::Message(OutMessage::Binary(bytes)) if self.form == Native::V1_BINARY => {
                unpack(&bytes).map_or_else(Heard::Raw, Heard::Word)
            }
            Down::Message(OutMessage::Binary(bytes)) => Heard::Raw(bytes),
            Down::Message(OutMessage::Pong(_)) => Heard::Pong,
            Down::Message(OutMessage::Close(code, reason)) => Heard::Close(code, reason),
            Down::Message(_) => {
                self.pings += 1;
                Heard::Ping
            }
            Down::End => Heard::End,
        };
        if let Heard::Word(word) = &heard {
            self.note_place(word);
        }
        heard
    }

    /// Keeps the places as a client that means to resume does.
    fn note_place(&mut self, word: &Value) {
        let room = word["room"].as_str().unwrap_or_default().to_owned();
        let place = json!({"epoch": word["epoch"], "offset": word["offset"]});
        match word["type"].as_str() {
            Some("joined") if self.places.contains_key(&room) && word["recovered"] == true => {
                // What was missed follows, and moves the place by itself.
            }
            Some("gap") => {
                self.places.insert(room, word["to"].clone());
            }
            // The place of an ack is that of the client's own message, of whatever room.
            Some("ack" | "history") => {}
            _ if word["offset"].is_number() => {
                self.places.insert(room, place);
            }
            _ => {}
        }
    }

    /// What comes next, but for pings and pongs.
    ///
    /// # Panics
    /// When nothing comes for 5 s.
    pub async fn next(&mut self) -> Heard {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.next_until(deadline).await {
                Some(Heard::Ping | Heard::Pong) => {}
                Some(heard) => return heard,
                None => panic!("nothing came for {DEADLINE:?}"),
            }
        }
    }

    /// The next word.
    ///
    /// # Panics
    /// When something else comes, such as a close, or nothing for 5 s.
    pub async fn recv(&mut self) -> Value {
        match self.next().await {
            Heard::Word(word) => word,
            other => panic!("expected a word, heard {other:?}"),
        }
    }

    /// The next word, which must be of this type.
    ///
    /// # Panics
    /// When it is not.
    pub async fn expect(&mut self, word: &str) -> Value {
        let heard = self.next().await;
        match heard {
            Heard::Word(there) if there["type"] == word => there,
            other => panic!("expected {word:?}, heard {other:?}"),
        }
    }

    /// The first word that is looked for. What comes before it stays to be read.
    ///
    /// # Panics
    /// When it does not come for 5 s, with what came instead.
    pub async fn find(&mut self, what: impl Debug, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        let mut passed = VecDeque::new();
        loop {
            match self.next_until(deadline).await {
                Some(Heard::Word(word)) if wanted(&word) => {
                    passed.append(&mut self.kept);
                    self.kept = passed;
                    return word;
                }
                Some(Heard::End) => panic!("{what:?} did not come before the end; heard {passed:?}"),
                Some(other) => passed.push_back(other),
                None => panic!("{what:?} did not come for {DEADLINE:?}; heard {passed:?}"),
            }
        }
    }

    /// Everything that is there and that is under way, without pings, until nothing moves any more. Needs a paused clock.
    pub async fn all(&mut self) -> Vec<Heard> {
        let latency = self.pipe.state.lock().latency;
        let deadline = Instant::now() + 4 * latency + Duration::from_millis(1);
        let mut all = Vec::new();
        while let Some(heard) = self.next_until(deadline).await {
            let end = heard == Heard::End;
            if !matches!(heard, Heard::Ping | Heard::Pong) {
                all.push(heard);
            }
            if end {
                break;
            }
        }
        all
    }

    /// The words of [`all`](Self::all).
    pub async fn words(&mut self) -> Vec<Value> {
        let word = |heard| if let Heard::Word(word) = heard { Some(word) } else { None };
        self.all().await.into_iter().filter_map(word).collect()
    }

    /// The contents of the `message`s among [`all`](Self::all).
    pub async fn contents(&mut self) -> Vec<Value> {
        let message = |word: &Value| word["type"] == "message";
        self.words().await.iter().filter(|word| message(word)).map(|word| word["content"].clone()).collect()
    }

    /// Checks that nothing comes, and nothing is under way. Needs a paused clock.
    ///
    /// # Panics
    /// With what came.
    pub async fn expect_nothing(&mut self) {
        let all = self.all().await;
        assert!(all.is_empty(), "expected nothing, heard {all:?}");
    }

    /// The server's close: its code and reason. What comes before it is passed over.
    ///
    /// # Panics
    /// When no close comes for 5 s.
    pub async fn closed(&mut self) -> (u16, String) {
        let mut passed = Vec::new();
        loop {
            match self.next().await {
                Heard::Close(code, reason) => return (code, reason),
                Heard::End => panic!("the connection ended without a close; heard {passed:?}"),
                other => passed.push(other),
            }
        }
    }

    /// Waits for the end of the connection. What comes before it is passed over.
    ///
    /// # Panics
    /// When it does not end for 5 s.
    pub async fn ended(&mut self) {
        while self.next().await != Heard::End {}
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
