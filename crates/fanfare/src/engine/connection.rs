//! One connection as its shard keeps it: small while nothing happens.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    task::Waker,
};

use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::outbox::Outbox;
use crate::{
    CallError, Command, InboundRate, Payload, ResumeToken,
    node::{ConnectionPermit, ConnectionWaker, Revived},
    protocol::Protocol,
    session::{
        Handshake, Identity, Session,
        state::{Millis, SessionState},
    },
    transport::Transport,
};

pub(super) struct Connection {
    pub(super) generation: u32,
    /// Index into the shard's formats.
    pub(super) format: u16,
    /// In which list of connections with something to send it stands.
    pub(super) listed: Listed,
    /// The peer takes nothing right now; its waker will come.
    pub(super) blocked: bool,
    /// It is not read until its mailbox or its rate allows.
    pub(super) paused: bool,
    /// A command of the client is under way; later ones wait in the mailbox.
    pub(super) busy: bool,
    /// Its close is queued: nothing more is carried out for it.
    pub(super) ending: bool,
    /// The session's `outbox_bytes` says something other than 0.
    pub(super) told_outbox: bool,
    /// The peer said goodbye while commands of its were under way, with this code.
    pub(super) goodbye: Option<u16>,
    /// The receiving half has ended.
    pub(super) deaf: bool,
    /// Scratch of the fan-out: the number of the last pass that treats this connection apart.
    pub(super) stamp: u32,
    pub(super) errors: u32,
    /// What is left of the inbound burst, and when that was reckoned.
    pub(super) allowance: f32,
    pub(super) allowance_at: Millis,
    /// The deadline of `state` for which the wheel has an entry.
    pub(super) armed: Millis,
    pub(super) state: SessionState,
    /// `None` while the shard has it out to call it.
    pub(super) transport: Option<Box<dyn Transport>>,
    pub(super) protocol: Option<Box<dyn Protocol>>,
    pub(super) waker: Option<Waker>,
    pub(super) flag: Arc<ConnectionWaker>,
    /// The session: there from the moment that the credentials are checked.
    pub(super) session: Option<Session>,
    pub(super) opening: Option<Box<Opening>>,
    pub(super) outbox: Option<Box<Outbox>>,
    pub(super) memberships: SmallVec<[Membership; 2]>,
    /// Rooms that it is on its way into.
    pub(super) joining: SmallVec<[u32; 2]>,
    pub(super) desk: Option<Box<Desk>>,
    pub(super) resume_token: Option<Box<ResumeToken>>,
    /// Given back when the connection is dropped.
    pub(super) _permit: ConnectionPermit,
}

/// Which list of connections with something to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Listed {
    No,
    /// Large rooms: flushed in slices.
    Bulk,
    /// Direct sends and small rooms: flushed first.
    Hot,
}

/// Where a connection stands in a room's member list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Membership {
    /// Index into the shard's rooms.
    pub(super) room: u32,
    /// Index into the room's members.
    pub(super) place: u32,
}

/// What is known before the session opens.
pub(super) struct Opening {
    pub(super) handshake: Arc<Handshake>,
    pub(super) identity: Option<Identity>,
    pub(super) revived: Option<Revived>,
    /// Why an earlier session does not go on.
    pub(super) not_resumed: Option<&'static str>,
    pub(super) asked_to_resume: bool,
}

/// What only a busy session needs.
#[derive(Default)]
pub(super) struct Desk {
    /// Commands that wait for the one that is under way.
    pub(super) mailbox: VecDeque<Command>,
    /// Bytes of their payloads.
    pub(super) mailbox_bytes: usize,
    pub(super) calls: HashMap<u64, oneshot::Sender<Result<Payload, CallError>>>,
}

impl Connection {
    pub(super) fn desk(&mut self) -> &mut Desk {
        self.desk.get_or_insert_default()
    }

    /// What is left of the inbound burst at `now`, earned since it was last reckoned. May be above the burst.
    pub(super) fn allowance_now(&self, rate: InboundRate, now: Millis) -> f32 {
        self.allowance + now.saturating_sub(self.allowance_at) as f32 * per_millisecond(rate)
    }

    pub(super) fn outbox_bytes(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.bytes())
    }
}

/// Messages that are earned in a millisecond.
pub(super) fn per_millisecond(rate: InboundRate) -> f32 {
    rate.per_second as f32 / 1000.0
}
