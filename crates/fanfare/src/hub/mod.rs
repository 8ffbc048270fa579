//! The hub: where connections come in, and where the application reaches all of them.

mod builder;
mod drain;
mod origin;

use std::{
    fmt,
    future::Future,
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    CloseCode, Config, Event, EventName, JoinError, NameError, Namespace, Payload, Publish, PublishError, Receipt,
    Refusal, Reject, Room, RoomName, Select, Session, SessionId, Stats,
    engine::{Seat, authenticate},
    handler::{Context, FromContext},
    node::{Arrival, ConnectionPermit, Node, ShardCommand},
    protocol::Protocol,
    session::{Handshake, Identity},
    transport::Transport,
};

pub use builder::{HubBuilder, NamespaceBuilder};
pub use drain::{Drain, Drained};

/// All sessions and rooms of this node: a cheap handle without type parameters.
///
/// The hub works until [`close`](Self::close) or [`drain`](Self::drain); dropping handles changes nothing for clients.
#[derive(Clone)]
pub struct Hub {
    node: Arc<Node>,
    seat: Arc<Seat>,
}

impl Hub {
    /// Begins a hub. `Hub::builder().build()` is one that relays `message` between the members of rooms, for guests.
    pub fn builder() -> HubBuilder {
        HubBuilder::default()
    }

    /// Checks whether a connection may become a session, before it is one: the origin, the bounds on connections, the
    /// credentials. An adapter calls it before it answers the handshake, and then [`accept`](Self::accept).
    ///
    /// # Errors
    /// [`Refusal`]; nothing of the connection is kept.
    ///
    /// # Cancel safety
    /// Dropping it gives everything back.
    pub async fn admit(&self, handshake: Handshake) -> Result<Admission, Refusal> {
        self.reserve(handshake.peer_addr().map(|address| address.ip()))?.admit(handshake).await
    }

    /// Takes over a connection whose handshake is answered. Returns at once; a shard serves it from here on.
    pub fn accept(&self, admission: Admission, transport: impl Transport, protocol: impl Protocol) {
        let Admission { handshake, identity, permit, begun } = admission;
        let arrival = Arrival {
            transport: Box::new(transport),
            protocol: protocol.into_box(),
            handshake,
            identity,
            permit,
            begun,
        };
        self.node.next_shard().push(ShardCommand::Accept(Box::new(arrival)));
    }

    /// Takes a place for a connection whose handshake has yet to be read, so that half-open ones are bounded too. The
    /// [handshake timeout](crate::Config::handshake_timeout) counts from here.
    ///
    /// # Errors
    /// [`Refusal::Full`], [`Refusal::TooManyFromAddress`] and [`Refusal::ShuttingDown`].
    pub fn reserve(&self, address: Option<IpAddr>) -> Result<Reservation, Refusal> {
        let permit = if self.node.is_draining() { Err(Refusal::ShuttingDown) } else { self.node.take_place(address) };
        match permit {
            Ok(permit) => Ok(Reservation { hub: self.clone(), permit, begun: Instant::now() }),
            Err(refusal) => {
                self.node.count_refused();
                Err(refusal)
            }
        }
    }

    /// The room of this name in the namespace `/`.
    ///
    /// # Errors
    /// [`NameError`] when it is none.
    pub fn room<R>(&self, name: R) -> Result<Room, NameError>
    where
        R: TryInto<RoomName>,
        R::Error: Into<NameError>,
    {
        self.room_in(Namespace::default(), name)
    }

    /// The room of this name in another namespace.
    ///
    /// # Errors
    /// As [`room`](Self::room).
    pub fn room_in<R>(&self, namespace: Namespace, name: R) -> Result<Room, NameError>
    where
        R: TryInto<RoomName>,
        R::Error: Into<NameError>,
    {
        Ok(Room::new(self.node.clone(), namespace, name.try_into().map_err(Into::into)?))
    }

    /// A publication to `room` of the namespace `/`; add further rooms with [`Publish::and`].
    pub fn to<R>(&self, room: R) -> Publish
    where
        R: TryInto<RoomName>,
        R::Error: Into<NameError>,
    {
        self.to_all().and(room)
    }

    /// A publication to every session of the namespace `/`. (With a room added by [`Publish::and`] it is one to that room:
    /// [`to`](Self::to) says so better.)
    pub fn to_all(&self) -> Publish {
        Publish::new(self.node.clone(), Namespace::default())
    }

    /// A publication in another namespace; otherwise as [`to_all`](Self::to_all).
    pub fn to_all_of(&self, namespace: Namespace) -> Publish {
        Publish::new(self.node.clone(), namespace)
    }

    /// Publishes `event` to every session of the namespace `/`, on every node.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn broadcast<E: Event>(&self, event: &E) -> Result<Receipt, PublishError> {
        self.to_all().publish(event).await
    }

    /// Broadcasts an event without a Rust type; otherwise as [`broadcast`](Self::broadcast).
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn broadcast_event(&self, name: EventName, payload: Payload) -> Result<Receipt, PublishError> {
        self.to_all().publish_event(name, payload).await
    }

    /// The session of this id, if it is open on this node.
    pub fn session(&self, id: &SessionId) -> Option<Session> {
        self.node.session(id)
    }

    /// The sessions of this node that `select` means.
    pub fn fetch_sessions(&self, select: &Select) -> Vec<Session> {
        self.node
            .sessions
            .iter()
            .filter(|there| select.matches(there.value()))
            .map(|there| there.value().clone())
            .collect()
    }

    /// Puts the sessions of this node that `select` means into `room`. Returns how many are in it now that were meant.
    ///
    /// # Errors
    /// The first [`JoinError`] other than of a session that ended meanwhile; the others joined all the same.
    pub async fn join<R>(&self, select: &Select, room: R) -> Result<usize, JoinError>
    where
        R: TryInto<RoomName>,
        R::Error: Into<NameError>,
    {
        let room = room.try_into().map_err(|error| JoinError::Name(error.into()))?;
        let (mut joined, mut failed) = (0, None);
        for session in self.fetch_sessions(select) {
            match session.join(room.clone()).await {
                Ok(()) => joined += 1,
                Err(JoinError::Closed) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(joined), Err)
    }

    /// Takes the sessions of this node that `select` means out of `room`. Returns how many were meant.
    pub async fn leave(&self, select: &Select, room: &RoomName) -> usize {
        let sessions = self.fetch_sessions(select);
        for session in &sessions {
            session.leave(room).await;
        }
        sessions.len()
    }

    /// Ends the sessions of this node that `select` means. Returns how many that are.
    pub fn disconnect(&self, select: &Select, code: CloseCode) -> usize {
        let sessions = self.fetch_sessions(select);
        for session in &sessions {
            session.close(code);
        }
        sessions.len()
    }

    /// The rooms that have members on this node.
    pub fn rooms(&self) -> Vec<(Namespace, RoomName)> {
        let entries = self.node.occupied_rooms();
        entries
            .iter()
            .filter_map(|entry| Some((entry.topic.namespace.clone(), entry.topic.room_name()?.clone())))
            .collect()
    }

    /// What the hub did and holds. Counters are exact, but each as of its shard's last turn.
    pub fn stats(&self) -> Stats {
        let mut stats = self.node.counters.snapshot();
        stats.sessions = self.node.sessions.len() as u64;
        stats.rooms = self.node.occupied_rooms().len() as u64;
        stats.outbox_bytes = self.node.outbox_bytes.load(Ordering::Relaxed) as u64;
        stats.resumable = self.node.resumables.lost() as u64;
        stats
    }

    /// The knobs that the hub was built with.
    pub fn config(&self) -> &Config {
        &self.node.config
    }

    /// Runs a future on the hub's runtime: for adapters whose own runtime must not be blocked or has no timers.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
        // Boxed: the blocks of large tasks are aligned so that older glibc cannot use them again once they are freed between
        // long-lived sessions; measured at 3 KB a connection.
        self.node.runtime.spawn(Box::pin(future))
    }

    /// Whether the hub still takes connections: what a readiness probe asks.
    pub fn is_ready(&self) -> bool {
        !self.node.is_draining() && self.node.shards().iter().any(|shard| !shard.is_closed())
    }

    /// Waits until the hub takes no more connections, because it drains or is closed: what ends a listener's loop.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn draining(&self) {
        // An error means that the node is gone, which a hub's handle rules out.
        let _ = self.node.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// Ends everything now: every session is closed with "server restarts" and gets no time for it. [`drain`](Self::drain) is the
    /// gentle way.
    pub async fn close(&self) {
        self.node.draining.send_replace(true);
        for shard in self.node.shards() {
            shard.push(ShardCommand::Stop);
        }
        // A shard drops its connections in the turn that it stops in.
        while self.node.connections() > 0 && self.node.shards().iter().any(|shard| !shard.is_closed()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.node.resumables.clear();
    }
}

impl Session {
    /// The hub that the session belongs to. `None` once the hub is closed and its last handle is gone.
    pub fn hub(&self) -> Option<Hub> {
        let seat = self.node().seat::<Seat>()?;
        Some(Hub { node: self.node().clone(), seat })
    }
}

impl FromContext for Hub {
    /// The hub of the session: for handlers that look at rooms or reach other sessions.
    fn from_context(context: &Context) -> Result<Self, Reject> {
        context.session().hub().ok_or_else(Reject::internal)
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("sessions", &self.node.sessions.len()).finish_non_exhaustive()
    }
}

/// A place for a connection that is still in its handshake. Dropping it gives the place back.
#[must_use = "dropping a reservation gives the place back"]
pub struct Reservation {
    hub: Hub,
    permit: ConnectionPermit,
    begun: Instant,
}

impl Reservation {
    /// As [`Hub::admit`], in the place that is taken already.
    ///
    /// # Errors
    /// [`Refusal`]; the place is given back.
    pub async fn admit(self, handshake: Handshake) -> Result<Admission, Refusal> {
        let node = self.hub.node.clone();
        let (transport, peer_addr) = (handshake.transport(), handshake.peer_addr());
        let admission = self.check(handshake).await;
        if let Err(refusal) = &admission {
            tracing::debug!(%refusal, transport, ?peer_addr, "connection refused");
            node.count_refused();
        }
        admission
    }

    async fn check(self, handshake: Handshake) -> Result<Admission, Refusal> {
        let Self { hub: Hub { node, seat }, permit, begun } = self;
        if node.is_draining() {
            return Err(Refusal::ShuttingDown);
        }
        if !origin::is_allowed(&node.config.origins, &handshake) {
            return Err(Refusal::Origin);
        }
        if !seat.namespaces.contains_key(handshake.namespace()) {
            return Err(Refusal::UnknownNamespace);
        }
        let handshake = Arc::new(handshake);
        let identity = match &seat.authenticate {
            None => Some(Identity::guest()),
            Some(check) => match authenticate(check, handshake.clone(), node.config.check_timeout).await {
                Ok(identity) => Some(identity),
                Err(Refusal::CredentialsRequired) => None,
                Err(refusal) => return Err(refusal),
            },
        };
        Ok(Admission { handshake, identity, permit, begun })
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reservation")
    }
}

/// A connection that may become a session. Dropping it gives its place back.
#[must_use = "an admitted connection is handed over with `Hub::accept`"]
pub struct Admission {
    handshake: Arc<Handshake>,
    /// `None`: the credentials come with the `hello`.
    identity: Option<Identity>,
    permit: ConnectionPermit,
    begun: Instant,
}

impl Admission {
    /// Whether the credentials were good already. If not, they have to come in the client's first message.
    pub fn is_authenticated(&self) -> bool {
        self.identity.is_some()
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("handshake", &self.handshake).finish_non_exhaustive()
    }
}
