//! What the nodes of one process share: topics with their logs and members, and the keys.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use parking_lot::Mutex;

use super::{
    MemoryBroker, MemoryOptions,
    aging::{Aging, Cells},
    clock::{Clock, Millis, millis},
    keys::Keys,
    log::Log,
    node::{Node, NodeId},
    topic::{TopicCell, TopicState},
};
use crate::{
    History, Member, SessionId,
    broker::{BrokerError, HistoryPage, HistoryQuery, Level, Publication, Receipt, Sink, Topic},
};

/// What connects the nodes of a cluster within one process. Cheap to clone; clones are the same bus.
///
/// For tests it can fail as a network does: [`cut`](Self::cut), [`heal`](Self::heal), [`lose`](Self::lose).
///
/// # Bounds
/// Logs and keys are bounded by [`MemoryOptions`], logs also by the [`History`] of each publication. A topic without
/// subscribers, members and unexpired messages is forgotten; there is no background task, each call does a little of that.
#[derive(Clone)]
pub struct MemoryBus(Arc<Shared>);

struct Shared {
    options: MemoryOptions,
    clock: Clock,
    topics: DashMap<Topic, Arc<TopicCell>>,
    keys: Keys,
    aging: Aging,
    nodes: Mutex<HashMap<NodeId, Arc<Node>>>,
    next_id: AtomicU64,
}

const ACCEPTED: Receipt = Receipt { position: None, level: Level::Accepted, duplicate: false };

impl MemoryBus {
    /// A bus without nodes, with the default bounds.
    pub fn new() -> Self {
        Self::with_options(MemoryOptions::default())
    }

    /// A bus without nodes, with these bounds.
    pub fn with_options(options: MemoryOptions) -> Self {
        Self(Arc::new(Shared {
            clock: Clock::new(),
            topics: DashMap::new(),
            keys: Keys::new(millis(options.idempotency_window), options.max_idempotency_keys),
            aging: Aging::new(options.max_logs),
            nodes: Mutex::default(),
            next_id: AtomicU64::new(0),
            options,
        }))
    }

    /// One more node.
    pub fn broker(&self) -> MemoryBroker {
        let node = Arc::new(Node::new(self.next_id()));
        self.0.nodes.lock().insert(node.id, node.clone());
        MemoryBroker { bus: self.clone(), node }
    }

    /// Cuts the node off: its calls fail with [`BrokerError::Unavailable`] and deliveries to it are lost. Its sink is told
    /// [`Degraded`](crate::broker::BrokerState::Degraded). Its leases run on.
    pub fn cut(&self, broker: &MemoryBroker) {
        broker.node.cut();
    }

    /// Connects the node again. Its sink is told [`Up`](crate::broker::BrokerState::Up) and a gap in every topic; its
    /// subscriptions stand.
    pub fn heal(&self, broker: &MemoryBroker) {
        broker.node.heal();
    }

    /// Loses every log, idempotency key and presence entry, as a store that restarted empty. Subscriptions stand. The logs
    /// begin new epochs and every node that is not cut is told of a gap in every topic (promise C5).
    pub fn lose(&self) {
        for cell in self.cells() {
            let mut state = cell.state.lock();
            state.log = None;
            state.members = Default::default();
            cell.note_message(false);
            self.settle(&cell, &mut state);
        }
        self.0.keys.clear();
        let nodes: Vec<_> = self.0.nodes.lock().values().cloned().collect();
        for sink in nodes.iter().filter(|node| node.is_up()).filter_map(|node| node.sink()) {
            sink.gap(None);
        }
    }

    pub(super) fn options(&self) -> &MemoryOptions {
        &self.0.options
    }

    pub(super) fn publish(
        &self,
        topic: &Topic,
        publication: &Arc<Publication>,
        history: Option<History>,
    ) -> Result<Receipt, BrokerError> {
        let history = history.filter(|_| publication.is_kept());
        if history.is_none() && publication.idempotency_key.is_none() {
            self.existing(topic, |_, state| state.deliver(topic, publication, None));
            return Ok(ACCEPTED);
        }
        let now = self.0.clock.now();
        let (receipt, unused) = self.opened(topic, now, |cell, state| {
            let log_is_new = history.is_some() && state.log.is_none();
            let answer = self.publish_once(cell, state, publication, history, now);
            if let Ok(receipt) = &answer {
                if !receipt.duplicate {
                    state.deliver(topic, publication, receipt.position);
                }
            }
            let unused = if log_is_new || state.is_bare() { self.settle(cell, state) } else { None };
            (answer, unused)
        });
        self.tidy(now, unused);
        receipt
    }

    /// Appends, unless the key was used; delivers nothing.
    fn publish_once(
        &self,
        cell: &TopicCell,
        state: &mut TopicState,
        publication: &Arc<Publication>,
        history: Option<History>,
        now: Millis,
    ) -> Result<Receipt, BrokerError> {
        let mut append = || match history {
            Some(history) => {
                let log = state.log.get_or_insert_with(|| Log::new(millis(history.age)));
                let position = log.append(publication, history, now);
                cell.touch(now);
                cell.note_message(true);
                Receipt { position: Some(position), level: Level::Appended, duplicate: false }
            }
            None => ACCEPTED,
        };
        match &publication.idempotency_key {
            Some(key) => self.0.keys.once(&cell.topic, key, now, append),
            None => Ok(append()),
        }
    }

    pub(super) fn subscribe(&self, node: &Arc<Node>, topic: &Topic, sink: &Arc<dyn Sink>) {
        node.set_sink(sink);
        let now = self.0.clock.now();
        self.opened(topic, now, |cell, state| {
            state.subscribe(node, sink);
            cell.touch(now);
        });
        self.tidy(now, None);
    }

    pub(super) fn unsubscribe(&self, node: &Node, topic: &Topic) {
        let now = self.0.clock.now();
        let unused = self.existing(topic, |cell, state| {
            state.unsubscribe(node);
            cell.touch(now);
            if state.has_subscribers() { None } else { self.settle(cell, state) }
        });
        self.tidy(now, unused.flatten());
    }

    pub(super) fn history(&self, topic: &Topic, query: HistoryQuery) -> HistoryPage {
        let now = self.0.clock.now();
        let (page, unused) = self.opened(topic, now, |cell, state| {
            cell.touch(now);
            let log_is_new = state.log.is_none();
            let log = state.log.get_or_insert_with(|| Log::new(millis(self.0.options.empty_log_age)));
            let page = log.read(query, now);
            (page, if log_is_new { self.settle(cell, state) } else { None })
        });
        self.tidy(now, unused);
        page
    }

    pub(super) fn track(&self, node: &Node, topic: &Topic, member: &Member, lease: Duration) {
        let now = self.0.clock.now();
        let unused = self.opened(topic, now, |cell, state| {
            state.members.expire(now);
            state.members.track(node.id, member, now.saturating_add(millis(lease)));
            self.settle(cell, state)
        });
        self.tidy(now, unused);
    }

    pub(super) fn untrack(&self, node: &Node, topic: &Topic, session: SessionId) {
        let now = self.0.clock.now();
        let unused = self.existing(topic, |cell, state| {
            state.members.untrack(node.id, session);
            if state.members.is_empty() { self.settle(cell, state) } else { None }
        });
        self.tidy(now, unused.flatten());
    }

    pub(super) fn presence(&self, topic: &Topic, limit: usize) -> (Vec<Member>, usize) {
        let now = self.0.clock.now();
        let answer = self.existing(topic, |_, state| {
            state.members.expire(now);
            state.members.list(limit)
        });
        self.tidy(now, None);
        answer.unwrap_or_default()
    }

    /// Ends a node.
    pub(super) fn remove(&self, node: &Arc<Node>) {
        self.0.nodes.lock().remove(&node.id);
        node.end();
        for cell in self.cells() {
            // Not `lock`: this may run inside of a delivery, where a sink let go of the last handle of its hub.
            match cell.state.try_lock() {
                Some(mut state) => {
                    state.remove_gone();
                    if !state.has_subscribers() {
                        self.settle(&cell, &mut state);
                    }
                }
                None => self.0.aging.file_soon(&cell),
            }
        }
    }

    /// Runs `act` on the topic's state, which is made if it is not there.
    fn opened<R>(&self, topic: &Topic, now: Millis, act: impl FnOnce(&Arc<TopicCell>, &mut TopicState) -> R) -> R {
        loop {
            let found = self.0.topics.get(topic).map(|cell| cell.value().clone());
            let cell = found.unwrap_or_else(|| {
                let new = || Arc::new(TopicCell::new(topic.clone(), self.next_id(), now));
                self.0.topics.entry(topic.clone()).or_insert_with(new).clone()
            });
            let mut state = cell.state.lock();
            if !state.dead {
                return act(&cell, &mut state);
            }
        }
    }

    /// Runs `act` on the topic's state, if there is one.
    fn existing<R>(&self, topic: &Topic, act: impl FnOnce(&Arc<TopicCell>, &mut TopicState) -> R) -> Option<R> {
        loop {
            let cell = self.0.topics.get(topic).map(|cell| cell.value().clone())?;
            let mut state = cell.state.lock();
            if !state.dead {
                return Some(act(&cell, &mut state));
            }
        }
    }

    /// Files the topic under when it ends, or removes it if nothing is left. Returns whose log must go instead.
    fn settle(&self, cell: &Arc<TopicCell>, state: &mut TopicState) -> Option<Arc<TopicCell>> {
        if state.is_bare() {
            state.dead = true;
            self.0.aging.forget(cell);
            self.0.topics.remove_if(&cell.topic, |_, there| there.id == cell.id);
            return None;
        }
        let log_end = state.log.as_ref().map(|log| cell.used().saturating_add(log.age()));
        match log_end.max(state.members.end()) {
            Some(end) => self.0.aging.file(cell, log_end.is_some(), end),
            None => {
                self.0.aging.forget(cell);
                None
            }
        }
    }

    /// Forgets what has ended, a little at each call. Called without any lock.
    fn tidy(&self, now: Millis, unused: Option<Arc<TopicCell>>) {
        let mut unused: Cells = unused.into_iter().collect();
        for cell in self.0.aging.due(now) {
            let mut state = cell.state.lock();
            if state.dead {
                self.0.aging.forget(&cell);
                continue;
            }
            state.members.expire(now);
            state.remove_gone();
            let age = state.log.as_ref().map(Log::age);
            if age.is_some_and(|age| now.saturating_sub(cell.used()) >= age) {
                if state.has_subscribers() {
                    // Somebody listens, so that the place is still of use. Looked at again after the same time.
                    cell.touch(now);
                } else {
                    state.log = None;
                    cell.note_message(false);
                }
            }
            unused.extend(self.settle(&cell, &mut state));
        }
        // Settling a topic that loses its log files none, so that this ends.
        for cell in unused {
            let mut state = cell.state.lock();
            if !state.dead {
                state.log = None;
                cell.note_message(false);
                self.settle(&cell, &mut state);
            }
        }
    }

    fn cells(&self) -> Vec<Arc<TopicCell>> {
        self.0.topics.iter().map(|cell| cell.value().clone()).collect()
    }

    fn next_id(&self) -> u64 {
        self.0.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Checks that the shelves say what the topics hold.
    #[cfg(test)]
    pub(super) fn audit(&self) {
        let mut logs = 0;
        for cell in self.cells() {
            let state = cell.state.lock();
            assert!(!state.dead && !state.is_bare(), "{} is of no use", cell.topic);
            logs += usize::from(state.log.is_some());
            let ends = state.log.is_some() || !state.members.is_empty();
            assert_eq!(self.0.aging.is_filed(&cell), (ends, state.log.is_some()), "{}", cell.topic);
        }
        assert_eq!(self.0.aging.logs(), logs);
        assert!(logs <= self.0.options.max_logs, "{logs} logs");
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (self.0.topics.len(), self.0.aging.logs(), self.0.keys.len())
    }
}

impl Default for MemoryBus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBus").field("topics", &self.0.topics.len()).finish_non_exhaustive()
    }
}
