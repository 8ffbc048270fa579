//! Which topics hold something that ends by itself, in the order in which it ends, and in the order of their last use.
//!
//! A topic is filed under the times known then. What happens to it later only moves them back, so that the times are
//! looked at again when a topic's turn comes, instead of on each publish.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{clock::Millis, topic::TopicCell};

/// Most topics that one call looks at, so that no caller pays for a quiet hour.
const DUE_PER_CALL: usize = 4;
/// Most logs that one call passes over because they were used after they were filed. Beyond it the log that goes is one
/// that was unused for long, but perhaps not the longest.
const PASSED_PER_CALL: usize = 64;

pub(super) type Cells = SmallVec<[Arc<TopicCell>; DUE_PER_CALL]>;

/// Whether a log ever had a message, when it was last used, and the id of its cell. Logs without messages, of which only
/// the top was asked, are the first to go: asking for the tops of many rooms must not cost other rooms their past.
type Use = (bool, Millis, u64);

pub(super) struct Aging {
    max_logs: usize,
    /// The earliest time in `by_end`, to be read without the lock.
    next: AtomicU64,
    shelves: Mutex<Shelves>,
}

#[derive(Default)]
struct Shelves {
    filed: HashMap<u64, Filed>,
    by_use: BTreeSet<Use>,
    by_end: BTreeSet<(Millis, u64)>,
}

struct Filed {
    cell: Arc<TopicCell>,
    /// Its key in `by_use`, if it has a log.
    used: Option<Use>,
    /// Its key in `by_end`, unless its turn has come.
    end: Option<Millis>,
}

impl Aging {
    pub(super) fn new(max_logs: usize) -> Self {
        Self { max_logs: max_logs.max(1), next: AtomicU64::new(Millis::MAX), shelves: Mutex::default() }
    }

    /// Files a topic whose log and members end at `end`. Where this makes the logs too many, returns whose log must go.
    pub(super) fn file(&self, cell: &Arc<TopicCell>, has_log: bool, end: Millis) -> Option<Arc<TopicCell>> {
        let mut shelves = self.shelves.lock();
        let had_log = shelves.remove(cell.id).is_some_and(|filed| filed.used.is_some());
        let surplus = has_log && !had_log && shelves.by_use.len() >= self.max_logs;
        let unused = if surplus { shelves.take_unused() } else { None };
        let used = has_log.then(|| (cell.has_messages(), cell.used(), cell.id));
        shelves.by_use.extend(used);
        shelves.by_end.insert((end, cell.id));
        shelves.filed.insert(cell.id, Filed { cell: cell.clone(), used, end: Some(end) });
        self.note_next(&shelves);
        unused
    }

    /// Makes it the topic's turn, for whoever cannot look at it now.
    pub(super) fn file_soon(&self, cell: &Arc<TopicCell>) {
        let mut shelves = self.shelves.lock();
        let used = shelves.remove(cell.id).and_then(|filed| filed.used);
        shelves.by_use.extend(used);
        shelves.by_end.insert((0, cell.id));
        shelves.filed.insert(cell.id, Filed { cell: cell.clone(), used, end: Some(0) });
        self.note_next(&shelves);
    }

    pub(super) fn forget(&self, cell: &TopicCell) {
        let mut shelves = self.shelves.lock();
        if shelves.remove(cell.id).is_some() {
            self.note_next(&shelves);
        }
    }

    /// The topics whose turn has come, a few at a time. Each must be filed again or forgotten.
    pub(super) fn due(&self, now: Millis) -> Cells {
        let mut due = Cells::new();
        // Too late a look costs memory for a moment, nothing else.
        if self.next.load(Ordering::Relaxed) > now {
            return due;
        }
        let mut shelves = self.shelves.lock();
        while due.len() < DUE_PER_CALL {
            let Some(id) = shelves.by_end.first().filter(|(end, _)| *end <= now).map(|(_, id)| *id) else { break };
            shelves.by_end.pop_first();
            if let Some(filed) = shelves.filed.get_mut(&id) {
                filed.end = None;
                due.push(filed.cell.clone());
            }
        }
        self.note_next(&shelves);
        due
    }

    /// Whether the topic has a turn to come, and whether it counts as a log.
    #[cfg(test)]
    pub(super) fn is_filed(&self, cell: &TopicCell) -> (bool, bool) {
        let shelves = self.shelves.lock();
        let filed = shelves.filed.get(&cell.id);
        let end = filed.and_then(|filed| filed.end).is_some_and(|end| shelves.by_end.contains(&(end, cell.id)));
        let used = filed.and_then(|filed| filed.used).is_some_and(|used| shelves.by_use.contains(&used));
        (end, used)
    }

    #[cfg(test)]
    pub(super) fn logs(&self) -> usize {
        self.shelves.lock().by_use.len()
    }

    fn note_next(&self, shelves: &Shelves) {
        let next = shelves.by_end.first().map_or(Millis::MAX, |(end, _)| *end);
        self.next.store(next, Ordering::Relaxed);
    }
}

impl Shelves {
    fn remove(&mut self, id: u64) -> Option<Filed> {
        let filed = self.filed.remove(&id)?;
        if let Some(used) = &filed.used {
            self.by_use.remove(used);
        }
        if let Some(end) = filed.end {
            self.by_end.remove(&(end, id));
        }
        Some(filed)
    }

    /// Takes the log that was unused longest off the list of logs.
    fn take_unused(&mut self) -> Option<Arc<TopicCell>> {
        for passed in 0.. {
            let key = self.by_use.pop_first()?;
            let Some(filed) = self.filed.get_mut(&key.2) else { continue };
            let now = (filed.cell.has_messages(), filed.cell.used(), key.2);
            if now == key || passed >= PASSED_PER_CALL {
                filed.used = None;
                return Some(filed.cell.clone());
            }
            filed.used = Some(now);
            self.by_use.insert(now);
        }
        None
    }
}
