//! How anyone asks a shard: a bounded queue of commands, and the list of connections that woke.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use super::{Outcome, RoomEntry};
use crate::{
    CallError, CloseCode, EventName, JoinError, Member, Notice, Payload, Position, Reject, RoomName,
    broker::{HistoryEntry, Publication},
    protocol::Protocol,
    session::{Handshake, Identity},
    transport::Transport,
};

/// Where a connection lives. A slot is used again; the generation tells the lives apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) shard: u16,
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// What a shard can be asked.
pub(crate) enum ShardCommand {
    /// Take over a connection.
    Accept(Box<Arrival>),
    /// The check of a connection's credentials is done.
    Admitted { slot: Slot, admitted: Box<Result<Admitted, crate::Refusal>> },
    /// The application's connect handlers that may refuse are done.
    Connecting { slot: Slot, outcome: Outcome<Result<(), Reject>> },
    /// The application's connect handlers are done.
    Connected { slot: Slot, outcome: Outcome<Result<(), Reject>> },
    /// Hand a publication to the members of a room.
    Deliver { entry: Arc<RoomEntry>, publication: Arc<Publication>, position: Option<Position> },
    /// Tell the members of a room that something was lost.
    Gap { entry: Arc<RoomEntry>, from: Option<Position>, to: Option<Position> },
    /// Send to one session.
    Send(Slot, Arc<Publication>),
    /// Call one session.
    Call { slot: Slot, id: u64, name: EventName, payload: Payload, answer: oneshot::Sender<Result<Payload, CallError>> },
    /// Nobody waits for the answer of a call any more.
    ForgetCall { slot: Slot, id: u64 },
    /// Put a session into a room.
    Join { slot: Slot, room: RoomName, request: JoinRequest },
    /// The asynchronous half of a join is done.
    JoinReady { slot: Slot, entry: Arc<RoomEntry>, number: u64, result: Result<JoinReady, JoinError> },
    /// Take a session out of a room.
    Leave { slot: Slot, room: RoomName, answer: Option<oneshot::Sender<()>> },
    /// A handler that was not ready at once is done. `id`: the command that asked for an answer.
    Handled { slot: Slot, id: Option<u64>, outcome: Outcome<Result<Answer, Reject>> },
    /// The identity of a session changed.
    IdentityChanged(Slot),
    /// End a session.
    Close { slot: Slot, code: CloseCode, reason: Box<str>, retry_after: Option<Duration> },
    /// End a session at once because another connection resumed it, and say when it is gone.
    Supersede { slot: Slot, done: oneshot::Sender<()> },
    /// Who is in the room on this shard: at most so many, and how many there are.
    Members { entry: Arc<RoomEntry>, limit: usize, answer: oneshot::Sender<(Vec<Member>, usize)> },
    /// End the connections that are not open yet.
    CloseOpening,
    /// Drop everything and end.
    Stop,
}

/// What answers a command.
pub(crate) enum Answer {
    /// An ack, with the place of the command's message.
    Payload(Payload, Option<Position>),
    /// Anything else.
    Words(Words),
}

/// Words the notice: called with the way to tell it.
pub(crate) type Words = Box<dyn FnOnce(&mut dyn FnMut(&Notice<'_>)) + Send>;

/// A connection that an adapter hands over.
pub(crate) struct Arrival {
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) protocol: Box<dyn Protocol>,
    pub(crate) handshake: Arc<Handshake>,
    /// `None`: the credentials come with the `hello`.
    pub(crate) identity: Option<Identity>,
    pub(crate) permit: super::ConnectionPermit,
    /// When the handshake began.
    pub(crate) begun: Instant,
}

/// Who a connection is, and which lost session it goes on with.
pub(crate) struct Admitted {
    pub(crate) identity: Identity,
    pub(crate) handshake: Arc<Handshake>,
    pub(crate) resume: Option<Result<super::Revived, &'static str>>,
}

/// How a session is to join.
#[derive(Default)]
pub(crate) struct JoinRequest {
    /// The command that asked; answered by an ack or an error.
    pub(crate) id: Option<u64>,
    /// Whether the client asked: then the permission check is asked.
    pub(crate) by_client: bool,
    /// Whether it puts a resumed session back: a refusal is told as having left.
    pub(crate) restores: bool,
    /// Whether the end of the join lets the client's next command run.
    pub(crate) holds_mailbox: bool,
    /// The place to go on from.
    pub(crate) since: Option<Position>,
    /// How many past messages are wanted.
    pub(crate) history: Option<u32>,
    /// Who waits for it.
    pub(crate) answer: Option<oneshot::Sender<Result<(), JoinError>>>,
}

/// What the asynchronous half of a join found.
pub(crate) struct JoinReady {
    /// The room's last place, where it keeps history.
    pub(crate) top: Option<Position>,
    /// What the session missed or asked for.
    pub(crate) entries: Vec<HistoryEntry>,
    /// Whether that is all of it.
    pub(crate) complete: bool,
}

/// The way to one shard.
pub(crate) struct ShardHandle {
    pub(crate) index: u16,
    queue: Mutex<Vec<ShardCommand>>,
    /// Length of `queue`, for publishers that look without locking.
    queued: AtomicUsize,
    /// Connections whose transport woke. Bounded by the connections: each is in it at most once.
    ready: Mutex<Vec<u32>>,
    /// Whether the shard sleeps. Only then a push wakes it; a running shard looks again before it sleeps.
    parked: AtomicBool,
    waker: AtomicWaker,
    /// Publishers that wait for the queue to shrink.
    space: Notify,
    limit: usize,
    closed: AtomicBool,
}

impl ShardHandle {
    pub(crate) fn new(index: u16, limit: usize) -> Self {
        Self {
            index,
            queue: Mutex::new(Vec::new()),
            queued: AtomicUsize::new(0),
            ready: Mutex::new(Vec::new()),
            parked: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            space: Notify::new(),
            limit,
            closed: AtomicBool::new(false),
        }
    }

    /// Queues a command. Only commands that the callers bound themselves come here without [`admit`](Self::admit): one
    /// answer for each request, one close for each session.
    pub(crate) fn push(&self, command: ShardCommand) {
        let mut queue = self.queue.lock();
        // Under the lock: `close` empties the queue under it, and nothing may come after.
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        queue.push(command);
        // With the swap in `wake`: either the shard sees this before it sleeps, or we see that it sleeps.
        self.queued.store(queue.len(), Ordering::SeqCst);
        drop(queue);
        self.wake();
    }

    /// Queues a delivery unless the queue is twice full; `false` then: the caller signals a gap.
    pub(crate) fn try_deliver(&self, command: ShardCommand) -> bool {
        if self.queued.load(Ordering::Acquire) >= 2 * self.limit {
            return false;
        }
        self.push(command);
        true
    }

    /// Waits until the queue has room. Publishers do this before they publish, so that what the broker hands back fits.
    pub(crate) async fn admit(&self) {
        while self.queued.load(Ordering::Acquire) >= self.limit && !self.closed.load(Ordering::Acquire) {
            let space = self.space.notified();
            if self.queued.load(Ordering::Acquire) < self.limit {
                return;
            }
            space.await;
        }
    }

    /// Swaps the queued commands into `commands`, which is empty.
    pub(crate) fn take_commands(&self, commands: &mut Vec<ShardCommand>) {
        if self.queued.load(Ordering::Acquire) == 0 {
            return;
        }
        let was_full = {
            let mut queue = self.queue.lock();
            std::mem::swap(&mut *queue, commands);
            self.queued.store(0, Ordering::Release);
            commands.len() >= self.limit
        };
        if was_full {
            self.space.notify_waiters();
        }
    }

    /// Swaps the ready connections into `ready`, which is empty.
    pub(crate) fn take_ready(&self, ready: &mut Vec<u32>) {
        std::mem::swap(&mut *self.ready.lock(), ready);
    }

    /// Prepares to sleep: from here on a push wakes `waker`. Returns whether there is work already.
    pub(crate) fn park(&self, waker: &Waker) -> bool {
        self.waker.register(waker);
        self.parked.store(true, Ordering::SeqCst);
        let work = self.queued.load(Ordering::SeqCst) > 0 || !self.ready.lock().is_empty();
        if work {
            self.parked.store(false, Ordering::SeqCst);
        }
        work
    }

    pub(crate) fn unpark(&self) {
        self.parked.store(false, Ordering::SeqCst);
    }

    /// Nothing is taken any more; what is queued is dropped, and with it every answer that somebody waits for.
    pub(crate) fn close(&self) {
        let left = {
            let mut queue = self.queue.lock();
            self.closed.store(true, Ordering::Release);
            self.queued.store(0, Ordering::Release);
            std::mem::take(&mut *queue)
        };
        drop(left);
        self.space.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn wake(&self) {
        if self.parked.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
    }
}

/// The waker of one connection: puts it on its shard's ready list, once.
pub(crate) struct ConnectionWaker {
    shard: Arc<ShardHandle>,
    index: u32,
    listed: AtomicBool,
}

impl ConnectionWaker {
    pub(crate) fn new(shard: Arc<ShardHandle>, index: u32) -> Arc<Self> {
        Arc::new(Self { shard, index, listed: AtomicBool::new(false) })
    }

    /// Called by the shard when it takes the connection off the list, before it polls.
    pub(crate) fn unlist(&self) {
        self.listed.store(false, Ordering::Release);
    }
}

impl Wake for ConnectionWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.listed.swap(true, Ordering::AcqRel) {
            self.shard.ready.lock().push(self.index);
            self.shard.wake();
        }
    }
}
