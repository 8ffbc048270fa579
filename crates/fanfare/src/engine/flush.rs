//! Outboxes to sockets: the hot list whole, the bulk list in slices, and what happens when an outbox is full.

use std::{
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;

use super::{
    connection::Listed,
    encode::{encode_into, encoded},
    outbox::{Label, widened},
    shard::Shard,
};
use crate::{
    CloseCode, DisconnectReason, Notice, Overflow,
    observe::add,
    session::state::Phase,
    transport::{Outgoing, Queue, SendError},
};

/// Sends of one slice. Measured: 64 to 256 halve the cost at saturation, because batches fill up meanwhile; 64 is the fairest.
const SLICE: usize = 64;
/// Hot sends of one turn. More than any small room needs, and a bound on how long the sockets are not looked at.
const HOT_SLICE: usize = 1024;
/// Bytes that one connection is sent in one turn. A slice of fast readers with full outboxes is 16 MiB at most.
const FLUSH_BYTES: usize = 256 * 1024;
/// Flushes that try to make room for one frame. A transport that takes a byte at a time is slow, whatever it answers.
const MAX_TRIES: usize = 1024;
/// Outboxes kept for the next connections that need one.
const SPARE_OUTBOXES: usize = 1024;
/// An outbox that once held more frames than this is not kept: its memory would stay for ever.
const SPARE_FRAMES: usize = 256;

impl Shard {
    /// Sends a frame to one session alone. When its outbox is full, the session ends.
    pub(super) fn send(&mut self, index: u32, frame: Bytes) {
        if !frame.is_empty() {
            self.enqueue(index, frame, None, Listed::Hot);
        }
    }

    /// Queues the close frame, whatever else waits: the last few bytes that a peer gets.
    pub(super) fn push_close(&mut self, index: u32, frame: Bytes) {
        self.push_frame(index, frame, None, Listed::Hot);
    }

    /// Queues a frame for a connection, or does what the room's policy says when its outbox is full.
    pub(super) fn enqueue(&mut self, index: u32, frame: Bytes, label: Option<Arc<Label>>, urgency: Listed) {
        let Some(connection) = self.connections.get(index as usize) else { return };
        if connection.state.phase() == Phase::Closing {
            return;
        }
        if let (true, Some(label)) = (connection.blocked, &label) {
            if let (Overflow::Conflate, Some(key)) = (label.overflow, &label.conflation_key) {
                self.conflate(index, label.room, key);
            }
        }
        let mut over = self.over_by(index, frame.len());
        // It may read well and only not have had its turn: make room for this frame, and no more than that.
        let mut tries = 0;
        while over > 0 && self.takes_more(index) && tries < MAX_TRIES {
            self.flush_some(index, over);
            over = self.over_by(index, frame.len());
            tries += 1;
        }
        if over > 0 && self.connections[index as usize].outbox.is_some() {
            self.overflow(index, frame, label, over, urgency);
        } else {
            self.push_frame(index, frame, label, urgency);
        }
    }

    /// Whether a flush now would send something.
    fn takes_more(&self, index: u32) -> bool {
        let connection = &self.connections[index as usize];
        connection.outbox.is_some() && connection.transport.is_some() && !connection.blocked
    }

    /// How many bytes too many a further frame would be.
    fn over_by(&self, index: u32, length: usize) -> usize {
        let connection = &self.connections[index as usize];
        let held = connection.outbox_bytes();
        // Over the budget of the process, whoever is behind counts as full.
        if self.over_budget && connection.blocked && held > 0 {
            return length;
        }
        (held + length).saturating_sub(self.node.config.max_outbox_bytes)
    }

    /// Takes away what waits under the key. Where the room has positions, that of the older message stays in its place, so
    /// that the member sees no hole.
    fn conflate(&mut self, index: u32, room: u64, key: &str) {
        let connection = &mut self.connections[index as usize];
        let Some(outbox) = &mut connection.outbox else { return };
        let before = outbox.bytes();
        let Some((place, span)) = outbox.take_conflated(room, key) else { return };
        let after = outbox.bytes();
        self.count_bytes(before, after);
        self.counted.dropped += 1;
        let (Some((_, position)), Some(&there)) = (span, self.room_index.get(&room)) else { return };
        let entry = self.rooms[there as usize].entry.clone();
        let Some(name) = entry.topic.room_name() else { return };
        let connection = &mut self.connections[index as usize];
        let format = &self.formats[usize::from(connection.format)];
        let notice = Notice::Position { room: name, position };
        let marker = encoded(format, &entry.topic.namespace, &notice, &mut self.scratch_text);
        if let (false, Some(outbox)) = (marker.is_empty(), &mut connection.outbox) {
            self.waiting_bytes += marker.len();
            let overflow = entry.policy.overflow;
            outbox.insert(place, marker, Arc::new(Label { room, overflow, span, ..Label::default() }));
        }
    }

    fn push_frame(&mut self, index: u32, frame: Bytes, label: Option<Arc<Label>>, urgency: Listed) {
        self.waiting_bytes += frame.len();
        let connection = &mut self.connections[index as usize];
        let spares = &mut self.spare_outboxes;
        let outbox = connection.outbox.get_or_insert_with(|| spares.pop().unwrap_or_default());
        outbox.push(frame, label);
        if connection.blocked || connection.listed >= urgency {
            return;
        }
        connection.listed = urgency;
        match urgency {
            Listed::Hot => self.hot.push_back(index),
            Listed::Bulk | Listed::No => self.bulk.push_back(index),
        }
    }

    fn overflow(&mut self, index: u32, frame: Bytes, label: Option<Arc<Label>>, over: usize, urgency: Listed) {
        let Some(label) = label.filter(|label| label.overflow != Overflow::Disconnect) else {
            if !self.connections[index as usize].ending {
                add(&self.node.counters.slow_closed, 1);
                self.close_for(index, CloseCode::Slow);
            }
            return;
        };
        let Some(outbox) = &mut self.connections[index as usize].outbox else { return };
        let before = outbox.bytes();
        let loss = match label.overflow {
            Overflow::DropNewest => None,
            _ => outbox.drop_oldest(label.room, over),
        };
        let after = outbox.bytes();
        self.count_bytes(before, after);
        let Some(loss) = loss else { return self.drop_newest(index, &label, urgency) };
        self.counted.dropped += loss.messages;
        self.counted.gaps += 1;
        let gap = self.gap_frame(index, label.room, loss.span);
        if let (false, Some(outbox)) = (gap.is_empty(), &mut self.connections[index as usize].outbox) {
            self.waiting_bytes += gap.len();
            let told = Label { span: loss.span, conflation_key: None, messages: 0, gap: true, ..*label };
            outbox.insert(loss.at.min(outbox.queue.len()), gap, Arc::new(told));
        }
        self.push_frame(index, frame, Some(label), urgency);
    }

    fn drop_newest(&mut self, index: u32, label: &Label, urgency: Listed) {
        self.counted.dropped += u64::from(label.messages);
        let Some(outbox) = &mut self.connections[index as usize].outbox else { return };
        let before = outbox.bytes();
        let told = outbox.take_trailing_gap(label.room);
        let after = outbox.bytes();
        self.count_bytes(before, after);
        if told.is_none() {
            self.counted.gaps += 1;
        }
        let span = widened(told.flatten(), label.span);
        let gap = self.gap_frame(index, label.room, span);
        if !gap.is_empty() {
            // A few bytes over the bound, once for each room: the price of never losing silently.
            let told = Label { span, conflation_key: None, messages: 0, gap: true, ..*label };
            self.push_frame(index, gap, Some(Arc::new(told)), urgency);
        }
    }

    fn gap_frame(&mut self, index: u32, room: u64, span: Option<(crate::Position, crate::Position)>) -> Bytes {
        let Some(&room) = self.room_index.get(&room) else { return Bytes::new() };
        let entry = self.rooms[room as usize].entry.clone();
        let format = &self.formats[usize::from(self.connections[index as usize].format)];
        let notice =
            Notice::Gap { room: entry.topic.room_name(), from: span.map(|(from, _)| from), to: span.map(|(_, to)| to) };
        encoded(format, &entry.topic.namespace, &notice, &mut self.scratch_text)
    }

    /// Sends a notice to one connection, after everything that was published to its rooms so far.
    pub(super) fn tell(&mut self, index: u32, notice: &Notice<'_>) {
        if self.connections.get(index as usize).is_none_or(|there| there.ending) {
            return;
        }
        self.seal_rooms_of(index);
        self.tell_unsealed(index, notice);
    }

    /// Sends a notice to one connection.
    pub(super) fn tell_unsealed(&mut self, index: u32, notice: &Notice<'_>) {
        let Some(connection) = self.connections.get(index as usize) else { return };
        let format = &self.formats[usize::from(connection.format)];
        let namespace = connection.session.as_ref().map(|session| session.namespace().clone()).unwrap_or_default();
        let mut frame = Vec::new();
        encode_into(format, &namespace, notice, &mut self.scratch_text, &mut frame);
        self.send(index, frame.into());
    }

    /// Flushes the hot list, then a slice of the bulk list. Returns whether more is left.
    pub(super) fn flush(&mut self) -> bool {
        for _ in 0..HOT_SLICE {
            let Some(index) = self.hot.pop_front() else { break };
            self.flush_listed(index, Listed::Hot);
        }
        if self.bulk.len() > 2 * self.connections.len() {
            // Entries of connections that meanwhile went out by the hot list.
            let connections = &self.connections;
            self.bulk
                .retain(|index| connections.get(*index as usize).is_some_and(|there| there.listed == Listed::Bulk));
        }
        let mut sent = 0;
        while sent < SLICE {
            let Some(index) = self.bulk.pop_front() else { break };
            sent += usize::from(self.flush_listed(index, Listed::Bulk));
        }
        !self.hot.is_empty() || !self.bulk.is_empty()
    }

    /// Flushes a connection that stands in a list, unless it stands in a more urgent one by now.
    fn flush_listed(&mut self, index: u32, list: Listed) -> bool {
        match self.connections.get_mut(index as usize) {
            Some(connection) if connection.listed == list => {
                connection.listed = Listed::No;
                self.flush_one(index);
                true
            }
            _ => false,
        }
    }

    /// Sends as much as the peer takes and one turn may give it.
    pub(super) fn flush_one(&mut self, index: u32) {
        self.flush_some(index, FLUSH_BYTES);
    }

    fn flush_some(&mut self, index: u32, budget: usize) {
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        let (Some(transport), Some(waker)) = (&mut connection.transport, &connection.waker) else { return };
        let mut cx = Context::from_waker(waker);
        let mut result = Poll::Ready(Ok(()));
        if connection.outbox.is_none() && connection.blocked {
            // The queue was taken, but not all of it has left the transport.
            let mut empty = Queue::new();
            result = transport.poll_send(&mut cx, &mut Outgoing::new(&mut empty, &mut self.scratch_join));
        }
        if let Some(outbox) = &mut connection.outbox {
            let before = outbox.bytes();
            let mut outgoing = Outgoing::new(&mut outbox.queue, &mut self.scratch_join).with_budget(budget);
            result = transport.poll_send(&mut cx, &mut outgoing);
            outbox.sync();
            let after = outbox.bytes();
            self.waiting_bytes = self.waiting_bytes + after - before;
            // Only while something waits: the session's memory is cold, and most flushes empty the outbox.
            if after > 0 || connection.told_outbox {
                connection.told_outbox = after > 0;
                if let Some(session) = &connection.session {
                    session.set_outbox_bytes(after);
                }
            }
            if outbox.queue.is_empty() {
                let spare = connection.outbox.take();
                if self.spare_outboxes.len() < SPARE_OUTBOXES {
                    self.spare_outboxes.extend(spare.filter(|outbox| outbox.queue.capacity() <= SPARE_FRAMES));
                }
            }
        }
        match result {
            Poll::Pending => connection.blocked = true,
            Poll::Ready(Ok(())) if connection.outbox.is_some() => {
                // The budget is spent; the rest has its turn later.
                connection.blocked = false;
                if connection.listed == Listed::No {
                    connection.listed = Listed::Bulk;
                    self.bulk.push_back(index);
                }
            }
            Poll::Ready(Ok(())) => {
                connection.blocked = false;
                if connection.state.phase() == Phase::Closing && transport.poll_close(&mut cx).is_ready() {
                    self.doom(index, DisconnectReason::Lost);
                }
            }
            Poll::Ready(Err(SendError::Io(error))) => {
                tracing::debug!(%error, "connection broke while sending");
                self.doom(index, DisconnectReason::Lost);
            }
        }
    }

    pub(super) fn count_bytes(&mut self, before: usize, after: usize) {
        self.waiting_bytes = self.waiting_bytes + after - before;
    }

    /// Publishes this shard's share of the process-wide budget and looks where the whole stands.
    pub(super) fn settle_budget(&mut self) {
        let total = &self.node.outbox_bytes;
        if self.waiting_bytes > self.settled_bytes {
            total.fetch_add(self.waiting_bytes - self.settled_bytes, Ordering::Relaxed);
        } else if self.waiting_bytes < self.settled_bytes {
            total.fetch_sub(self.settled_bytes - self.waiting_bytes, Ordering::Relaxed);
        }
        self.settled_bytes = self.waiting_bytes;
        self.over_budget = total.load(Ordering::Relaxed) > self.node.config.max_total_outbox_bytes;
    }
}
