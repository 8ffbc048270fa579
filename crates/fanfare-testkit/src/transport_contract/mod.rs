//! The transport contract: what every [`Transport`](fanfare::transport::Transport) must do together with the adapter that brings
//! its connections to the hub, ours or a user's, as tests against a running hub.
//!
//! # How to run it against a transport of your own
//! Say how to serve a hub and how to connect to it, and expand the tests in a file of `tests/`. Your crate needs
//! `fanfare-testkit`, `async-trait` and `tokio` (with `macros` and `rt-multi-thread`) among its `dev-dependencies`.
//!
//! ```
//! use async_trait::async_trait;
//! use fanfare::Hub;
//! use fanfare_testkit::transport_contract::{Frame, Lack, TransportClient, TransportFixture};
//! # use fanfare_testkit::{Dial, TestClient, Heard};
//!
//! #[derive(Default)]
//! struct Pair(Option<Hub>);
//! struct Client(TestClient);
//!
//! #[async_trait]
//! impl TransportFixture for Pair {
//!     type Client = Client;
//!
//!     async fn start(&mut self, hub: &Hub) {
//!         // Bind a listener, spawn the adapter's accept loop, keep the address.
//!         self.0 = Some(hub.clone());
//!     }
//!
//!     async fn connect(&mut self) -> Client {
//!         // Connect, and go as far as the handshake goes; `connected` is for the check to read.
//!         let hub = self.0.as_ref().expect("started first");
//!         Client(Dial::plain().open(hub).await.expect("the hub lets everybody in"))
//!     }
//! }
//!
//! #[async_trait]
//! impl TransportClient for Client {
//!     async fn send(&mut self, frame: Frame) {
//!         match frame {
//!             Frame::Text(text) => self.0.send_text(&text),
//!             Frame::Binary(bytes) => self.0.send_raw(&bytes),
//!             Frame::Close(code, _) => self.0.close(code),
//!         }
//!     }
//!
//!     async fn next(&mut self) -> Option<Frame> {
//!         # self.0.unstall();
//!         # let far = tokio::time::Instant::now() + std::time::Duration::from_secs(3600);
//!         loop {
//!             return match self.0.next_until(far).await? {
//!                 Heard::Word(word) => Some(Frame::Text(word.to_string())),
//!                 Heard::Raw(bytes) => Some(Frame::Binary(bytes.to_vec())),
//!                 Heard::Close(code, reason) => Some(Frame::Close(code, reason)),
//!                 Heard::Ping | Heard::Pong => continue,
//!                 Heard::End => None,
//!             };
//!         }
//!     }
//!
//!     fn cut(mut self) {
//!         self.0.cut();
//!     }
//! }
//!
//! fanfare_testkit::transport_contract_tests!(Pair::default());
//! ```
//!
//! Each check is a test with a sentence as its name. What a transport has no notion of, its fixture [declares](Lack): what can be
//! checked instead is checked, and what cannot be is left out and says so on its output.
//!
//! The checks run in real time, because sockets do, but wait for what happens and not for time to pass: 20 s at most, so that
//! a transport passes or fails in the same way on a slow machine. They run on tokio's multi-threaded runtime.

mod bounds;
mod endings;
mod liveness;
mod messages;
mod stage;

use async_trait::async_trait;
use fanfare::Hub;

pub use bounds::*;
pub use endings::*;
pub use liveness::*;
pub use messages::*;

/// How to serve a hub over the transport to check, and how to connect to it.
#[async_trait]
pub trait TransportFixture: Send {
    /// The client's end.
    type Client: TransportClient;

    /// What this transport has no notion of; nothing unless said.
    fn lacks(&self) -> &[Lack] {
        &[]
    }

    /// Serves `hub` until it is closed. When it returns, [`connect`](Self::connect) works. Called once for each fixture.
    async fn start(&mut self, hub: &Hub);

    /// Connects a client of the native protocol's plain form. The transport's own handshake is done when it returns; nothing of
    /// the protocol is read or sent, `connected` is for the check to read.
    async fn connect(&mut self) -> Self::Client;
}

/// The client's end of a connection: as raw as the transport's wire allows, and not one of fanfare's own.
///
/// It **must not read by itself**: only while a check waits in [`next`](Self::next) may it take bytes off the wire, because a
/// check that does not call `next` is a client that does not read.
#[async_trait]
pub trait TransportClient: Send + 'static {
    /// Sends a message or a close. An error of a connection that is gone is for [`next`](Self::next) to tell, not for this.
    async fn send(&mut self, frame: Frame);

    /// Receives the next message or close; `None` at the end of the connection, however it came about. Answers the transport's
    /// own pings by itself, and a close too, if the transport's rules ask for it.
    ///
    /// # Cancel safety
    /// A check may drop it; nothing that was received may be lost then.
    async fn next(&mut self) -> Option<Frame>;

    /// Loses the connection, without a close.
    fn cut(self)
    where
        Self: Sized;
}

/// What goes over a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "fixtures match on all of it")]
pub enum Frame {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A close, with its code and reason. A client without close frames ends its sending half instead.
    Close(u16, String),
}

/// What a transport may have no notion of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lack {
    /// Binary messages. Checked instead: the application's bytes go nowhere and do no harm.
    Binary,
    /// Close frames with a code. Checked instead: the code is told by a `closing` notice.
    CloseFrames,
    /// Pings of its own. Checked instead: the protocol's `ping` is sent, which the check answers.
    Pings,
    /// Any ping: dead peers are found in another way. The checks of liveness are left out.
    Heartbeat,
}

/// Expands to one `#[tokio::test]` for each check of the [contract](crate::transport_contract), each with a new fixture made by the
/// expression.
///
/// The tests take the names of the checks; a module around the macro keeps those of several transports apart.
#[macro_export]
macro_rules! transport_contract_tests {
    ($fixture:expr) => {
        $crate::transport_contract_tests!(@checks $fixture;
            // messages
            text_arrives_as_it_was_sent
            bytes_arrive_as_they_were_sent
            a_thousand_messages_arrive_in_order
            messages_of_all_sizes_arrive_whole
            // endings
            a_clients_close_is_answered
            a_lost_connection_ends_the_session
            the_servers_close_reaches_the_client
            a_drain_tells_when_to_come_back
            // bounds
            a_message_over_the_limit_ends_its_session_alone
            a_slow_reader_is_closed_and_others_do_not_wait
            connections_come_and_go_and_leave_nothing
            // liveness
            a_mute_peer_is_gone_after_interval_and_timeout
            a_peer_that_answers_stays
        );
    };
    (@checks $fixture:expr; $($check:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                $crate::transport_contract::$check($fixture).await;
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_check_is_one_of_the_tests_that_the_macro_expands_to() {
        let sources = [
            include_str!("messages.rs"),
            include_str!("endings.rs"),
            include_str!("bounds.rs"),
            include_str!("liveness.rs"),
        ];
        let checks = sources.iter().flat_map(|source| source.lines()).filter_map(|line| {
            let name = line.strip_prefix("pub async fn ")?;
            name.split_once('<').map(|(name, _)| name)
        });
        let list = include_str!("mod.rs");
        let mut count = 0;
        for check in checks {
            count += 1;
            assert!(list.contains(check), "{check} is in no list");
        }
        assert_eq!(count, 13);
    }
}
