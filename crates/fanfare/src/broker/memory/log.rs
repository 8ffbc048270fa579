//! One topic's log: the newest publications in a ring, each with its offset.

use std::{collections::VecDeque, sync::Arc};

use super::clock::{Millis, millis};
use crate::{
    Epoch, History, Position,
    broker::{HistoryEntry, HistoryPage, HistoryQuery, Publication},
};

/// One life of a topic's log.
pub(super) struct Log {
    epoch: Epoch,
    /// The offset of the newest message that ever stood here; 0 before the first.
    top: u64,
    /// The newest messages without a hole: the last one has the offset `top`.
    ring: VecDeque<Kept>,
    /// Sum of the lengths in the ring.
    bytes: usize,
    /// How long a message is kept; that of the last append.
    age: Millis,
}

struct Kept {
    publication: Arc<Publication>,
    at: Millis,
}

impl Log {
    /// An empty log of a new epoch, whose place is worth keeping for `age`.
    pub(super) fn new(age: Millis) -> Self {
        Self { epoch: Epoch::random(), top: 0, ring: VecDeque::new(), bytes: 0, age }
    }

    pub(super) fn age(&self) -> Millis {
        self.age
    }

    /// The place of the newest message.
    pub(super) fn top(&self) -> Position {
        Position::new(self.epoch, self.top)
    }

    /// Appends and trims to the bounds of `history`. A message that is larger than these allow counts, but is not kept.
    pub(super) fn append(&mut self, publication: &Arc<Publication>, history: History, now: Millis) -> Position {
        self.top += 1;
        self.bytes += publication.len();
        self.ring.push_back(Kept { publication: publication.clone(), at: now });
        self.age = millis(history.age);
        self.trim_aged(now);
        while self.ring.len() > history.messages || self.bytes > history.bytes {
            if !self.trim_oldest() {
                break;
            }
        }
        self.top()
    }

    /// Reads by the rules of [`HistoryPage`].
    pub(super) fn read(&mut self, query: HistoryQuery, now: Millis) -> HistoryPage {
        self.trim_aged(now);
        let wanted = match query.since {
            None => Some(self.newest(query)),
            Some(since) => self.missed(since, query),
        };
        let first = self.ring.len() - wanted.unwrap_or(0);
        let offset = self.top - self.ring.len() as u64 + 1;
        let entries = self.ring.iter().zip(offset..).skip(first).map(|(kept, offset)| HistoryEntry {
            position: Position::new(self.epoch, offset),
            publication: kept.publication.clone(),
        });
        HistoryPage { entries: entries.collect(), top: self.top(), complete: wanted.is_some() }
    }

    /// How many of the newest messages fit the limits.
    fn newest(&self, query: HistoryQuery) -> usize {
        let mut bytes = 0_usize;
        let newest = self.ring.iter().rev().take(query.max_messages).enumerate();
        let fitting = newest.take_while(|(at, kept)| {
            bytes = bytes.saturating_add(kept.publication.len());
            *at == 0 || bytes <= query.max_bytes
        });
        fitting.count()
    }

    /// How many messages came after `since`. `None` when they are not all here or do not fit the limits.
    fn missed(&self, since: Position, query: HistoryQuery) -> Option<usize> {
        if since.epoch != self.epoch {
            return None;
        }
        let missed = usize::try_from(self.top.checked_sub(since.offset)?).ok()?;
        if missed > self.ring.len() || missed > query.max_messages {
            return None;
        }
        let bytes: usize = self.ring.iter().rev().take(missed).map(|kept| kept.publication.len()).sum();
        (missed <= 1 || bytes <= query.max_bytes).then_some(missed)
    }

    fn trim_aged(&mut self, now: Millis) {
        while self.ring.front().is_some_and(|oldest| now.saturating_sub(oldest.at) >= self.age) {
            self.trim_oldest();
        }
        if self.ring.is_empty() {
            // A burst long ago must not hold its memory.
            self.ring.shrink_to_fit();
        }
    }

    fn trim_oldest(&mut self) -> bool {
        let oldest = self.ring.pop_front();
        if let Some(kept) = &oldest {
            self.bytes -= kept.publication.len();
        }
        oldest.is_some()
    }
}
