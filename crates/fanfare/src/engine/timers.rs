//! A timer wheel: one deadline for each connection, told to the millisecond, for the price of one timer.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::session::state::Millis;

/// Width of a slot. Deadlines within the current slot are sorted, so this is no rounding: it only decides how many sort at a
/// time.
const SLOT: Millis = 64;
/// Slots of one turn of the wheel: 65 s, more than the usual ping interval, so that a deadline is seldom carried over.
const SLOTS: usize = 1024;

/// Who is woken: a connection's index and generation.
pub(super) type Key = (u32, u32);

/// The wheel. A deadline is never cancelled; the owner ignores one that came for nothing.
pub(super) struct Timers {
    slots: Box<[Vec<(Millis, Key)>]>,
    /// One bit for each slot that is not empty.
    occupied: [u64; SLOTS / 64],
    /// The slot, counted from the beginning of time, up to which all deadlines are in `near`.
    loaded: u64,
    near: BinaryHeap<Reverse<(Millis, Key)>>,
}

impl Timers {
    pub(super) fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; SLOTS / 64],
            loaded: 0,
            near: BinaryHeap::new(),
        }
    }

    /// Arms a deadline.
    pub(super) fn insert(&mut self, at: Millis, key: Key) {
        let slot = at / SLOT;
        if slot <= self.loaded {
            self.near.push(Reverse((at, key)));
            return;
        }
        // Deadlines beyond one turn wait in the last slot of it and are put in again from there.
        let slot = slot.min(self.loaded + SLOTS as u64 - 1);
        let place = (slot % SLOTS as u64) as usize;
        self.slots[place].push((at, key));
        self.occupied[place / 64] |= 1 << (place % 64);
    }

    /// Takes one deadline that is not later than `now`.
    pub(super) fn pop_due(&mut self, now: Millis) -> Option<Key> {
        loop {
            if let Some(Reverse((at, key))) = self.near.peek() {
                if *at > now {
                    return None;
                }
                let key = *key;
                self.near.pop();
                return Some(key);
            }
            let next = self.next_occupied()?;
            if next * SLOT > now {
                // Up to here every slot is empty.
                self.loaded = self.loaded.max((now / SLOT).min(next - 1));
                return None;
            }
            self.load(next);
        }
    }

    /// When to call [`pop_due`](Self::pop_due) next: never later than the earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        match self.near.peek() {
            Some(Reverse((at, _))) => Some(*at),
            None => self.next_occupied().map(|slot| slot * SLOT),
        }
    }

    /// The first slot after `loaded` that is not empty.
    fn next_occupied(&self) -> Option<u64> {
        (1..SLOTS as u64).map(|ahead| self.loaded + ahead).find(|slot| {
            let place = (slot % SLOTS as u64) as usize;
            // Whole empty words are common, but a scan of 1,024 bits once a sleep costs nothing that shows.
            self.occupied[place / 64] & (1 << (place % 64)) != 0
        })
    }

    fn load(&mut self, slot: u64) {
        let place = (slot % SLOTS as u64) as usize;
        self.occupied[place / 64] &= !(1 << (place % 64));
        self.loaded = slot;
        for (at, key) in std::mem::take(&mut self.slots[place]) {
            self.insert(at, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(timers: &mut Timers, now: Millis) -> Vec<u32> {
        std::iter::from_fn(|| timers.pop_due(now)).map(|(index, _)| index).collect()
    }

    #[test]
    fn each_deadline_fires_at_its_millisecond_and_not_before() {
        for at in [0, 1, 63, 64, 65, 1000, 25_000, 65_535, 65_536, 200_000, 3_600_000] {
            let mut timers = Timers::new();
            timers.insert(at, (1, 0));
            let mut now = 0;
            while now < at {
                assert_eq!(timers.pop_due(now), None, "too early for {at} at {now}");
                let next = timers.next_deadline().expect("something is armed");
                assert!(next <= at);
                now = next.max(now + 1).min(at);
            }
            assert_eq!(timers.pop_due(at), Some((1, 0)), "late for {at}");
            assert_eq!(timers.next_deadline(), None);
        }
    }

    #[test]
    fn deadlines_fire_in_order_after_a_long_sleep() {
        let mut timers = Timers::new();
        for (index, at) in [(0, 500), (1, 70_000), (2, 3), (3, 500_000), (4, 64)] {
            timers.insert(at, (index, 0));
        }
        assert_eq!(drain(&mut timers, 100_000), [2, 4, 0, 1]);
        assert_eq!(drain(&mut timers, 500_000), [3]);
    }

    #[test]
    fn a_deadline_in_the_past_fires_at_once() {
        let mut timers = Timers::new();
        assert_eq!(timers.pop_due(10_000), None);
        timers.insert(5, (7, 0));
        assert_eq!(timers.pop_due(10_000), Some((7, 0)));
    }
}
