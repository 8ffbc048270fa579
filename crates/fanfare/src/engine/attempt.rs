//! The half of a join that may have to wait: permission, subscription, history.

use std::sync::Arc;

use super::commands::check;
use crate::{
    JoinError, Position,
    broker::{BrokerError, HistoryQuery},
    node::{JoinReady, JoinRequest, Node, RoomEntry, Verb},
    session::Session,
};

/// The half of a join that may have to wait: permission, subscription, history.
pub(super) struct Attempt {
    node: Arc<Node>,
    session: Session,
    entry: Arc<RoomEntry>,
    by_client: bool,
    restores: bool,
    since: Option<Position>,
    history: Option<u32>,
}

impl Attempt {
    pub(super) fn new(session: &Session, entry: &Arc<RoomEntry>, request: &JoinRequest) -> Self {
        Self {
            node: session.node().clone(),
            session: session.clone(),
            entry: entry.clone(),
            by_client: request.by_client,
            restores: request.restores,
            since: request.since,
            history: request.history,
        }
    }

    pub(super) async fn run(self) -> Result<JoinReady, JoinError> {
        let Self { node, session, entry, by_client, restores, since, history } = self;
        if let (true, Some(room)) = (by_client, entry.topic.room_name()) {
            check(&session, room, Verb::Join).await.map_err(JoinError::Refused)?;
        }
        node.subscribe(&entry).await.map_err(JoinError::Broker)?;
        if !entry.keeps_history() || !node.offers.history {
            // Somebody who wants to go on where nothing is kept is told that it can't be known what is missing.
            return Ok(JoinReady { top: None, entries: Vec::new(), complete: since.is_none() && !restores });
        }
        let wanted = match since {
            Some(_) => node.config.max_recovered_messages,
            None => history.map_or(0, |wanted| (wanted as usize).min(node.config.max_recovered_messages)),
        };
        let query = HistoryQuery { since, max_messages: wanted, max_bytes: node.config.max_recovered_bytes };
        let read = node.broker.history(&entry.topic, query);
        let page = tokio::time::timeout(node.config.check_timeout, read)
            .await
            .unwrap_or(Err(BrokerError::Unavailable))
            .map_err(JoinError::Broker)?;
        // From here on a hole in what arrives can be seen.
        entry.local.lock().last.get_or_insert(page.top);
        // Somebody who is put back without naming a place cannot know what it missed.
        let complete = page.complete && !(restores && since.is_none());
        Ok(JoinReady { top: Some(page.top), entries: page.entries, complete })
    }
}
