//! The bounded queue to one peer, and what is lost of it when it is full.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use crate::{Overflow, Position, transport::Queue};

/// What a frame of a room is, for the policies that drop. Shared by all members; what is sent to one session alone has none.
#[derive(Debug, Clone, Default)]
pub(super) struct Label {
    /// The room that it came from.
    pub(super) room: u64,
    /// What the room does with members who are full.
    pub(super) overflow: Overflow,
    /// The last place before it and the last place in it, where the room keeps history.
    pub(super) span: Option<(Position, Position)>,
    /// What a newer one with the same key replaces.
    pub(super) conflation_key: Option<Arc<str>>,
    /// Messages in it.
    pub(super) messages: u32,
    /// It tells of a gap: the next loss of the room widens it instead of adding another.
    pub(super) gap: bool,
}

/// Frames that wait for one peer. Lent to a connection while something waits, so that an idle one holds none.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) queue: Queue,
    /// One for each frame of `queue`, with its length.
    labels: VecDeque<(u32, Option<Arc<Label>>)>,
    /// Sum of the lengths in `labels`. The first frame counts whole until all of it is sent.
    bytes: usize,
}

/// A loss, to be told in the place where the frames stood.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Loss {
    /// Where in the queue to tell it.
    pub(super) at: usize,
    /// The range, where the room keeps history.
    pub(super) span: Option<(Position, Position)>,
    /// Messages that were dropped.
    pub(super) messages: u64,
}

impl Outbox {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, frame: Bytes, label: Option<Arc<Label>>) {
        self.bytes += frame.len();
        self.labels.push_back((u32::try_from(frame.len()).unwrap_or(u32::MAX), label));
        self.queue.push_back(frame);
    }

    /// Puts the labels in step with a queue that the transport took from.
    pub(super) fn sync(&mut self) {
        while self.labels.len() > self.queue.len() {
            if let Some((length, _)) = self.labels.pop_front() {
                self.bytes -= length as usize;
            }
        }
    }

    /// Takes away the waiting frame of `room` with this key, which a newer one replaces, and says where it stood and what it
    /// held. The first frame may be half sent and stays.
    pub(super) fn take_conflated(&mut self, room: u64, key: &str) -> Option<(usize, Option<(Position, Position)>)> {
        let place = self.labels.iter().skip(1).position(|(_, label)| {
            label.as_ref().is_some_and(|waiting| waiting.room == room && waiting.conflation_key.as_deref() == Some(key))
        })? + 1;
        let label = self.remove(place)?;
        Some((place, label.span))
    }

    /// Drops the oldest frames of `room` until `needed` bytes are free, if that is possible at all. The first frame may be
    /// half sent and stays.
    pub(super) fn drop_oldest(&mut self, room: u64, needed: usize) -> Option<Loss> {
        let mut droppable = 0;
        let enough = self.of_room(room).any(|(_, length)| {
            droppable += length;
            droppable >= needed
        });
        if !enough {
            return None;
        }
        let mut loss: Option<Loss> = None;
        let mut freed = 0;
        while freed < needed {
            let Some((place, length)) = self.of_room(room).next() else { break };
            freed += length;
            let label = self.remove(place)?;
            match &mut loss {
                None => loss = Some(Loss { at: place, span: label.span, messages: label.messages.into() }),
                Some(loss) => {
                    loss.span = widened(loss.span, label.span);
                    loss.messages += u64::from(label.messages);
                }
            }
        }
        loss
    }

    /// Puts a frame that tells of a loss into the place of the loss.
    pub(super) fn insert(&mut self, at: usize, frame: Bytes, label: Arc<Label>) {
        self.bytes += frame.len();
        self.labels.insert(at, (u32::try_from(frame.len()).unwrap_or(u32::MAX), Some(label)));
        self.queue.insert(at, frame);
    }

    /// Takes away the last frame of `room` if it tells of a gap: the gap that is about to be told there is wider.
    pub(super) fn take_trailing_gap(&mut self, room: u64) -> Option<Option<(Position, Position)>> {
        let of_room = |label: &Option<Arc<Label>>| label.as_ref().is_some_and(|label| label.room == room);
        let place = self.labels.iter().rposition(|(_, label)| of_room(label))?;
        if place == 0 || !self.labels[place].1.as_ref().is_some_and(|label| label.gap) {
            return None;
        }
        Some(self.remove(place)?.span)
    }

    /// Forgets everything but the first frame, which may be half sent.
    pub(super) fn cut(&mut self) {
        self.queue.truncate(1);
        self.labels.truncate(1);
        self.bytes = self.labels.front().map_or(0, |(length, _)| *length as usize);
    }

    fn of_room(&self, room: u64) -> impl Iterator<Item = (usize, usize)> {
        self.labels
            .iter()
            .enumerate()
            .skip(1)
            .filter(move |(_, (_, label))| label.as_ref().is_some_and(|label| label.room == room))
            .map(|(place, (length, _))| (place, *length as usize))
    }

    /// Takes a room's frame out of the queue.
    fn remove(&mut self, place: usize) -> Option<Arc<Label>> {
        let (length, label) = self.labels.remove(place)?;
        self.queue.remove(place);
        self.bytes -= length as usize;
        label
    }
}

/// The range from the first of two to the last.
pub(super) fn widened(
    first: Option<(Position, Position)>,
    second: Option<(Position, Position)>,
) -> Option<(Position, Position)> {
    match (first, second) {
        (Some((from, _)), Some((_, to))) => Some((from, to)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Epoch;

    fn frame(length: usize) -> Bytes {
        Bytes::from(vec![0; length])
    }

    fn label(room: u64, offset: u64) -> Arc<Label> {
        let place = |offset| Position::new(Epoch(1), offset);
        Arc::new(Label { room, span: Some((place(offset - 1), place(offset))), messages: 3, ..Label::default() })
    }

    fn filled() -> Outbox {
        let mut outbox = Outbox::default();
        for offset in 1..=4 {
            outbox.push(frame(10), Some(label(7, offset)));
        }
        outbox.push(frame(10), Some(label(8, 1)));
        outbox
    }

    #[test]
    fn the_oldest_of_the_room_go_first_and_the_half_sent_one_stays() {
        let mut outbox = filled();
        let loss = outbox.drop_oldest(7, 15).expect("there is enough to drop");
        assert_eq!((loss.at, loss.messages), (1, 6));
        let (from, to) = loss.span.expect("the room has positions");
        assert_eq!((from.offset, to.offset), (1, 3));
        assert_eq!(outbox.bytes(), 30);
    }

    #[test]
    fn nothing_is_dropped_where_it_would_not_help() {
        let mut outbox = filled();
        assert_eq!(outbox.drop_oldest(8, 11), None);
        assert_eq!(outbox.bytes(), 50);
    }

    #[test]
    fn a_waiting_state_can_be_taken_away_by_its_key() {
        let mut outbox = Outbox::default();
        outbox.push(frame(10), None);
        let keyed = Label { conflation_key: Some("eur".into()), ..Label::clone(&label(7, 1)) };
        outbox.push(frame(10), Some(Arc::new(keyed.clone())));
        outbox.push(frame(10), Some(label(8, 1)));
        assert_eq!(outbox.take_conflated(7, "usd"), None);
        assert_eq!(outbox.take_conflated(7, "eur"), Some((1, keyed.span)));
        assert_eq!((outbox.queue.len(), outbox.bytes()), (2, 20));
    }

    #[test]
    fn bytes_follow_what_the_transport_took() {
        let mut outbox = filled();
        outbox.queue.pop_front();
        outbox.queue.pop_front();
        outbox.sync();
        assert_eq!(outbox.bytes(), 30);
        outbox.cut();
        assert_eq!((outbox.queue.len(), outbox.bytes()), (1, 10));
    }
}
