//! Every bound and every knob: its default, why, and the price of changing it.

use std::{num::NonZeroUsize, time::Duration};

/// The hub's knobs. `Config::default()` suits a public chat server; set single fields over it.
///
/// ```
/// use fanfare::Config;
/// let config = Config { max_message_bytes: 16 * 1024, ..Config::default() };
/// ```
#[derive(Debug, Clone)]
#[allow(clippy::exhaustive_structs, reason = "plain fields over a default are how users set knobs")]
pub struct Config {
    /// Longest message of a client, in bytes; 64 KiB. Longer ones end the session with 1009 before they are held in memory.
    /// A shard keeps one unfinished message per session, so this is also what a hostile client can make it hold.
    pub max_message_bytes: usize,
    /// Most rooms one session may be in; 128. One more is refused with `too_many_rooms`.
    pub max_rooms_per_session: usize,
    /// Time from the connection to the open session, the `hello` included; 10 s. Then it is closed with 4501.
    pub handshake_timeout: Duration,
    /// Silence after which the server pings; 25 s, which stays under the 30 s after which the stricter proxies and NATs
    /// forget a connection. Shorter finds dead peers sooner and costs a wake-up of each client's radio.
    pub ping_interval: Duration,
    /// Time for the answer; 20 s. A peer that stays mute is gone `ping_interval + ping_timeout` after its last byte.
    pub ping_timeout: Duration,
    /// Whether the first ping of a session comes up to a quarter of the interval early, so that clients that connected
    /// together do not answer together; yes.
    pub jitter_pings: bool,
    /// Whether a session keeps the request that opened it (headers and all, about a kilobyte) for
    /// [`Session::handshake`](crate::Session::handshake) after the connect handlers ran; no.
    pub keep_handshakes: bool,
    /// Time for the peer to answer a close and for the last bytes to leave; 1 s. Then the connection is dropped.
    pub close_timeout: Duration,
    /// Most bytes waiting for one session; 1 MiB. What happens beyond it is the room's [`Overflow`] policy; for what is sent
    /// to the session alone it is [`Overflow::Disconnect`].
    pub max_outbox_bytes: usize,
    /// Most bytes waiting for all sessions together; 1 GiB. Beyond it every session that is already behind is treated as
    /// full, so that the slowest pay first. Frames shared by several sessions count once for each.
    pub max_total_outbox_bytes: usize,
    /// Messages a second that a session may send in the long run; 1,000. Beyond it the session is read more slowly; nothing
    /// is lost. `None` for no bound.
    pub inbound_rate: Option<InboundRate>,
    /// Events that wait while a handler of the session is still busy; 64. Then the session is not read any further.
    pub max_mailbox_events: usize,
    /// Most calls to one client that wait for their answer; 128.
    pub max_calls_per_session: usize,
    /// Most commands of one session that cannot be understood; 100. Then it is closed with 4503.
    pub max_errors_per_session: u32,
    /// Connections that one address may have open; 1,000. Loopback is exempt. `None` for no bound, for servers behind a
    /// proxy, whose address would be everyone's.
    pub max_connections_per_address: Option<NonZeroUsize>,
    /// Connections in all; 1,000,000. Beyond it a handshake is refused with "try again later".
    pub max_connections: usize,
    /// Which pages may connect.
    pub origins: Origins,
    /// Messages that a join holds back while history is read; 1,024, and at most `max_outbox_bytes`. A join that needs more
    /// reads history again.
    pub max_join_buffer: usize,
    /// Most messages that one resumed room may cost; 300. A client that missed more gets a gap.
    pub max_recovered_messages: usize,
    /// Most bytes that one resumed room may cost; 1 MiB.
    pub max_recovered_bytes: usize,
    /// How long a lost session may be resumed; 2 min.
    pub resume_window: Duration,
    /// Most lost sessions kept for resuming; 10,000. The oldest goes first and its client begins anew.
    pub max_resumable_sessions: usize,
    /// History of each session's own inbox, for resuming sessions; 64 messages, 128 KiB, the resume window.
    pub inbox_history: History,
    /// Threads' worth of shards: how many futures own the sockets. `None`: one for each four cores, at least one. Measured: a
    /// second shard on one core costs small rooms half as much again.
    pub shards: Option<NonZeroUsize>,
    /// Commands waiting for one shard; 16,384. A publisher beyond it waits; a broker's delivery beyond twice of it is a gap.
    pub max_shard_queue: usize,
    /// Credentials that end are announced so long before; 30 s.
    pub refresh_notice: Duration,
    /// Idempotency keys that the default broker remembers; 100,000, each for [`idempotency_window`](Self::idempotency_window).
    pub max_idempotency_keys: usize,
    /// How long a publication with a key is applied only once; 5 min.
    pub idempotency_window: Duration,
    /// Time for a permission check, an authentication or a broker's answer; 5 s. Then the answer is no.
    pub check_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_message_bytes: 64 * 1024,
            max_rooms_per_session: 128,
            handshake_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            jitter_pings: true,
            keep_handshakes: false,
            close_timeout: Duration::from_secs(1),
            max_outbox_bytes: 1024 * 1024,
            max_total_outbox_bytes: 1024 * 1024 * 1024,
            inbound_rate: Some(InboundRate::default()),
            max_mailbox_events: 64,
            max_calls_per_session: 128,
            max_errors_per_session: 100,
            max_connections_per_address: NonZeroUsize::new(1000),
            max_connections: 1_000_000,
            origins: Origins::SameOrigin,
            max_join_buffer: 1024,
            max_recovered_messages: 300,
            max_recovered_bytes: 1024 * 1024,
            resume_window: Duration::from_secs(120),
            max_resumable_sessions: 10_000,
            inbox_history: History { messages: 64, bytes: 128 * 1024, age: Duration::from_secs(120) },
            shards: None,
            max_shard_queue: 16 * 1024,
            refresh_notice: Duration::from_secs(30),
            max_idempotency_keys: 100_000,
            idempotency_window: Duration::from_secs(300),
            check_timeout: Duration::from_secs(5),
        }
    }
}

impl Config {
    /// Checks that the knobs fit together.
    ///
    /// # Errors
    /// The first field that does not, and why.
    pub fn check(&self) -> Result<(), ConfigError> {
        let positive = [
            ("max_message_bytes", self.max_message_bytes),
            ("max_outbox_bytes", self.max_outbox_bytes),
            ("max_total_outbox_bytes", self.max_total_outbox_bytes),
            ("max_mailbox_events", self.max_mailbox_events),
            ("max_shard_queue", self.max_shard_queue),
            ("max_join_buffer", self.max_join_buffer),
        ];
        for (field, value) in positive {
            if value == 0 {
                return Err(ConfigError { field, rule: "must be at least 1" });
            }
        }
        if self.max_message_bytes > (1 << 30) {
            return Err(ConfigError { field: "max_message_bytes", rule: "must be at most 1 GiB" });
        }
        for (field, value) in [
            ("ping_interval", self.ping_interval),
            ("ping_timeout", self.ping_timeout),
            ("handshake_timeout", self.handshake_timeout),
            ("check_timeout", self.check_timeout),
        ] {
            if value < Duration::from_millis(10) {
                return Err(ConfigError { field, rule: "must be at least 10 ms" });
            }
        }
        if self.inbound_rate.is_some_and(|rate| rate.per_second == 0 || rate.burst == 0) {
            return Err(ConfigError { field: "inbound_rate", rule: "must be at least 1, or None" });
        }
        if self.idempotency_window < Duration::from_secs(300) {
            return Err(ConfigError { field: "idempotency_window", rule: "must be at least 5 min, as C3 promises" });
        }
        Ok(())
    }
}

/// A knob that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("config: {field} {rule}")]
pub struct ConfigError {
    /// The field's name.
    pub field: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// How fast one session may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "two numbers")]
pub struct InboundRate {
    /// Messages a second in the long run; 1,000.
    pub per_second: u32,
    /// Messages at once after a pause; 2,000.
    pub burst: u32,
}

impl Default for InboundRate {
    fn default() -> Self {
        Self { per_second: 1000, burst: 2000 }
    }
}

/// Which pages may open a connection (RFC 6455, section 10.2). Clients that are no browsers send no `Origin` and pass.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origins {
    /// Pages whose origin's host and port are those of the request's `Host`. The default.
    SameOrigin,
    /// These origins exactly, as `scheme://host[:port]`, and the same origin.
    List(Vec<String>),
    /// Every page. Safe only where a connection needs a token that a foreign page cannot get, never with cookies.
    Any,
}

/// How much of a room's past is kept, whichever bound is met first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "three bounds that every store shares")]
pub struct History {
    /// Messages.
    pub messages: usize,
    /// Bytes of their payloads.
    pub bytes: usize,
    /// Age.
    pub age: Duration,
}

impl History {
    /// The last `messages` messages, of at most 1 MiB and 1 hour.
    pub const fn last(messages: usize) -> Self {
        Self { messages, bytes: 1024 * 1024, age: Duration::from_secs(3600) }
    }
}

/// What a room does when a member's outbox is full. What is lost is never lost silently: the member gets a `gap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// Close the session with the resumable code 4000. The default, because a client that resumes misses nothing.
    #[default]
    Disconnect,
    /// Forget the room's oldest waiting messages.
    DropOldest,
    /// Forget the new message.
    DropNewest,
    /// Keep only the newest message of each publication [`key`](crate::Publish::conflate_by) as soon as the member is
    /// behind at all; then as [`DropOldest`](Self::DropOldest). For prices, positions, and other states.
    Conflate,
}

/// How a room behaves. Asked for when the room comes to life on this node, and for what is published to a room that nobody
/// here is in: it must always answer the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "plain fields over a default are how users set knobs")]
pub struct RoomPolicy {
    /// What is kept of the past. `None`, the default: nothing, and messages have no position.
    pub history: Option<History>,
    /// What happens to members who read too slowly.
    pub overflow: Overflow,
    /// Up to how many members joins and leaves are announced to the others; 1,000. In larger rooms they would cost the square
    /// of the members; there a client asks for `presence`. 0: never.
    pub announce_up_to: usize,
}

impl Default for RoomPolicy {
    fn default() -> Self {
        Self { history: None, overflow: Overflow::Disconnect, announce_up_to: 1000 }
    }
}

impl RoomPolicy {
    /// The default with this history.
    pub fn with_history(history: History) -> Self {
        Self { history: Some(history), ..Self::default() }
    }
}
