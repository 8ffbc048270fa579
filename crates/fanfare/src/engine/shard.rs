//! A shard: everything it owns, and how it carries out commands.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use slab::Slab;
use tokio::{sync::oneshot, time::Instant};

use super::{
    Surroundings, connection::Connection, encode::encode_publication, inbound::Received, outbox::Outbox,
    room::ShardRoom, timers::Timers,
};
use crate::{
    CallError, CloseCode, DisconnectReason, EventName, Member, Notice, Payload,
    broker::Topic,
    engine::Seat,
    node::{Node, RoomEntry, ShardCommand, ShardHandle, Slot},
    observe::add,
    protocol::Encoding,
    session::state::{Millis, Phase, Timing, millis},
    transport::Framing,
};

/// What a publication is encoded for: once for all connections that share it.
pub(super) struct Format {
    pub(super) encoding: Arc<dyn Encoding>,
    pub(super) framing: Arc<dyn Framing>,
}

/// One shard. Fields stand here together because one turn touches them all; each file of this folder works on its own part.
pub(super) struct Shard {
    pub(super) node: Arc<Node>,
    pub(super) seat: Arc<Seat>,
    pub(super) handle: Arc<ShardHandle>,
    pub(super) timing: Timing,
    /// The beginning of the shard's time.
    pub(super) epoch: Instant,
    pub(super) now: Millis,
    pub(super) connections: Slab<Connection>,
    pub(super) next_generation: u32,
    pub(super) next_join: u64,
    pub(super) formats: Vec<Format>,
    /// Rooms with members or joins under way. An index is valid while one of them is there.
    pub(super) rooms: Slab<ShardRoom>,
    pub(super) room_index: HashMap<u64, u32>,
    /// Rooms that were published to since they were last sealed. May name a room twice or one that is gone.
    pub(super) dirty_rooms: Vec<u32>,
    /// Those of them that are everyone's.
    pub(super) dirty_broadcasts: Vec<u32>,
    pub(super) timers: Timers,
    pub(super) hot: VecDeque<u32>,
    pub(super) bulk: VecDeque<u32>,
    /// Connections to be read in this turn or the next.
    pub(super) ready: Vec<u32>,
    /// Connections to close and to remove at the end of the current step, when nobody iterates over them.
    pub(super) to_close: Vec<(u32, CloseCode)>,
    pub(super) doomed: Vec<(u32, DisconnectReason)>,
    /// Connections whose command is done and whose next one may run.
    pub(super) to_release: Vec<u32>,
    #[allow(clippy::vec_box, reason = "a connection holds a word where it has no outbox")]
    pub(super) spare_outboxes: Vec<Box<Outbox>>,
    pub(super) waiting_bytes: usize,
    pub(super) settled_bytes: usize,
    pub(super) over_budget: bool,
    pub(super) counted: Counted,
    pub(super) late_now: Vec<u32>,
    pub(super) received: Vec<Received>,
    pub(super) scratch_read: Box<[u8]>,
    pub(super) scratch_text: Vec<u8>,
    pub(super) scratch_join: Vec<u8>,
    stamp: u32,
    pub(super) stopped: bool,
}

/// What happens often: counted in this turn, added to the hub's counters at its end.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) messages_in: u64,
    pub(super) deliveries: u64,
    pub(super) dropped: u64,
    pub(super) gaps: u64,
}

/// Size of the memory that all connections of a shard are read through: one read of a busy socket, and the largest message
/// of the default configuration in one piece.
const SCRATCH_BYTES: usize = 64 * 1024;

impl Shard {
    pub(super) fn new(around: Surroundings, handle: Arc<ShardHandle>) -> Self {
        let config = &around.node.config;
        Self {
            timing: Timing {
                handshake: millis(config.handshake_timeout),
                ping_interval: millis(config.ping_interval),
                ping_timeout: millis(config.ping_timeout),
                close: millis(config.close_timeout),
                refresh_notice: millis(config.refresh_notice),
            },
            node: around.node,
            seat: around.seat,
            handle,
            epoch: Instant::now(),
            now: 0,
            connections: Slab::new(),
            next_generation: 1,
            next_join: 0,
            formats: Vec::new(),
            rooms: Slab::new(),
            room_index: HashMap::new(),
            dirty_rooms: Vec::new(),
            dirty_broadcasts: Vec::new(),
            timers: Timers::new(),
            hot: VecDeque::new(),
            bulk: VecDeque::new(),
            ready: Vec::new(),
            to_close: Vec::new(),
            doomed: Vec::new(),
            to_release: Vec::new(),
            spare_outboxes: Vec::new(),
            waiting_bytes: 0,
            settled_bytes: 0,
            over_budget: false,
            counted: Counted::default(),
            late_now: Vec::new(),
            received: Vec::new(),
            scratch_read: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            scratch_text: Vec::new(),
            scratch_join: Vec::new(),
            stamp: 0,
            stopped: false,
        }
    }

    pub(super) fn command(&mut self, command: ShardCommand) {
        match command {
            ShardCommand::Accept(arrival) => self.accept(*arrival),
            ShardCommand::Admitted { slot, admitted } => {
                if let Some(index) = self.find(slot) {
                    self.admitted(index, *admitted);
                }
            }
            ShardCommand::Connecting { slot, outcome } => {
                if let Some(index) = self.find(slot) {
                    self.connecting_done(index, outcome);
                }
            }
            ShardCommand::Connected { slot, outcome } => {
                if let Some(index) = self.find(slot) {
                    self.connected_done(index, outcome);
                }
            }
            ShardCommand::Deliver { entry, publication, position } => self.deliver(&entry, publication, position),
            ShardCommand::Gap { entry, from, to } => self.tell_gap(&entry, from, to),
            ShardCommand::Send(slot, publication) => {
                if let Some(index) = self.find(slot) {
                    self.send_publication(index, &publication);
                }
            }
            ShardCommand::Call { slot, id, name, payload, answer } => match self.find(slot) {
                Some(index) => self.call(index, id, &name, &payload, answer),
                None => drop(answer.send(Err(CallError::Closed))),
            },
            ShardCommand::ForgetCall { slot, id } => {
                let desk = self.find(slot).and_then(|index| self.connections[index as usize].desk.as_mut());
                desk.and_then(|desk| desk.calls.remove(&id));
            }
            ShardCommand::Join { slot, room, request } => match self.find(slot) {
                Some(index) => self.join_room(index, room, request),
                None => self.refuse_join(request),
            },
            ShardCommand::JoinReady { slot, entry, number, result } => self.join_ready(slot, &entry, number, result),
            ShardCommand::Leave { slot, room, answer } => {
                if let Some(index) = self.find(slot) {
                    self.leave_room(index, &room, None);
                }
                if let Some(answer) = answer {
                    let _ = answer.send(());
                }
            }
            ShardCommand::Handled { slot, id, outcome } => {
                if let Some(index) = self.find(slot) {
                    self.handled(index, id, outcome);
                    self.next_command(index);
                }
            }
            ShardCommand::IdentityChanged(slot) => {
                if let Some(index) = self.find(slot) {
                    self.identity_changed(index);
                }
            }
            ShardCommand::Close { slot, code, reason, retry_after } => {
                if let Some(index) = self.find(slot) {
                    self.close(index, code, &reason, retry_after);
                }
            }
            ShardCommand::Supersede { slot, done } => {
                if let Some(index) = self.find(slot) {
                    self.close(index, CloseCode::Resumed, CloseCode::Resumed.reason(), None);
                }
                let _ = done.send(());
            }
            ShardCommand::Members { entry, limit, answer } => drop(answer.send(self.members(&entry, limit))),
            ShardCommand::CloseOpening => self.close_opening(),
            ShardCommand::Stop => self.stopped = true,
        }
        self.reap();
    }

    /// The connection in this slot, unless it is gone.
    pub(super) fn find(&self, slot: Slot) -> Option<u32> {
        let there = self.connections.get(slot.index as usize)?;
        (there.generation == slot.generation).then_some(slot.index)
    }

    pub(super) fn slot(&self, index: u32) -> Slot {
        Slot { shard: self.handle.index, index, generation: self.connections[index as usize].generation }
    }

    /// A number for one pass over connections that treats some of them apart.
    pub(super) fn next_stamp(&mut self) -> u32 {
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            // After four billion passes old stamps would come back to life.
            for (_, connection) in &mut self.connections {
                connection.stamp = 0;
            }
            self.stamp = 1;
        }
        self.stamp
    }

    pub(super) fn format_of(&mut self, encoding: Arc<dyn Encoding>, framing: Arc<dyn Framing>) -> u16 {
        let known = self
            .formats
            .iter()
            .position(|format| format.encoding.name() == encoding.name() && format.framing.name() == framing.name());
        let place = known.unwrap_or_else(|| {
            self.formats.push(Format { encoding, framing });
            self.formats.len() - 1
        });
        u16::try_from(place).expect("formats are a handful of static kinds")
    }

    /// Polls `future` where it stands and returns what it gives at once. Otherwise it goes on as a task, and `later` makes the
    /// command that brings its value back.
    pub(super) fn start<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
        later: impl FnOnce(T) -> ShardCommand + Send + 'static,
    ) -> Option<T> {
        let mut future = Box::pin(future);
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => {
                let handle = self.handle.clone();
                self.node.runtime.spawn(async move { handle.push(later(future.await)) });
                None
            }
        }
    }

    /// Runs `future` to its end, now if it is ready at once, else as a task.
    pub(super) fn detach(&self, future: impl Future<Output = ()> + Send + 'static) {
        let mut future = Box::pin(future);
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            self.node.runtime.spawn(future);
        }
    }

    fn send_publication(&mut self, index: u32, publication: &crate::broker::Publication) {
        self.seal_rooms_of(index);
        let connection = &self.connections[index as usize];
        let Some(session) = &connection.session else { return };
        let entry_topic = Topic::inbox(session.namespace().clone(), session.id());
        let mut frame = Vec::new();
        let format = &self.formats[usize::from(connection.format)];
        encode_publication(format, &entry_topic, publication, None, &mut self.scratch_text, &mut frame);
        self.counted.deliveries += 1;
        self.send(index, frame.into());
    }

    fn call(
        &mut self,
        index: u32,
        id: u64,
        name: &EventName,
        payload: &Payload,
        answer: oneshot::Sender<Result<Payload, CallError>>,
    ) {
        let max = self.node.config.max_calls_per_session;
        let connection = &mut self.connections[index as usize];
        if connection.state.phase() == Phase::Closing {
            drop(answer.send(Err(CallError::Closed)));
            return;
        }
        let desk = connection.desk();
        if desk.calls.len() >= max {
            drop(answer.send(Err(CallError::TooManyCalls)));
            return;
        }
        desk.calls.insert(id, answer);
        self.tell(index, &Notice::Call { id, name, payload });
    }

    fn members(&self, entry: &RoomEntry, limit: usize) -> (Vec<Member>, usize) {
        let Some(&index) = self.room_index.get(&entry.id) else { return (Vec::new(), 0) };
        let room = &self.rooms[index as usize];
        let sessions = room.members.iter().filter_map(|member| self.connections[*member as usize].session.as_ref());
        let members = sessions.take(limit).map(|session| session.identity().member(session.id())).collect();
        (members, room.members.len())
    }

    /// Adds what this turn counted to the hub's counters.
    pub(super) fn settle_counters(&mut self) {
        let Counted { messages_in, deliveries, dropped, gaps } = std::mem::take(&mut self.counted);
        let counters = &self.node.counters;
        for (counter, count) in [
            (&counters.messages_in, messages_in),
            (&counters.deliveries, deliveries),
            (&counters.dropped, dropped),
            (&counters.gaps, gaps),
        ] {
            if count > 0 {
                add(counter, count);
            }
        }
    }
}
