//! What the bus knows of one topic: who is subscribed, the log, and who is present.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{clock::Millis, log::Log, node::Node, presence::Members};
use crate::{
    Position,
    broker::{Publication, Sink, Topic},
};

/// One topic's place in the bus.
pub(super) struct TopicCell {
    pub(super) topic: Topic,
    /// Distinguishes this cell from an earlier one of the same topic.
    pub(super) id: u64,
    /// When the log was last appended to, read, or had a subscriber come or go.
    used: AtomicU64,
    /// Whether the log ever had a message.
    has_messages: AtomicBool,
    /// Held while a publication is appended and delivered: that is what makes both one step.
    pub(super) state: Mutex<TopicState>,
}

#[derive(Default)]
pub(super) struct TopicState {
    subscribers: SmallVec<[Subscriber; 1]>,
    pub(super) log: Option<Log>,
    pub(super) members: Members,
    /// The cell is no longer in the map; whoever locked it looks the topic up again.
    pub(super) dead: bool,
}

struct Subscriber {
    node: Arc<Node>,
    sink: Arc<dyn Sink>,
}

impl TopicCell {
    pub(super) fn new(topic: Topic, id: u64, now: Millis) -> Self {
        let used = AtomicU64::new(now);
        Self { topic, id, used, has_messages: AtomicBool::new(false), state: Mutex::default() }
    }

    pub(super) fn touch(&self, now: Millis) {
        self.used.store(now, Ordering::Relaxed);
    }

    pub(super) fn used(&self) -> Millis {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn note_message(&self, there: bool) {
        self.has_messages.store(there, Ordering::Relaxed);
    }

    pub(super) fn has_messages(&self) -> bool {
        self.has_messages.load(Ordering::Relaxed)
    }
}

impl TopicState {
    /// Hands `publication` to every node that is subscribed and up.
    pub(super) fn deliver(&mut self, topic: &Topic, publication: &Arc<Publication>, position: Option<Position>) {
        let mut gone = false;
        for subscriber in &self.subscribers {
            if subscriber.node.is_up() {
                subscriber.sink.deliver(topic, publication.clone(), position);
            } else {
                gone |= subscriber.node.is_gone();
            }
        }
        if gone {
            self.remove_gone();
        }
    }

    pub(super) fn subscribe(&mut self, node: &Arc<Node>, sink: &Arc<dyn Sink>) {
        match self.subscribers.iter_mut().find(|subscriber| subscriber.node.id == node.id) {
            Some(subscriber) => subscriber.sink.clone_from(sink),
            None => self.subscribers.push(Subscriber { node: node.clone(), sink: sink.clone() }),
        }
    }

    pub(super) fn unsubscribe(&mut self, node: &Node) {
        self.subscribers.retain(|subscriber| subscriber.node.id != node.id);
        self.subscribers.shrink_to_fit();
    }

    pub(super) fn remove_gone(&mut self) {
        self.subscribers.retain(|subscriber| !subscriber.node.is_gone());
    }

    pub(super) fn has_subscribers(&self) -> bool {
        !self.subscribers.is_empty()
    }

    /// Whether there is nothing left to know.
    pub(super) fn is_bare(&self) -> bool {
        self.subscribers.is_empty() && self.log.is_none() && self.members.is_empty()
    }
}
