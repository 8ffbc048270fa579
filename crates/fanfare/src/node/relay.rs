//! From the broker to the shards: keeps each room's order whole, and repairs it from the log when something is missing.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::StreamExt;

use super::{
    Node, RoomEntry, ShardCommand,
    room::{Owed, RoomLocal},
};
use crate::{
    Position,
    broker::{BrokerError, BrokerState, HistoryPage, HistoryQuery, Publication, Sink, Topic},
    observe::add,
};

/// How often a repair asks a broker that does not answer, and the longest pause between two asks.
const REPAIR_PAUSE: Duration = Duration::from_millis(100);
const REPAIR_PAUSE_MAX: Duration = Duration::from_secs(2);

/// The node's [`Sink`]. Holds the node weakly: a broker that outlives its hub delivers into the void.
pub(crate) struct Relay {
    node: Weak<Node>,
}

impl Relay {
    pub(crate) fn new(node: Weak<Node>) -> Self {
        Self { node }
    }
}

impl Sink for Relay {
    fn deliver(&self, topic: &Topic, publication: Arc<Publication>, position: Option<Position>) {
        let Some(node) = self.node.upgrade() else { return };
        let Some(entry) = node.room(topic) else { return };
        add(&node.counters.publications, 1);
        let mut local = entry.local.lock();
        let Some(position) = position else {
            hand_out(&node, &entry, &mut local, &publication, None);
            return;
        };
        if let Some(held) = &mut local.repair {
            if held.len() < node.config.max_join_buffer {
                held.push((position, publication));
            }
            // What does not fit is read from the log: the repair goes on until nothing is missing.
            return;
        }
        match local.last {
            Some(last) if last.epoch == position.epoch && position.offset <= last.offset => {}
            Some(last) if last.epoch != position.epoch || position.offset > last.offset + 1 => {
                local.repair = Some(vec![(position, publication)]);
                drop(local);
                spawn_repair(node, entry);
            }
            _ => {
                local.last = Some(position);
                hand_out(&node, &entry, &mut local, &publication, Some(position));
            }
        }
    }

    fn gap(&self, topic: Option<&Topic>) {
        let Some(node) = self.node.upgrade() else { return };
        let entries = match topic {
            Some(topic) => node.room(topic).into_iter().collect(),
            None => node.rooms.iter().map(|entry| entry.value().clone()).collect::<Vec<_>>(),
        };
        for entry in entries {
            let mut local = entry.local.lock();
            if local.repair.is_some() {
                continue;
            }
            if entry.keeps_history() {
                local.repair = Some(Vec::new());
                drop(local);
                spawn_repair(node.clone(), entry);
            } else if entry.topic.room_name().is_some() {
                tell_gap(&node, &entry, &local, None, None);
            }
        }
    }

    fn state(&self, state: BrokerState) {
        match state {
            BrokerState::Up => tracing::info!("broker is up"),
            BrokerState::Degraded => tracing::warn!("broker is degraded"),
        }
    }
}

/// Compares each room with the top of its log, for brokers that may lose a delivery without noticing. A room that is behind
/// is repaired.
pub(super) async fn check_tops(node: &Arc<Node>) {
    /// Rooms that are asked about at once.
    const AT_ONCE: usize = 32;
    let entries: Vec<_> = node.rooms.iter().map(|entry| entry.value().clone()).collect();
    let asked = entries.into_iter().map(|entry| check_top(node.clone(), entry));
    futures_util::stream::iter(asked).buffer_unordered(AT_ONCE).collect::<()>().await;
}

async fn check_top(node: Arc<Node>, entry: Arc<RoomEntry>) {
    if !entry.keeps_history() || entry.interest() == 0 {
        return;
    }
    let query = HistoryQuery { since: None, max_messages: 0, max_bytes: 0 };
    let before = entry.local.lock().last;
    let read = node.broker.history(&entry.topic, query);
    let page = tokio::time::timeout(node.config.check_timeout, read).await;
    // An unanswered question is not a loss: the broker's own supervision tells of those.
    let (Ok(Ok(page)), Some(before)) = (page, before) else { return };
    let now = entry.local.lock().last.unwrap_or(before);
    // A room that went on meanwhile gets what it lacks; one that stood still behind the log's top lost something.
    if page.top.epoch != now.epoch || (page.top.offset > now.offset && now == before) {
        node.sink().gap(Some(&entry.topic));
    }
}

/// Hands one publication to every shard with members, under the entry's lock, so that all shards see one order.
fn hand_out(
    node: &Node,
    entry: &Arc<RoomEntry>,
    local: &mut RoomLocal,
    publication: &Arc<Publication>,
    position: Option<Position>,
) {
    pay(node, entry, local);
    for (shard, &interest) in node.shards.iter().zip(&local.interest) {
        if interest == 0 {
            continue;
        }
        // While a shard is owed a gap, what comes is behind the gap: it belongs to it.
        let owed = local.owed.iter_mut().find(|owed| owed.shard == shard.index);
        let deliver = ShardCommand::Deliver { entry: entry.clone(), publication: publication.clone(), position };
        if owed.is_none() && shard.try_deliver(deliver) {
            continue;
        }
        add(&node.counters.dropped, 1);
        match owed {
            Some(owed) => owed.to = position.or(owed.to),
            None => {
                let from = position.map(|place| Position::new(place.epoch, place.offset.saturating_sub(1)));
                if local.owed.is_empty() {
                    node.owing.lock().push(entry.clone());
                }
                local.owed.push(Owed { shard: shard.index, from, to: position });
            }
        }
    }
}

/// Tells the shards the gaps that they are owed, as far as they take them by now.
fn pay(node: &Node, entry: &Arc<RoomEntry>, local: &mut RoomLocal) {
    local.owed.retain(|owed| {
        let gap = ShardCommand::Gap { entry: entry.clone(), from: owed.from, to: owed.to };
        !node.shards[usize::from(owed.shard)].try_deliver(gap)
    });
}

/// Tells the gaps of rooms in which nothing was published since.
pub(super) fn pay_all(node: &Node) {
    let owing = std::mem::take(&mut *node.owing.lock());
    for entry in owing {
        let mut local = entry.local.lock();
        pay(node, &entry, &mut local);
        if !local.owed.is_empty() {
            node.owing.lock().push(entry.clone());
        }
    }
}

fn tell_gap(node: &Node, entry: &Arc<RoomEntry>, local: &RoomLocal, from: Option<Position>, to: Option<Position>) {
    for (shard, &interest) in node.shards.iter().zip(&local.interest) {
        if interest > 0 {
            shard.push(ShardCommand::Gap { entry: entry.clone(), from, to });
        }
    }
}

fn spawn_repair(node: Arc<Node>, entry: Arc<RoomEntry>) {
    let runtime = node.runtime.clone();
    runtime.spawn(repair(Arc::downgrade(&node), entry));
}

/// Reads the log from the last place on, until the room's order is whole again or its loss is told.
async fn repair(node: Weak<Node>, entry: Arc<RoomEntry>) {
    let mut pause = REPAIR_PAUSE;
    loop {
        let Some(node) = node.upgrade() else { return };
        if entry.interest() == 0 {
            // Nobody is left to repair for: the next member begins at the log's top.
            let mut local = entry.local.lock();
            local.repair = None;
            local.last = None;
            return;
        }
        match read_missing(&node, &entry).await {
            Ok(page) => {
                if apply(&node, &entry, page) {
                    return;
                }
                pause = REPAIR_PAUSE;
            }
            Err(error) => tracing::warn!(room = %entry.topic, %error, "cannot read the log to repair a gap"),
        }
        drop(node);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(REPAIR_PAUSE_MAX);
    }
}

async fn read_missing(node: &Node, entry: &RoomEntry) -> Result<HistoryPage, BrokerError> {
    let last = entry.local.lock().last;
    let query = HistoryQuery {
        since: last,
        // Without a last place nobody saw anything yet: only the top is of interest.
        max_messages: if last.is_some() { node.config.max_recovered_messages } else { 0 },
        max_bytes: node.config.max_recovered_bytes,
    };
    let read = node.broker.history(&entry.topic, query);
    tokio::time::timeout(node.config.check_timeout, read).await.unwrap_or(Err(BrokerError::Unavailable))
}

/// Hands out what was missing. Returns whether the room is whole again.
fn apply(node: &Arc<Node>, entry: &Arc<RoomEntry>, page: HistoryPage) -> bool {
    let mut local = entry.local.lock();
    let mut held = local.repair.take().unwrap_or_default();
    let before = local.last;
    if page.complete {
        for found in page.entries {
            local.last = Some(found.position);
            hand_out(node, entry, &mut local, &found.publication, Some(found.position));
        }
    } else {
        tell_gap(node, entry, &local, before, Some(page.top));
    }
    local.last = Some(page.top);
    held.sort_by_key(|(position, _)| position.offset);
    for (index, (position, publication)) in held.iter().enumerate() {
        let last = local.last.unwrap_or(page.top);
        if position.epoch == last.epoch && position.offset <= last.offset {
            continue;
        }
        if position.epoch == last.epoch && position.offset == last.offset + 1 {
            local.last = Some(*position);
            hand_out(node, entry, &mut local, publication, Some(*position));
            continue;
        }
        // Still a hole: the held ones that are left wait for the next reading.
        local.repair = Some(held.split_off(index));
        return false;
    }
    true
}
