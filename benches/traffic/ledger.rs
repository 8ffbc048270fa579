//! The bookkeeping of deliveries: that each member got every message once and in order, and how long the last of them took.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{LoadError, words::Stamp};

/// Who is in which room: members are numbered room by room, and the first ones of each room talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Rooms.
    pub rooms: usize,
    /// Members of each.
    pub members: usize,
    /// Members of each who send.
    pub talkers: usize,
}

impl Layout {
    /// Members of all rooms.
    pub fn everyone(&self) -> usize {
        self.rooms * self.members
    }

    /// The room that a member is in.
    pub fn room_of(&self, member: usize) -> usize {
        member / self.members
    }

    /// Those who talk, by number.
    pub fn talkers(&self) -> impl Iterator<Item = usize> + use<> {
        let Self { rooms, members, talkers } = *self;
        (0..rooms).flat_map(move |room| room * members..room * members + talkers)
    }
}

/// What was sent, to whom it is still on its way, and what everybody expects next.
#[derive(Debug)]
pub struct Ledger {
    layout: Layout,
    /// The next number, by member and talker of its room.
    expected: Vec<u32>,
    /// By member; those who do not talk have an empty one.
    sent: Vec<Sent>,
    deliveries: u64,
    missing: u64,
    latencies: Vec<Duration>,
}

#[derive(Debug, Clone, Default)]
struct Sent {
    next: u32,
    /// Messages that somebody still has to get, the oldest first.
    in_flight: VecDeque<InFlight>,
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    at: Instant,
    missing: usize,
}

impl Ledger {
    /// Nothing is sent yet.
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            expected: vec![0; layout.everyone() * layout.talkers],
            sent: vec![Sent::default(); layout.everyone()],
            deliveries: 0,
            missing: 0,
            latencies: Vec::new(),
        }
    }

    /// Enters a message of `sender`, and returns its stamp.
    pub fn send(&mut self, sender: usize, at: Instant) -> Stamp {
        let sent = &mut self.sent[sender];
        let sequence = sent.next;
        sent.next += 1;
        let missing = self.layout.members - 1;
        sent.in_flight.push_back(InFlight { at, missing });
        self.missing += missing as u64;
        Stamp { sender: u32::try_from(sender).expect("a stamp has room for a million senders"), sequence }
    }

    /// Enters that `member` got a message. Returns whether it was the last one to get it.
    ///
    /// # Errors
    /// [`LoadError::OutOfOrder`] and [`LoadError::Strayed`].
    pub fn deliver(&mut self, member: usize, stamp: Stamp) -> Result<bool, LoadError> {
        let sender = stamp.sender as usize;
        let place = sender % self.layout.members;
        let strayed = sender == member
            || place >= self.layout.talkers
            || self.layout.room_of(sender) != self.layout.room_of(member);
        if strayed {
            return Err(LoadError::Strayed { member, sender });
        }
        let expected = &mut self.expected[member * self.layout.talkers + place];
        let sent = &mut self.sent[sender];
        // What nobody has sent yet cannot be in order either.
        if stamp.sequence != *expected || stamp.sequence >= sent.next {
            return Err(LoadError::OutOfOrder { member, sender, expected: *expected, found: stamp.sequence });
        }
        *expected += 1;
        self.deliveries += 1;
        self.missing -= 1;
        let oldest = sent.next as usize - sent.in_flight.len();
        let in_flight = &mut sent.in_flight[stamp.sequence as usize - oldest];
        in_flight.missing -= 1;
        if in_flight.missing > 0 {
            return Ok(false);
        }
        self.latencies.push(in_flight.at.elapsed());
        // Each member gets them in order, so the one that all have got is the oldest.
        sent.in_flight.pop_front();
        Ok(true)
    }

    /// Deliveries that are still to come.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Deliveries since the last call, and from each message the time until its last receiver had it.
    pub fn take_figures(&mut self) -> (u64, Vec<Duration>) {
        (std::mem::take(&mut self.deliveries), std::mem::take(&mut self.latencies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rooms of three, of whom two talk: 0 and 1 in the first, 3 and 4 in the second.
    fn ledger() -> Ledger {
        Ledger::new(Layout { rooms: 2, members: 3, talkers: 2 })
    }

    fn say(ledger: &mut Ledger, sender: usize) -> Stamp {
        ledger.send(sender, Instant::now())
    }

    #[test]
    fn a_message_is_done_when_everyone_else_in_the_room_has_it() {
        let mut ledger = ledger();
        assert_eq!(ledger.layout.talkers().collect::<Vec<_>>(), [0, 1, 3, 4]);
        let (first, second) = (say(&mut ledger, 4), say(&mut ledger, 4));
        assert!(!ledger.deliver(3, first).unwrap());
        assert!(!ledger.deliver(3, second).unwrap());
        assert_eq!(ledger.missing(), 2);
        assert!(ledger.deliver(5, first).unwrap());
        assert!(ledger.deliver(5, second).unwrap());
        assert_eq!(ledger.missing(), 0);
        let (deliveries, latencies) = ledger.take_figures();
        assert_eq!((deliveries, latencies.len()), (4, 2));
    }

    #[test]
    fn a_loss_a_repetition_and_a_wrong_order_are_found() {
        let mut ledger = ledger();
        let stamps: Vec<Stamp> = (0..3).map(|_| say(&mut ledger, 0)).collect();
        ledger.deliver(1, stamps[0]).unwrap();
        for (wrong, number) in [(stamps[0], 0), (stamps[2], 2), (Stamp { sender: 0, sequence: 9 }, 9)] {
            match ledger.deliver(1, wrong) {
                Err(LoadError::OutOfOrder { member: 1, sender: 0, expected: 1, found }) => assert_eq!(found, number),
                other => panic!("{other:?}"),
            }
        }
        // Never sent, though it would be next.
        for stamp in &stamps[1..] {
            ledger.deliver(1, *stamp).unwrap();
        }
        let invented = Stamp { sender: 0, sequence: 3 };
        assert!(matches!(ledger.deliver(1, invented), Err(LoadError::OutOfOrder { found: 3, .. })));
    }

    #[test]
    fn a_message_for_somebody_else_is_found() {
        let mut ledger = ledger();
        let stamp = say(&mut ledger, 0);
        for member in [0, 3, 5] {
            assert!(matches!(ledger.deliver(member, stamp), Err(LoadError::Strayed { .. })), "{member}");
        }
        let silent = Stamp { sender: 2, sequence: 0 };
        assert!(matches!(ledger.deliver(0, silent), Err(LoadError::Strayed { .. })));
    }
}
