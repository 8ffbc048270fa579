//! From a client's bytes to its commands: read, decode, and no faster than it may.

use std::{task::Context, task::Poll};

use bytes::Bytes;

use super::{
    commands::MAX_MAILBOX_BYTES,
    connection::{Desk, per_millisecond},
    shard::Shard,
};
use crate::{
    CloseCode, Command, DisconnectReason, InboundRate, Notice,
    observe::add,
    protocol::{InMessage, ProtocolError},
    session::state::{Millis, Phase},
    transport::{Inbound, ReceiveError, Received as Half},
};

/// Reads of one socket in one turn. More would let a fast sender hold up the others.
const READS: usize = 4;

/// What came from a peer, waiting to be acted on once the transport is back in its place.
pub(super) enum Received {
    Command(Command),
    Bad(ProtocolError),
    Ping(Bytes),
    Pong,
    /// The peer said goodbye, with this code.
    Close(u16),
}

impl Shard {
    /// Reads what is there, a few times at most.
    pub(super) fn receive(&mut self, index: u32) {
        for _ in 0..READS {
            if !self.receive_once(index) {
                return;
            }
        }
        // There may be more: after the others had their turn.
        self.ready.push(index);
    }

    /// Reads once. Returns whether to read again.
    fn receive_once(&mut self, index: u32) -> bool {
        let Some(connection) = self.connections.get_mut(index as usize) else { return false };
        if connection.paused || connection.deaf {
            return false;
        }
        let (Some(transport), Some(protocol), Some(waker)) =
            (&mut connection.transport, &mut connection.protocol, &connection.waker)
        else {
            return false;
        };
        let closing = connection.state.phase() == Phase::Closing;
        let max_bytes = self.node.config.max_message_bytes;
        let received = &mut self.received;
        let mut messages = 0;
        let result = transport.poll_receive(&mut Context::from_waker(waker), &mut self.scratch_read, &mut |inbound| {
            let message = match inbound {
                Inbound::Text(text) => InMessage::Text(text),
                Inbound::Binary(bytes) => InMessage::Binary(bytes),
                Inbound::Ping(payload) => return received.push(Received::Ping(Bytes::copy_from_slice(payload))),
                Inbound::Pong(_) => return received.push(Received::Pong),
                Inbound::Close(code, _) => return received.push(Received::Close(code)),
            };
            messages += 1;
            // Transports refuse earlier, before they hold it; one of the application's own may have no limit.
            if message.len() > max_bytes {
                return received.push(Received::Bad(ProtocolError::Broken {
                    code: CloseCode::TooBig,
                    rule: "message over the limit",
                }));
            }
            // After our close nothing is carried out any more; the peer may not know of it yet.
            if !closing {
                if let Err(error) = protocol.receive(message, &mut |command| received.push(Received::Command(command)))
                {
                    received.push(Received::Bad(error));
                }
            }
        });
        self.counted.messages_in += messages;
        let again = match &result {
            Poll::Pending => false,
            Poll::Ready(Ok(Half::Open)) => {
                connection.state.handle_heard(self.now);
                true
            }
            Poll::Ready(Ok(Half::Closed) | Err(_)) => {
                connection.deaf = true;
                false
            }
        };
        self.act_on_received(index);
        self.spend_allowance(index, messages);
        match result {
            Poll::Ready(Ok(Half::Closed)) => self.peer_ended(index),
            Poll::Ready(Err(ReceiveError::Peer { code, rule })) => {
                tracing::debug!(rule, ?code, "peer broke the transport's protocol");
                add(&self.node.counters.bad_messages, 1);
                self.close_for(index, code);
            }
            Poll::Ready(Err(ReceiveError::Io(error))) => {
                tracing::debug!(%error, "connection broke while receiving");
                self.doom(index, DisconnectReason::Lost);
            }
            Poll::Ready(Ok(Half::Open)) | Poll::Pending => {}
        }
        again
    }

    /// The peer sends no more. What waits for it may still go out if we are closing; otherwise it is gone.
    fn peer_ended(&mut self, index: u32) {
        let Some(connection) = self.connections.get(index as usize) else { return };
        if connection.state.phase() != Phase::Closing {
            self.doom(index, DisconnectReason::Lost);
        }
    }

    fn act_on_received(&mut self, index: u32) {
        let mut received = std::mem::take(&mut self.received);
        for item in received.drain(..) {
            match item {
                Received::Command(command) => self.take_command(index, command),
                Received::Bad(ProtocolError::Refused { error, id }) => {
                    self.refused(index, id, error.code(), &error.to_string());
                }
                Received::Bad(ProtocolError::Broken { code, rule }) => {
                    tracing::debug!(rule, ?code, "peer broke the protocol");
                    add(&self.node.counters.bad_messages, 1);
                    self.close_for(index, code);
                }
                Received::Ping(payload) => self.pong(index, &payload),
                Received::Pong => {}
                Received::Close(code) => self.goodbye(index, code),
            }
        }
        self.received = received;
    }

    /// The peer said goodbye. What it asked before is carried out and answered first.
    fn goodbye(&mut self, index: u32, code: u16) {
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        connection.deaf = true;
        if connection.busy && connection.state.phase() == Phase::Open {
            connection.goodbye = Some(code);
        } else {
            self.peer_closed(index, code);
        }
    }

    /// A message that could not be understood: told to the sender, and counted against it.
    pub(super) fn refused(&mut self, index: u32, id: Option<u64>, code: &str, message: &str) {
        add(&self.node.counters.bad_messages, 1);
        let max = self.node.config.max_errors_per_session;
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        connection.errors += 1;
        tracing::debug!(code, message, "message refused");
        if connection.errors > max {
            self.close_for(index, CloseCode::TooManyErrors);
            return;
        }
        self.tell(index, &Notice::Error { id, code, message, data: None, retry_after: None });
    }

    fn pong(&mut self, index: u32, payload: &[u8]) {
        let Some(connection) = self.connections.get(index as usize) else { return };
        // One answer to all pings that came while the peer does not read: the latest would be best, the first is enough.
        if connection.blocked || connection.state.phase() == Phase::Closing {
            return;
        }
        let mut frame = Vec::new();
        self.formats[usize::from(connection.format)].framing.pong(payload, &mut frame);
        self.send(index, frame.into());
    }

    pub(super) fn ping(&mut self, index: u32) {
        let connection = &self.connections[index as usize];
        let mut frame = Vec::new();
        if self.formats[usize::from(connection.format)].framing.ping(&mut frame) {
            self.send(index, frame.into());
        } else {
            self.tell(index, &Notice::Ping);
        }
    }

    /// Takes what the inbound rate allows. Beyond it the session is not read until it has caught up; nothing is lost.
    fn spend_allowance(&mut self, index: u32, messages: u64) {
        let Some(rate) = self.node.config.inbound_rate else { return };
        if messages == 0 {
            return;
        }
        let now = self.now;
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        connection.allowance = connection.allowance_now(rate, now).min(rate.burst as f32) - messages as f32;
        connection.allowance_at = now;
        if connection.allowance < 0.0 {
            connection.paused = true;
            let wait = time_to_earn(-connection.allowance, rate);
            self.wake_at(index, now + wait);
        }
    }

    /// Reads a connection again if nothing stands against it any more.
    pub(super) fn resume_reading(&mut self, index: u32) {
        let max = self.node.config.max_mailbox_events;
        let rate = self.node.config.inbound_rate;
        let now = self.now;
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        let full = |desk: &Desk| desk.mailbox.len() >= max || desk.mailbox_bytes >= MAX_MAILBOX_BYTES;
        if connection.desk.as_deref().is_some_and(full) {
            return;
        }
        if let Some(rate) = rate {
            let allowance = connection.allowance_now(rate, now);
            if allowance < 0.0 {
                self.wake_at(index, now + time_to_earn(-allowance, rate));
                return;
            }
        }
        connection.paused = false;
        self.ready.push(index);
    }
}

/// Milliseconds until so many messages are earned.
fn time_to_earn(messages: f32, rate: InboundRate) -> Millis {
    (messages / per_millisecond(rate)).ceil().max(1.0) as Millis
}
