//! A publication in the making: to whom, to whom not, and how.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_wire::is_reserved;

use crate::{
    BrokerError, EventName, Level, NameError, Namespace, Payload, PublishError, RoomName, Session, SessionId,
    broker::{Except, Publication, PublicationKind, Receipt, Topic},
    event::Event,
    node::Node,
};

/// A publication in the making. Made by [`Session::to`], [`Room::to`](crate::Room::to) and
/// [`Hub::to_all`](crate::Hub::to_all).
#[must_use = "nothing is published until one of the `publish` verbs is awaited"]
pub struct Publish {
    node: Arc<Node>,
    namespace: Namespace,
    rooms: Vec<RoomName>,
    bad_name: Option<NameError>,
    sender: Option<SessionId>,
    except: Except,
    except_rooms: Vec<RoomName>,
    idempotency_key: Option<Arc<str>>,
    conflation_key: Option<Arc<str>>,
    volatile: bool,
    level: Level,
}

impl Session {
    /// A publication from this session to everyone else in `room`, on every node.
    pub fn to<R>(&self, room: R) -> Publish
    where
        R: TryInto<RoomName>,
        R::Error: Into<NameError>,
    {
        let mut publish = Publish::new(self.node().clone(), self.namespace().clone()).and(room).except(self.id());
        publish.sender = Some(self.id());
        publish
    }
}

impl Publish {
    pub(crate) fn new(node: Arc<Node>, namespace: Namespace) -> Self {
        Self {
            node,
            namespace,
            rooms: Vec::new(),
            bad_name: None,
            sender: None,
            except: Except::new(),
            except_rooms: Vec::new(),
            idempotency_key: None,
            conflation_key: None,
            volatile: false,
            level: Level::Accepted,
        }
    }

    /// Adds a room. A session in several of the rooms gets the message once.
    ///
    /// A message to several rooms has no position and stands in no history: it belongs to no one room's order. Publish to
    /// each room where that matters.
    pub fn and<R>(mut self, room: R) -> Self
    where
        R: TryInto<RoomName>,
        R::Error: Into<NameError>,
    {
        match room.try_into() {
            Ok(room) if self.rooms.contains(&room) => {}
            Ok(room) => self.rooms.push(room),
            Err(error) => self.bad_name = Some(error.into()),
        }
        self
    }

    /// Leaves out a session.
    pub fn except(mut self, session: SessionId) -> Self {
        if !self.except.contains(&session) {
            self.except.push(session);
        }
        self
    }

    /// Leaves out the members of a room.
    pub fn except_room(mut self, room: &RoomName) -> Self {
        self.except_rooms.push(room.clone());
        self
    }

    /// Lets the publishing session get the message too.
    pub fn including_self(mut self) -> Self {
        if let Some(sender) = self.sender {
            self.except.retain(|session| *session != sender);
        }
        self
    }

    /// Applies the publication once for this key and room, within
    /// [`Config::idempotency_window`](crate::Config::idempotency_window). A repetition answers with the first receipt.
    pub fn idempotent(mut self, key: impl Into<Arc<str>>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// In rooms that conflate, replaces what waits under the same key.
    pub fn conflate_by(mut self, key: impl Into<Arc<str>>) -> Self {
        self.conflation_key = Some(key.into());
        self
    }

    /// Drops the message for members who are behind, without a gap, and keeps it out of history.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Fails at once where the broker can't give this level.
    pub fn at_least(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Publishes `event`.
    ///
    /// # Errors
    /// [`PublishError`]; [`PublishError::Unknown`] when it may or may not have happened.
    ///
    /// # Cancel safety
    /// When dropped before it is ready, the event may or may not be published.
    pub async fn publish<E: Event>(self, event: &E) -> Result<Receipt, PublishError> {
        let name = EventName::new(E::NAME)?;
        let payload = Payload::new(event).map_err(|_| PublishError::Encode)?;
        self.publish_kind(PublicationKind::Event { name, payload }).await
    }

    /// Publishes an event without a Rust type; otherwise as [`publish`](Self::publish).
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish_event(self, name: EventName, payload: Payload) -> Result<Receipt, PublishError> {
        self.publish_kind(PublicationKind::Event { name, payload }).await
    }

    /// Publishes bytes that are no event; otherwise as [`publish`](Self::publish).
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish_raw(self, bytes: impl Into<Bytes>) -> Result<Receipt, PublishError> {
        self.publish_kind(PublicationKind::Raw(bytes.into())).await
    }

    async fn publish_kind(self, kind: PublicationKind) -> Result<Receipt, PublishError> {
        if let Some(error) = self.bad_name {
            return Err(error.into());
        }
        if matches!(&kind, PublicationKind::Event { name, .. } if is_reserved(name.as_str())) {
            return Err(PublishError::ReservedName);
        }
        if self.idempotency_key.is_some() && self.node.offers.idempotent.is_none() {
            return Err(BrokerError::NotOffered("idempotency").into());
        }
        let mut publication = Publication::new(kind, self.node.now_ms());
        if publication.len() > self.node.config.max_message_bytes {
            return Err(PublishError::TooBig);
        }
        publication.sender = self.sender;
        publication.except = self.except;
        publication.except_rooms = self.except_rooms;
        publication.idempotency_key = self.idempotency_key;
        publication.conflation_key = self.conflation_key;
        publication.volatile = self.volatile;
        let topic = match <[RoomName; 1]>::try_from(self.rooms) {
            Ok([room]) => Topic::room(self.namespace, room),
            Err(rooms) => {
                publication.rooms = rooms;
                Topic::everyone(self.namespace)
            }
        };
        let history = self.node.policy(&topic).history.filter(|_| publication.is_kept());
        let offered = match history {
            Some(_) => self.node.offers.level,
            None => Level::Accepted,
        };
        if self.level > offered {
            return Err(PublishError::LevelNotOffered);
        }
        self.node.publish(&topic, publication, history).await
    }
}

impl std::fmt::Debug for Publish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publish")
            .field("namespace", &self.namespace)
            .field("rooms", &self.rooms)
            .finish_non_exhaustive()
    }
}
