//! What the sessions, rooms and shards of one hub share: the registry of sessions and topics, the broker, the bounds.
//!
//! # Lock order
//! A dashmap guard never leaves the method that took it and nothing else is locked under it. `RoomEntry::subscription` comes
//! before `RoomEntry::local`; the queue of a shard comes last.

mod key_shares;
mod outcome;
mod permit;
mod relay;
mod resume;
mod room;
mod select;
mod shard;

use std::{
    any::Any,
    net::IpAddr,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use dashmap::DashMap;
use futures_util::future::BoxFuture;
use tokio::{runtime, sync::watch};

use crate::{
    Config, History, Namespace, PublishError, Reject, RoomName, RoomPolicy, SessionId,
    broker::{Broker, BrokerError, Offers, Publication, Receipt, Sink, Target, Topic},
    observe::{Counters, add},
    session::Session,
};

use key_shares::KeyShares;
pub(crate) use outcome::Outcome;
pub(crate) use permit::ConnectionPermit;
pub(crate) use relay::Relay;
pub(crate) use resume::{Lost, Resumable, Resumables, Revived};
pub(crate) use room::RoomEntry;
pub use select::Select;
pub(crate) use shard::{
    Admitted, Answer, Arrival, ConnectionWaker, JoinReady, JoinRequest, ShardCommand, ShardHandle, Slot,
};

/// What a client may want to do with a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// Be in it and get its messages.
    Join,
    /// Send a message to it.
    Publish,
    /// Read its past.
    History,
    /// See who is in it.
    Presence,
}

/// Something happened to a room on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomChange {
    /// The first session of this node is in the room.
    Occupied,
    /// The last session of this node left the room.
    Vacated,
    /// A session joined.
    Joined(SessionId),
    /// A session left, or ended.
    Left(SessionId),
}

pub(crate) type Permit = Arc<dyn Fn(Session, RoomName, Verb) -> BoxFuture<'static, Result<(), Reject>> + Send + Sync>;
pub(crate) type PolicyOf = Box<dyn Fn(&Namespace, &RoomName) -> RoomPolicy + Send + Sync>;
pub(crate) type Observer = Box<dyn Fn(&Topic, &RoomChange) + Send + Sync>;

/// The shared state of one hub.
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) offers: Offers,
    pub(crate) runtime: runtime::Handle,
    pub(crate) permit: Option<Permit>,
    pub(crate) policy_of: PolicyOf,
    pub(crate) observer: Option<Observer>,
    pub(crate) counters: Counters,
    pub(crate) sessions: DashMap<SessionId, Session>,
    pub(crate) resumables: Resumables,
    key_shares: KeyShares,
    /// Whether connections are refused.
    pub(crate) draining: watch::Sender<bool>,
    /// Bytes that wait in all outboxes; written by the shards once a turn.
    pub(crate) outbox_bytes: AtomicUsize,
    shards: Box<[Arc<ShardHandle>]>,
    rooms: DashMap<Topic, Arc<RoomEntry>>,
    /// Topics without members, whose subscription ends when they are still without at the next sweep.
    vacant: parking_lot::Mutex<Vec<Arc<RoomEntry>>>,
    /// Topics that owe a gap to a shard whose queue was full.
    owing: parking_lot::Mutex<Vec<Arc<RoomEntry>>>,
    sink: OnceLock<Arc<dyn Sink>>,
    next_room: AtomicU64,
    /// What the hub adds to the node, for handles that are made from a session. Its type belongs to a higher layer.
    seat: OnceLock<Weak<dyn Any + Send + Sync>>,
    next_shard: AtomicUsize,
    connections: AtomicUsize,
    addresses: DashMap<IpAddr, usize>,
}

/// What a node is made of.
pub(crate) struct NodeParts {
    pub(crate) config: Config,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) runtime: runtime::Handle,
    pub(crate) permit: Option<Permit>,
    pub(crate) policy_of: PolicyOf,
    pub(crate) observer: Option<Observer>,
}

impl Node {
    pub(crate) fn new(parts: NodeParts, shards: usize) -> Arc<Self> {
        let limit = parts.config.max_shard_queue;
        let node = Arc::new(Self {
            offers: parts.broker.offers(),
            config: parts.config,
            broker: parts.broker,
            runtime: parts.runtime,
            permit: parts.permit,
            policy_of: parts.policy_of,
            observer: parts.observer,
            counters: Counters::default(),
            sessions: DashMap::new(),
            resumables: Resumables::default(),
            key_shares: KeyShares::default(),
            draining: watch::Sender::new(false),
            outbox_bytes: AtomicUsize::new(0),
            shards: (0..shards)
                .map(|index| Arc::new(ShardHandle::new(u16::try_from(index).unwrap_or(u16::MAX), limit)))
                .collect(),
            rooms: DashMap::new(),
            vacant: parking_lot::Mutex::new(Vec::new()),
            owing: parking_lot::Mutex::new(Vec::new()),
            sink: OnceLock::new(),
            next_room: AtomicU64::new(1),
            seat: OnceLock::new(),
            next_shard: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            addresses: DashMap::new(),
        });
        let sink: Arc<dyn Sink> = Arc::new(Relay::new(Arc::downgrade(&node)));
        node.sink.set(sink).ok().expect("a new node has no sink");
        node
    }

    /// The wall clock in milliseconds, for timestamps that people read.
    pub(crate) fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Remembers the hub's own part. Once, when the hub is built.
    pub(crate) fn set_seat(&self, seat: Weak<dyn Any + Send + Sync>) {
        self.seat.set(seat).expect("a hub is built once");
    }

    /// The hub's own part, while its shards run.
    pub(crate) fn seat<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.seat.get()?.upgrade()?.downcast().ok()
    }

    pub(crate) fn shards(&self) -> &[Arc<ShardHandle>] {
        &self.shards
    }

    pub(crate) fn shard(&self, index: u16) -> &Arc<ShardHandle> {
        &self.shards[usize::from(index)]
    }

    /// The shard for the next connection, in turn.
    pub(crate) fn next_shard(&self) -> &Arc<ShardHandle> {
        let turn = self.next_shard.fetch_add(1, Ordering::Relaxed);
        let in_turn = (0..self.shards.len()).map(|ahead| &self.shards[(turn + ahead) % self.shards.len()]);
        // One that died takes nobody. If all did, the connection ends with the one in turn.
        in_turn.clone().find(|shard| !shard.is_closed()).unwrap_or(&self.shards[turn % self.shards.len()])
    }

    /// Waits until `shard` has room for more.
    pub(crate) async fn admit(&self, shard: u16) {
        self.shard(shard).admit().await;
    }

    pub(crate) fn session(&self, id: &SessionId) -> Option<Session> {
        self.sessions.get(id).map(|session| session.clone())
    }

    pub(crate) fn room(&self, topic: &Topic) -> Option<Arc<RoomEntry>> {
        self.rooms.get(topic).map(|entry| entry.clone())
    }

    pub(crate) fn occupied_rooms(&self) -> Vec<Arc<RoomEntry>> {
        let entries: Vec<_> = self.rooms.iter().map(|entry| entry.value().clone()).collect();
        entries.into_iter().filter(|entry| entry.topic.room_name().is_some() && entry.interest() > 0).collect()
    }

    /// How `topic` behaves: as when it came to life here, or, while it is not alive, as the application says now.
    pub(crate) fn policy(&self, topic: &Topic) -> RoomPolicy {
        self.room(topic).map_or_else(|| self.new_policy(topic), |entry| entry.policy)
    }

    fn new_policy(&self, topic: &Topic) -> RoomPolicy {
        match &topic.target {
            Target::Room(room) => contained("rooms", || (self.policy_of)(&topic.namespace, room)).unwrap_or_default(),
            Target::Inbox(_) => {
                RoomPolicy { history: Some(self.config.inbox_history), announce_up_to: 0, ..RoomPolicy::default() }
            }
            Target::Everyone => RoomPolicy { announce_up_to: 0, ..RoomPolicy::default() },
        }
    }

    /// Says that a session of `shard` is on its way into `topic`: from now on the shard gets its deliveries.
    pub(crate) fn enter(&self, topic: &Topic, shard: u16) -> Arc<RoomEntry> {
        loop {
            let entry = match self.room(topic) {
                Some(entry) => entry,
                None => {
                    let policy = self.new_policy(topic);
                    let id = self.next_room.fetch_add(1, Ordering::Relaxed);
                    let new = Arc::new(RoomEntry::new(topic.clone(), id, policy, self.shards.len()));
                    self.rooms.entry(topic.clone()).or_insert(new).clone()
                }
            };
            let mut local = entry.local.lock();
            if local.dead {
                continue;
            }
            local.interest[usize::from(shard)] += 1;
            drop(local);
            return entry;
        }
    }

    /// Takes back one [`enter`](Self::enter).
    pub(crate) fn exit(&self, entry: &Arc<RoomEntry>, shard: u16) {
        let mut local = entry.local.lock();
        local.interest[usize::from(shard)] -= 1;
        if local.total() == 0 {
            drop(local);
            self.vacant.lock().push(entry.clone());
        }
    }

    /// Makes sure that the broker hands us what is published to the room.
    pub(crate) async fn subscribe(&self, entry: &RoomEntry) -> Result<(), BrokerError> {
        if entry.is_subscribed() {
            return Ok(());
        }
        let _guard = entry.subscription.lock().await;
        if entry.is_subscribed() {
            return Ok(());
        }
        let subscribed = self.broker.subscribe(&entry.topic, self.sink());
        tokio::time::timeout(self.config.check_timeout, subscribed).await.unwrap_or(Err(BrokerError::Unavailable))?;
        entry.subscribed.store(true, Ordering::Release);
        Ok(())
    }

    /// Publishes to `topic` through the broker. Waits while a shard of ours is behind.
    pub(crate) async fn publish(
        &self,
        topic: &Topic,
        publication: Publication,
        history: Option<History>,
    ) -> Result<Receipt, PublishError> {
        let sender = publication.sender.filter(|_| publication.idempotency_key.is_some());
        if let Some(session) = sender.and_then(|sender| self.session(&sender)) {
            let Config { max_idempotency_keys, idempotency_window, .. } = self.config;
            if !self.key_shares.take(&session, max_idempotency_keys, idempotency_window) {
                return Err(BrokerError::Full.into());
            }
        }
        for shard in &self.shards {
            shard.admit().await;
        }
        let history = if publication.is_kept() { history } else { None };
        let published = self.broker.publish(topic, Arc::new(publication), history);
        match tokio::time::timeout(self.config.check_timeout, published).await {
            Ok(receipt) => Ok(receipt?),
            Err(_) => Err(PublishError::Unknown),
        }
    }

    /// Ends the subscriptions of topics that stayed without members since the last sweep.
    pub(crate) async fn sweep_vacant(&self) {
        let vacant = std::mem::take(&mut *self.vacant.lock());
        for entry in vacant {
            let _guard = entry.subscription.lock().await;
            // First the flag, then the look: who enters after the look sees the flag and subscribes again.
            let subscribed = entry.subscribed.swap(false, Ordering::SeqCst);
            {
                let local = entry.local.lock();
                if local.total() > 0 || local.dead {
                    entry.subscribed.store(subscribed, Ordering::SeqCst);
                    continue;
                }
            }
            if subscribed {
                // One subscription too many costs work and breaks nothing: a failure is the broker's to repair.
                let _ = tokio::time::timeout(self.config.check_timeout, self.broker.unsubscribe(&entry.topic)).await;
            }
            let mut local = entry.local.lock();
            if local.total() == 0 {
                local.dead = true;
                drop(local);
                self.rooms.remove_if(&entry.topic, |_, there| Arc::ptr_eq(there, &entry));
            }
        }
    }

    pub(crate) fn observe(&self, topic: &Topic, change: &RoomChange) {
        if let (Some(observer), Some(_)) = (&self.observer, topic.room_name()) {
            contained("on_room", || observer(topic, change));
        }
    }

    pub(crate) fn count_refused(&self) {
        add(&self.counters.refused, 1);
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    fn sink(&self) -> &Arc<dyn Sink> {
        self.sink.get().expect("a node gets its sink when it is made")
    }
}

/// Runs a callback of the application's that shards call. Its panic is logged and goes no further: a shard is everyone's.
fn contained<T>(name: &str, callback: impl FnOnce() -> T) -> Option<T> {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(callback));
    if result.is_err() {
        tracing::error!(callback = name, "a callback panicked");
    }
    result.ok()
}

/// Rooms of a broker that may lose deliveries are compared with its log this often, in seconds: promise C5 says 5.
const TOP_CHECK_TURNS: u64 = 3;

/// Sweeps what has to be swept, each second, for as long as the node lives.
pub(crate) async fn housekeeping(node: Weak<Node>) {
    let mut turn: u64 = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Some(node) = node.upgrade() else { return };
        node.sweep_vacant().await;
        turn += 1;
        if node.offers.history && !node.offers.gapless && turn % TOP_CHECK_TURNS == 0 {
            relay::check_tops(&node).await;
        }
        node.key_shares.sweep(node.config.idempotency_window);
        relay::pay_all(&node);
        node.resumables.sweep(tokio::time::Instant::now());
    }
}
