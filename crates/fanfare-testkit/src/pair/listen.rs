//! The client's ear: what came, what is looked for, and that nothing came.

use std::{collections::VecDeque, fmt::Debug, time::Duration};

use fanfare::{protocol::Native, transport::OutMessage};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Heard, TestClient, pack::unpack, pipe::Down};

/// How long a client waits for what must come, by the test's clock.
const DEADLINE: Duration = Duration::from_secs(5);

impl TestClient {
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
}
