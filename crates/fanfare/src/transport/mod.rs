//! The port for how bytes arrive and leave: one implementation a kind of connection.
//!
//! A transport is *polled by the shard that owns the session*; there is no task and no buffer for each connection. It does
//! three things: receive what is there, send as much of an [`Outgoing`] queue as the peer takes, and close.
//!
//! # Wakers
//! Each call carries the waker of this one connection. A call that returns `Poll::Pending` must have arranged for that waker
//! to be woken when it is worth calling again; the shard then receives *and* sends. Every wake costs a turn, so wake for
//! progress only.
//!
//! # Framing
//! What the shard queues is already framed for the wire by the transport's [`Framing`], and shared between all members of a
//! room that have the same one. A byte-stream transport writes [`Outgoing::chunk`]s and knows nothing of messages; a
//! transport that hands over whole messages uses [`Messages`] as its framing and takes [`Outgoing::message`]s.

mod framing;
mod outgoing;
mod stream_sink;

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use crate::CloseCode;

pub use framing::{Framing, MessageKind, Messages, OutMessage};
pub use outgoing::{Outgoing, Queue};
pub use stream_sink::{Incoming, StreamSink};

/// How bytes arrive: what an adapter implements for its kind of connection.
///
/// All calls for one transport come from one task, one after the other. No call may block.
pub trait Transport: Send + 'static {
    /// A word for logs and statistics, such as `websocket`.
    fn name(&self) -> &'static str;

    /// The shape in which messages go onto the wire. Asked once, at the start.
    fn framing(&self) -> Arc<dyn Framing>;

    /// The peer's address, if there is one.
    fn peer_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// Whether the hub finds out by pings that the peer is dead. `false` is for a peer that cannot answer them, such as a person
    /// at a terminal; the transport then ends by itself when the peer is gone, as TCP does with a keepalive. Asked once.
    fn heartbeat(&self) -> bool {
        true
    }

    /// Receives once what is there, and tells `receive` each message or control frame in it, in order.
    ///
    /// `scratch` is memory of the shard (64 KiB), lent for this call: read into it, parse in place, and keep only what is
    /// incomplete. `Ready(Ok(Received::Open))` means something was read and there may be more: the shard calls again, a few
    /// times a turn. `Ready(Ok(Received::Closed))` means the peer won't send any more. After an error or `Closed` it is not
    /// called again.
    ///
    /// # Errors
    /// [`ReceiveError`]: the shard sends the close frame for it and drops the transport. What `receive` was told before
    /// stays valid.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        receive: &mut dyn FnMut(Inbound<'_>),
    ) -> Poll<Result<Received, ReceiveError>>;

    /// Sends as much of `outgoing` as the peer takes now. `Ready(Ok(()))` means it is empty and flushed.
    ///
    /// # Errors
    /// [`SendError`]: the connection is dead, the rest of the queue is lost with it.
    fn poll_send(&mut self, cx: &mut Context<'_>, outgoing: &mut Outgoing<'_>) -> Poll<Result<(), SendError>>;

    /// Ends the connection after everything was sent, the close frame included. `Ready` when nothing is left to do; the
    /// shard waits for a bounded time and then drops the transport.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// What a transport received.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Inbound<'a> {
    /// A whole text message. The transport has checked that it is UTF-8.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// The transport's own ping; the shard queues the framing's pong with this payload (the latest one, if several wait).
    Ping(&'a [u8]),
    /// The transport's own pong.
    Pong(&'a [u8]),
    /// The peer's close frame: its code, 1005 where it has none, and its reason. Nothing comes after it.
    Close(u16, &'a str),
}

/// The state of the receiving half after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Something was read; call again for more.
    Open,
    /// The end of the stream: the peer sends nothing any more.
    Closed,
}

/// Why receiving ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The peer broke a rule. The code is told to it; the text is for our log.
    #[error("peer broke the protocol ({code:?}): {rule}")]
    Peer {
        /// The close code for the peer.
        code: CloseCode,
        /// Which rule, for the log.
        rule: &'static str,
    },
    /// The connection broke.
    #[error("connection broke")]
    Io(#[from] std::io::Error),
}

/// Why sending ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection broke.
    #[error("connection broke")]
    Io(#[from] std::io::Error),
}
