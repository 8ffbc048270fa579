//! What every check begins with: a hub whose handlers echo and remember, served by the fixture.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use fanfare::{Config, DisconnectReason, EventName, Hub, Payload, Reject, Session, SessionId, State};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Frame, Lack, TransportClient, TransportFixture};

/// How long a check waits for what must come.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

pub(super) struct Stage<F: TransportFixture> {
    pub(super) fixture: F,
    pub(super) hub: Hub,
    ends: Ends,
}

/// The sessions that ended, in order.
#[derive(Clone)]
struct Ends(Arc<Mutex<Vec<(SessionId, DisconnectReason)>>>, watch::Sender<usize>);

impl<F: TransportFixture> Stage<F> {
    pub(super) async fn new(mut fixture: F, config: Config) -> Self {
        let ends = Ends(Arc::default(), watch::Sender::new(0));
        let hub = Hub::builder()
            .config(config)
            .state(ends.clone())
            .on_event("echo", async |session: Session, payload: Payload| {
                session.send_event(name("echo"), payload).await.map_err(|_| Reject::internal())
            })
            .on_raw(async |session: Session, bytes: Bytes| {
                session.send_raw(bytes).await.map_err(|_| Reject::internal())
            })
            .on_disconnect(async |session: Session, State(ends): State<Ends>, reason: DisconnectReason| {
                ends.0.lock().push((session.id(), reason));
                ends.1.send_modify(|count| *count += 1);
            })
            .build()
            .expect("the hub of the contract can be built");
        in_time("start", fixture.start(&hub)).await;
        Self { fixture, hub, ends }
    }

    pub(super) fn lacks(&self, lack: Lack) -> bool {
        self.fixture.lacks().contains(&lack)
    }

    /// Connects a client and reads its `connected`.
    pub(super) async fn client(&mut self) -> Client<F::Client> {
        let raw = in_time("connect", self.fixture.connect()).await;
        let close_frames = !self.lacks(Lack::CloseFrames);
        let mut client = Client { raw, close_frames, id: SessionId::from_bytes([0; 16]) };
        let connected = client.word().await;
        assert_eq!(connected["type"], "connected", "the first word of a plain client");
        client.id = connected["clientId"].as_str().and_then(|id| id.parse().ok()).expect("connected tells the id");
        client
    }

    /// Waits until so many sessions have ended, and returns why each did.
    pub(super) async fn ends(&self, count: usize) -> Vec<(SessionId, DisconnectReason)> {
        let mut changed = self.ends.1.subscribe();
        let waiting = changed.wait_for(|there| *there >= count);
        in_time(&format!("the end of {count} sessions"), waiting).await.expect("the stage has the sender");
        self.ends.0.lock().clone()
    }

    /// Ends the check.
    pub(super) async fn end(self) {
        in_time("the hub's close", self.hub.close()).await;
    }
}

/// A connected client that speaks words.
pub(super) struct Client<C> {
    pub(super) raw: C,
    close_frames: bool,
    pub(super) id: SessionId,
}

impl<C: TransportClient> Client<C> {
    pub(super) async fn send(&mut self, word: Value) {
        in_time("sending", self.raw.send(Frame::Text(word.to_string()))).await;
    }

    /// The next frame, but for the protocol's `ping`, which is answered.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = in_time("something to come", self.raw.next()).await;
            match &frame {
                Some(Frame::Text(text)) if is_ping(text) => self.send(json!({"type": "pong"})).await,
                _ => return frame,
            }
        }
    }

    pub(super) async fn word(&mut self) -> Value {
        match self.next().await {
            Some(Frame::Text(text)) => serde_json::from_str(&text).expect("the server's text is JSON"),
            other => panic!("expected a word, got {}", short(&other)),
        }
    }

    /// The next word of this type; others are passed over.
    pub(super) async fn word_of(&mut self, kind: &str) -> Value {
        loop {
            let word = self.word().await;
            if word["type"] == kind {
                return word;
            }
        }
    }

    /// Sends a word with an id and waits for its answer; other words are passed over.
    pub(super) async fn ask(&mut self, mut word: Value) -> Value {
        word["id"] = 1.into();
        self.send(word).await;
        loop {
            let word = self.word().await;
            if word["id"] == 1 {
                return word;
            }
        }
    }

    /// The server's close: by a frame, or by a `closing` notice where the transport has none. What comes before is passed over.
    /// `None` when the connection ended without either.
    pub(super) async fn closed(&mut self) -> Option<(u16, String)> {
        loop {
            match self.next().await? {
                Frame::Close(code, reason) => return Some((code, reason)),
                Frame::Text(text) if !self.close_frames => {
                    let word: Value = serde_json::from_str(&text).expect("the server's text is JSON");
                    if word["type"] == "closing" {
                        let code = word["code"].as_u64().and_then(|code| u16::try_from(code).ok());
                        return Some((code.expect("closing tells a code"), word["reason"].as_str()?.to_owned()));
                    }
                }
                _ => {}
            }
        }
    }

    /// Reads until the connection ends.
    pub(super) async fn ended(&mut self) {
        while self.next().await.is_some() {}
    }
}

pub(super) fn name(name: &str) -> EventName {
    EventName::new(name).expect("a valid name")
}

/// # Panics
/// When it takes longer than anything may.
pub(super) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what}: not within {DEADLINE:?}"),
    }
}

fn is_ping(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|word| word["type"] == "ping")
}

/// A frame for a message of a test: never more than a line.
pub(super) fn short(frame: &Option<Frame>) -> String {
    format!("{frame:?}").chars().take(200).collect()
}
