//! The session: one client as the application sees it.

mod extensions;
mod handshake;
mod identity;
pub(crate) mod state;

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use fanfare_wire::is_reserved;
use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::{
    CallError, CloseCode, Epoch, Event, EventName, JoinError, NameError, Namespace, Payload, PublishError, RoomName,
    SendToError, SessionId,
    broker::{Publication, PublicationKind, Topic},
    event::decode,
    node::{JoinRequest, Node, ShardCommand, Slot},
};

use extensions::Extensions;
pub use handshake::Handshake;
pub use identity::Identity;

/// One client: a cheap handle, to be kept and sent around freely. It outlives the connection; on a closed session every
/// verb answers `Closed`.
#[derive(Clone)]
pub struct Session(Arc<SessionShared>);

struct SessionShared {
    id: SessionId,
    namespace: Namespace,
    node: Arc<Node>,
    slot: Slot,
    /// Whether direct messages go through the inbox, so that a resuming client gets what it missed.
    resumable: bool,
    open: AtomicBool,
    /// Written by the shard at the end of each flush.
    outbox_bytes: AtomicUsize,
    next_call: AtomicU64,
    /// The epoch of the inbox, once it is known. Changes only when its log was lost.
    inbox_epoch: OnceLock<Epoch>,
    identity: RwLock<Arc<Identity>>,
    peer_addr: Option<SocketAddr>,
    handshake: Mutex<Option<Arc<Handshake>>>,
    /// Written by the shard alone, in step with its member lists.
    rooms: Mutex<SmallVec<[RoomName; 1]>>,
    extensions: Extensions,
}

impl Session {
    pub(crate) fn new(
        id: SessionId,
        node: Arc<Node>,
        slot: Slot,
        identity: Identity,
        handshake: Arc<Handshake>,
        transport_addr: Option<SocketAddr>,
        resumable: bool,
    ) -> Self {
        Self(Arc::new(SessionShared {
            id,
            namespace: handshake.namespace().clone(),
            node,
            slot,
            resumable,
            open: AtomicBool::new(false),
            outbox_bytes: AtomicUsize::new(0),
            next_call: AtomicU64::new(1),
            inbox_epoch: OnceLock::new(),
            identity: RwLock::new(identity.shared()),
            // What the adapter says: behind a proxy it knows better than the socket.
            peer_addr: handshake.peer_addr().or(transport_addr),
            handshake: Mutex::new(Some(handshake)),
            rooms: Mutex::new(SmallVec::new()),
            extensions: Extensions::default(),
        }))
    }

    /// The id: what others know the session by.
    pub fn id(&self) -> SessionId {
        self.0.id
    }

    /// The namespace that the session belongs to.
    pub fn namespace(&self) -> &Namespace {
        &self.0.namespace
    }

    /// Who the session is.
    pub fn identity(&self) -> Arc<Identity> {
        self.0.identity.read().clone()
    }

    /// The user's id, if the session has one.
    pub fn user_id(&self) -> Option<Arc<str>> {
        self.0.identity.read().user_id().cloned()
    }

    /// Replaces the identity of the live session, as after a refresh. Room memberships stay as they are.
    pub fn set_identity(&self, identity: Identity) {
        *self.0.identity.write() = identity.shared();
        self.command(ShardCommand::IdentityChanged(self.0.slot));
    }

    /// The request that opened the session. `None` once the connect handlers have begun, unless
    /// [`Config::keep_handshakes`](crate::Config::keep_handshakes) says otherwise: headers are most of an idle session's memory.
    pub fn handshake(&self) -> Option<Arc<Handshake>> {
        self.0.handshake.lock().clone()
    }

    /// The peer's address.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer_addr
    }

    /// Whether the session is open. It may have ended by the time one acts on it.
    pub fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Acquire)
    }

    /// Bytes that wait for the client, as of the shard's last turn: what a producer looks at before it makes more.
    pub fn outbox_bytes(&self) -> usize {
        self.0.outbox_bytes.load(Ordering::Relaxed)
    }

    /// Data of the application's own that lives as long as the session, one value of each type. Returns the value that was
    /// there.
    pub fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) -> Option<T> {
        self.0.extensions.insert(value)
    }

    /// The application's value of this type.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.0.extensions.get()
    }

    /// Takes the application's value of this type away.
    pub fn remove<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.0.extensions.remove()
    }

    /// The rooms that the session is in.
    pub fn rooms(&self) -> Vec<RoomName> {
        self.0.rooms.lock().to_vec()
    }

    /// Whether the session is in `room`.
    pub fn is_in(&self, room: &RoomName) -> bool {
        self.0.rooms.lock().contains(room)
    }

    /// Sends `event` to this client. For a client that may resume it waits in the inbox too, so that a lost connection does
    /// not lose it.
    ///
    /// # Errors
    /// [`SendToError`]. `Ok` means queued, not received; for that there is [`call`](Self::call).
    ///
    /// # Cancel safety
    /// When dropped before it is ready, the event may or may not be sent.
    pub async fn send<E: Event>(&self, event: &E) -> Result<(), SendToError> {
        let name = EventName::new(E::NAME).map_err(|_| SendToError::Encode)?;
        self.send_event(name, Payload::new(event).map_err(|_| SendToError::Encode)?).await
    }

    /// Sends an event without a Rust type; otherwise as [`send`](Self::send).
    ///
    /// # Errors
    /// [`SendToError`].
    pub async fn send_event(&self, name: EventName, payload: Payload) -> Result<(), SendToError> {
        self.send_kind(PublicationKind::Event { name, payload }).await
    }

    /// Sends bytes that are no event; otherwise as [`send`](Self::send).
    ///
    /// # Errors
    /// [`SendToError`].
    pub async fn send_raw(&self, bytes: impl Into<Bytes>) -> Result<(), SendToError> {
        self.send_kind(PublicationKind::Raw(bytes.into())).await
    }

    async fn send_kind(&self, kind: PublicationKind) -> Result<(), SendToError> {
        if !self.is_open() {
            return Err(SendToError::Closed);
        }
        if matches!(&kind, PublicationKind::Event { name, .. } if is_reserved(name.as_str())) {
            return Err(SendToError::Encode);
        }
        let publication = Publication::new(kind, self.0.node.now_ms());
        if publication.len() > self.0.node.config.max_message_bytes {
            return Err(SendToError::TooBig);
        }
        if self.0.resumable {
            let topic = Topic::inbox(self.0.namespace.clone(), self.0.id);
            let history = Some(self.0.node.config.inbox_history);
            return match self.0.node.publish(&topic, publication, history).await {
                Ok(_) => Ok(()),
                Err(PublishError::Closed) => Err(SendToError::Closed),
                Err(_) => Err(SendToError::Unavailable),
            };
        }
        self.0.node.admit(self.0.slot.shard).await;
        self.command(ShardCommand::Send(self.0.slot, Arc::new(publication)));
        Ok(())
    }

    /// Sends `event` and waits for the client's answer, at most for `timeout`.
    ///
    /// # Errors
    /// [`CallError`]. After `Timeout` and `Closed` the client may have acted or not; calls are never repeated by themselves.
    ///
    /// # Cancel safety
    /// Dropping it forgets the answer; the client may still act.
    pub async fn call<E: Event>(&self, event: &E, timeout: Duration) -> Result<E::Ack, CallError> {
        let name = EventName::new(E::NAME).map_err(|_| CallError::Encode)?;
        let payload = Payload::new(event).map_err(|_| CallError::Encode)?;
        let answer = self.call_event(name, payload, timeout).await?;
        decode(&answer).map_err(|_| CallError::WrongAnswer)
    }

    /// Calls with an event without a Rust type; otherwise as [`call`](Self::call).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call_event(&self, name: EventName, payload: Payload, timeout: Duration) -> Result<Payload, CallError> {
        if !self.is_open() {
            return Err(CallError::Closed);
        }
        if is_reserved(name.as_str()) || payload.len() > self.0.node.config.max_message_bytes {
            return Err(CallError::Encode);
        }
        let (answer, answered) = oneshot::channel();
        let id = self.0.next_call.fetch_add(1, Ordering::Relaxed);
        self.0.node.admit(self.0.slot.shard).await;
        self.command(ShardCommand::Call { slot: self.0.slot, id, name, payload, answer });
        let _forget = ForgetCall { session: self, id };
        match tokio::time::timeout(timeout, answered).await {
            Ok(answer) => answer.unwrap_or(Err(CallError::Closed)),
            Err(_) => Err(CallError::Timeout),
        }
    }

    /// Puts the session into `room`, without a permission check: the application decides here. Being there already is
    /// success.
    ///
    /// # Errors
    /// [`JoinError`].
    ///
    /// # Cancel safety
    /// When dropped, the join goes on.
    pub async fn join<R>(&self, room: R) -> Result<(), JoinError>
    where
        R: TryInto<RoomName>,
        R::Error: Into<NameError>,
    {
        let room = room.try_into().map_err(|error| JoinError::Name(error.into()))?;
        let (answer, answered) = oneshot::channel();
        let request = JoinRequest { answer: Some(answer), ..JoinRequest::default() };
        self.command(ShardCommand::Join { slot: self.0.slot, room, request });
        answered.await.unwrap_or(Err(JoinError::Closed))
    }

    /// Takes the session out of `room`. Not being there is success. Nothing of the room reaches the client afterwards.
    ///
    /// # Cancel safety
    /// When dropped, the leave goes on.
    pub async fn leave(&self, room: &RoomName) {
        let (answer, answered) = oneshot::channel();
        self.command(ShardCommand::Leave { slot: self.0.slot, room: room.clone(), answer: Some(answer) });
        // A closed session is in no room: an answer that never comes means the same.
        let _ = answered.await;
    }

    /// Ends the session with this code and its standard reason.
    pub fn close(&self, code: CloseCode) {
        self.close_with(code, code.reason(), None);
    }

    /// Ends the session with a reason of one's own, and says after how long to come back.
    pub fn close_with(&self, code: CloseCode, reason: &str, retry_after: Option<Duration>) {
        self.command(ShardCommand::Close { slot: self.0.slot, code, reason: reason.into(), retry_after });
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.0.node
    }

    pub(crate) fn slot(&self) -> Slot {
        self.0.slot
    }

    pub(crate) fn is_resumable(&self) -> bool {
        self.0.resumable
    }

    /// Marks the session as open.
    pub(crate) fn begin(&self) {
        self.0.open.store(true, Ordering::Release);
    }

    /// Marks the session as ended. Returns whether it was open.
    pub(crate) fn end(&self) -> bool {
        self.0.open.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn forget_handshake(&self, keep: bool) {
        if !keep {
            *self.0.handshake.lock() = None;
        }
    }

    pub(crate) fn inbox_epoch(&self) -> Option<Epoch> {
        self.0.inbox_epoch.get().copied()
    }

    pub(crate) fn note_inbox(&self, epoch: Epoch) {
        self.0.inbox_epoch.get_or_init(|| epoch);
    }

    pub(crate) fn set_outbox_bytes(&self, bytes: usize) {
        self.0.outbox_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn note_joined(&self, room: &RoomName) {
        self.0.rooms.lock().push(room.clone());
    }

    pub(crate) fn note_left(&self, room: &RoomName) {
        self.0.rooms.lock().retain(|name| name != room);
    }

    fn command(&self, command: ShardCommand) {
        self.0.node.shard(self.0.slot.shard).push(command);
    }
}

/// Frees the place of a call that nobody waits for any more: answered, timed out, or dropped.
struct ForgetCall<'a> {
    session: &'a Session,
    id: u64,
}

impl Drop for ForgetCall<'_> {
    fn drop(&mut self) {
        self.session.command(ShardCommand::ForgetCall { slot: self.session.slot(), id: self.id });
    }
}

impl PartialEq for Session {
    /// Whether both are handles of one connection. A resumed session has the id of the old one but is another.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Session {}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.0.id).field("namespace", &self.0.namespace).finish_non_exhaustive()
    }
}
