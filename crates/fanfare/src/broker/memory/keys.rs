//! Idempotency keys: which were used lately, and what the first publication of each was answered.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;

use super::clock::Millis;
use crate::broker::{BrokerError, Receipt, Topic};

/// Most expired keys that one call forgets, so that no publisher pays for a quiet hour.
const FORGOTTEN_PER_CALL: usize = 16;

/// The keys of all topics, oldest first.
pub(super) struct Keys {
    window: Millis,
    max: usize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    receipts: HashMap<(Topic, Arc<str>), (Millis, Receipt)>,
    /// Every entry of `receipts` under the time that it has there. Entries with another time are leftovers.
    order: VecDeque<(Millis, Topic, Arc<str>)>,
}

impl Keys {
    pub(super) fn new(window: Millis, max: usize) -> Self {
        Self { window, max, seen: Mutex::default() }
    }

    /// Runs `act` unless the key was used within the window; then answers what it was answered.
    ///
    /// # Errors
    /// [`BrokerError::Full`] when there is no room for the key without forgetting one that is still within its window.
    /// `act` did not run then.
    pub(super) fn once(
        &self,
        topic: &Topic,
        key: &Arc<str>,
        now: Millis,
        act: impl FnOnce() -> Receipt,
    ) -> Result<Receipt, BrokerError> {
        let mut seen = self.seen.lock();
        seen.forget_before(now, self.window);
        let entry = (topic.clone(), key.clone());
        if let Some((at, first)) = seen.receipts.get(&entry) {
            if now.saturating_sub(*at) < self.window {
                return Ok(Receipt { duplicate: true, ..*first });
            }
        }
        if seen.order.len() >= self.max {
            return Err(BrokerError::Full);
        }
        let receipt = act();
        let (topic, key) = entry.clone();
        seen.receipts.insert(entry, (now, receipt));
        seen.order.push_back((now, topic, key));
        Ok(receipt)
    }

    pub(super) fn clear(&self) {
        *self.seen.lock() = Seen::default();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.seen.lock().order.len()
    }
}

impl Seen {
    fn forget_before(&mut self, now: Millis, window: Millis) {
        for _ in 0..FORGOTTEN_PER_CALL {
            if self.order.front().is_none_or(|(at, ..)| now.saturating_sub(*at) < window) {
                return;
            }
            if let Some((at, topic, key)) = self.order.pop_front() {
                let entry = (topic, key);
                // The key may have been used again since.
                if self.receipts.get(&entry).is_some_and(|(latest, _)| *latest == at) {
                    self.receipts.remove(&entry);
                }
            }
        }
    }
}
