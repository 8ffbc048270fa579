//! The room: a name that sessions gather under, as the application sees it.

mod publish;

use std::{fmt, sync::Arc};

use tokio::sync::oneshot;

use crate::{
    EventName, Member, Namespace, Payload, Position, PublishError, QueryError, RoomName, ServerEvent, SessionId,
    broker::{HistoryQuery, Publication, PublicationKind, Receipt, Topic},
    event::Event,
    node::{Node, ShardCommand},
};

pub use publish::Publish;

/// A room: a cheap handle. The room needs no making and no ending; it lives while somebody is in it or its history does.
#[derive(Clone)]
pub struct Room {
    node: Arc<Node>,
    topic: Topic,
    name: RoomName,
}

impl Room {
    pub(crate) fn new(node: Arc<Node>, namespace: Namespace, name: RoomName) -> Self {
        Self { node, topic: Topic::room(namespace, name.clone()), name }
    }

    /// The room's name.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// Publishes `event` to every member on every node, from the server.
    ///
    /// # Errors
    /// [`PublishError`].
    ///
    /// # Cancel safety
    /// When dropped before it is ready, the event may or may not be published.
    pub async fn publish<E: Event>(&self, event: &E) -> Result<Receipt, PublishError> {
        self.to().publish(event).await
    }

    /// Publishes an event without a Rust type; otherwise as [`publish`](Self::publish).
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish_event(&self, name: EventName, payload: Payload) -> Result<Receipt, PublishError> {
        self.to().publish_event(name, payload).await
    }

    /// A publication to this room with more to say: whom to leave out, keys, further rooms.
    pub fn to(&self) -> Publish {
        Publish::new(self.node.clone(), self.topic.namespace.clone()).and(&self.name)
    }

    /// The sessions in the room on this node, at most `limit`, and how many there are.
    ///
    /// # Errors
    /// [`QueryError::Closed`] when the hub is closed.
    pub async fn members(&self, limit: usize) -> Result<(Vec<Member>, usize), QueryError> {
        let Some(entry) = self.node.room(&self.topic) else { return Ok((Vec::new(), 0)) };
        let (mut members, mut total) = (Vec::new(), 0);
        for shard in self.node.shards() {
            let (answer, answered) = oneshot::channel();
            let limit = limit - members.len();
            shard.push(ShardCommand::Members { entry: entry.clone(), limit, answer });
            let (more, count) = answered.await.map_err(|_| QueryError::Closed)?;
            members.extend(more);
            total += count;
        }
        Ok((members, total))
    }

    /// Past messages, oldest first: everything after `since`, or the last `limit`. Never more than
    /// [`Config::max_recovered_messages`](crate::Config).
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn history(&self, since: Option<Position>, limit: usize) -> Result<Past, QueryError> {
        if self.node.policy(&self.topic).history.is_none() {
            return Err(QueryError::NoHistory);
        }
        let query = HistoryQuery {
            since,
            max_messages: limit.min(self.node.config.max_recovered_messages),
            max_bytes: self.node.config.max_recovered_bytes,
        };
        let read = self.node.broker.history(&self.topic, query);
        let page = tokio::time::timeout(self.node.config.check_timeout, read)
            .await
            .unwrap_or(Err(crate::broker::BrokerError::Unavailable))?;
        let messages = page
            .entries
            .into_iter()
            .map(|entry| PastMessage { position: entry.position, publication: entry.publication });
        Ok(Past { messages: messages.collect(), top: page.top, complete: page.complete })
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Room").field(&self.topic.to_string()).finish()
    }
}

/// A part of a room's past.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Past {
    /// Oldest first, without holes.
    pub messages: Vec<PastMessage>,
    /// The room's last place.
    pub top: Position,
    /// Whether everything that was asked for is here; if not, nothing is.
    pub complete: bool,
}

impl Past {
    /// Calls `tell` with the events as clients see them.
    pub(crate) fn told(&self, room: &RoomName, tell: impl FnOnce(&[ServerEvent<'_>])) {
        let events: Vec<_> = self
            .messages
            .iter()
            .filter_map(|past| {
                let (name, payload) = past.event()?;
                Some(ServerEvent {
                    name,
                    payload,
                    client_id: past.sender(),
                    room: Some(room),
                    timestamp: Some(past.timestamp()),
                    position: Some(past.position),
                })
            })
            .collect();
        tell(&events);
    }
}

/// One message of a room's past.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PastMessage {
    /// Its place.
    pub position: Position,
    publication: Arc<Publication>,
}

impl PastMessage {
    /// Who published it.
    pub fn sender(&self) -> Option<SessionId> {
        self.publication.sender
    }

    /// When it was published, milliseconds since 1970.
    pub fn timestamp(&self) -> u64 {
        self.publication.timestamp
    }

    /// The event, or `None` for raw bytes.
    pub fn event(&self) -> Option<(&EventName, &Payload)> {
        match &self.publication.kind {
            PublicationKind::Event { name, payload } => Some((name, payload)),
            _ => None,
        }
    }
}
