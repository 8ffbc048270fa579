//! From one publication to many outboxes: encode once, batch by room and turn, share the bytes.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    connection::Listed,
    encode::{encode_publication, encoded},
    room::{Batch, Mark},
    seal::SMALL_ROOM,
    shard::Shard,
};
use crate::{
    Namespace, Notice, Overflow, Position, RoomName, SessionId,
    broker::{Publication, Target, Topic},
    node::RoomEntry,
};

/// Bytes after which a batch is sealed within the turn, and at most a sixteenth of an outbox: policies drop whole frames, so a
/// frame must stay small beside it.
const MAX_BATCH: usize = 64 * 1024;

impl Shard {
    /// A publication for a room arrived.
    pub(super) fn deliver(
        &mut self,
        entry: &Arc<RoomEntry>,
        publication: Arc<Publication>,
        position: Option<Position>,
    ) {
        let Some(&index) = self.room_index.get(&entry.id) else { return };
        if !publication.rooms.is_empty() {
            self.deliver_to_union(entry, &publication);
            return;
        }
        let max_waiting = self.node.config.max_join_buffer;
        let room = &mut self.rooms[index as usize];
        for pending in &mut room.pending {
            if pending.waiting.len() < max_waiting {
                pending.waiting.push((publication.clone(), position));
            } else {
                pending.overflowed = true;
            }
        }
        if room.members.is_empty() {
            return;
        }
        let excluded = self.excluded(entry, &publication, position, index);
        match entry.topic.target {
            Target::Inbox(_) => return self.deliver_to_inbox(entry, index, &publication, position, &excluded),
            // In the order of sending also beside what goes to a part of the sessions.
            Target::Everyone => self.seal_all_but(Some(index)),
            Target::Room(_) => self.seal_broadcasts(),
        }
        let room = &mut self.rooms[index as usize];
        let behind = publication.volatile;
        for &(format, _) in &room.formats {
            let place = match room.batches.iter().position(|batch| batch.format == format) {
                Some(place) => place,
                None => {
                    room.batches.push(Batch::new(format));
                    room.batches.len() - 1
                }
            };
            let batch = &mut room.batches[place];
            let start = batch.bytes.len();
            let shape = &self.formats[usize::from(format)];
            encode_publication(shape, &entry.topic, &publication, position, &mut self.scratch_text, &mut batch.bytes);
            let end = batch.bytes.len();
            if end == start {
                continue;
            }
            batch.ends.push((end, position));
            for &connection in &excluded {
                // Whose join brought the message already gets nothing instead.
                let instead = match (position, entry.topic.room_name()) {
                    (Some(position), Some(room)) if !self.late_now.contains(&connection) => {
                        let notice = Notice::Position { room, position };
                        encoded(shape, &entry.topic.namespace, &notice, &mut self.scratch_text)
                    }
                    _ => Bytes::new(),
                };
                batch.marks.push(Mark { connection: Some(connection), start, end, instead });
            }
            if behind {
                batch.marks.push(Mark { connection: None, start, end, instead: Bytes::new() });
            }
        }
        let most = MAX_BATCH.min(self.node.config.max_outbox_bytes / 16);
        let full = room.batches.iter().any(|batch| batch.bytes.len() >= most);
        if !room.dirty {
            room.dirty = true;
            if entry.topic.target == Target::Everyone {
                self.dirty_broadcasts.push(index);
            }
            self.dirty_rooms.push(index);
        }
        // A frame of a conflated room stands alone, so that a newer one can take its place.
        if room.entry.policy.overflow == Overflow::Conflate {
            self.seal(index, publication.conflation_key.clone());
        } else if full {
            self.seal(index, None);
        }
    }

    /// A message for one session alone stands by itself, behind all that its rooms had before it.
    fn deliver_to_inbox(
        &mut self,
        entry: &Arc<RoomEntry>,
        index: u32,
        publication: &Publication,
        position: Option<Position>,
        excluded: &[u32],
    ) {
        for member in self.rooms[index as usize].members.clone() {
            if !excluded.contains(&member) {
                self.seal_rooms_of(member);
                self.tell_publication(member, entry, publication, position);
            }
        }
    }

    /// Connections of this shard that the publisher left out.
    fn left_out(&self, namespace: &Namespace, publication: &Publication) -> SmallVec<[u32; 4]> {
        let mut left_out: SmallVec<[u32; 4]> =
            publication.except.iter().filter_map(|id| self.connection_of(id)).collect();
        for room in &publication.except_rooms {
            if let Some(index) = self.find_room(namespace, room) {
                left_out.extend_from_slice(&self.rooms[index as usize].members);
            }
        }
        left_out
    }

    /// Connections of this shard that do not get `publication`: those left out, and those whose join brought it already.
    fn excluded(
        &mut self,
        entry: &RoomEntry,
        publication: &Publication,
        position: Option<Position>,
        index: u32,
    ) -> SmallVec<[u32; 4]> {
        let mut excluded = self.left_out(&entry.topic.namespace, publication);
        self.late_now.clear();
        let room = &mut self.rooms[index as usize];
        if let (Some(position), false) = (position, room.late.is_empty()) {
            let late = &mut self.late_now;
            room.late.retain(|(connection, merged)| {
                let has_it = merged.epoch == position.epoch && merged.offset >= position.offset;
                if has_it {
                    late.push(*connection);
                }
                has_it
            });
            excluded.extend_from_slice(late);
        }
        excluded
    }

    /// A publication for several rooms, or for everyone: once for each session.
    fn deliver_to_union(&mut self, entry: &RoomEntry, publication: &Arc<Publication>) {
        self.seal_all();
        let namespace = &entry.topic.namespace;
        let left_out = self.left_out(namespace, publication);
        let stamp = self.next_stamp();
        for connection in left_out {
            if let Some(connection) = self.connections.get_mut(connection as usize) {
                connection.stamp = stamp;
            }
        }
        let mut targets = Vec::new();
        for room in &publication.rooms {
            let Some(index) = self.find_room(namespace, room) else { continue };
            for &member in &self.rooms[index as usize].members {
                let connection = &mut self.connections[member as usize];
                if connection.stamp != stamp && !(publication.volatile && connection.blocked) {
                    connection.stamp = stamp;
                    targets.push(member);
                }
            }
        }
        let urgency = if targets.len() <= SMALL_ROOM { Listed::Hot } else { Listed::Bulk };
        let mut frames: SmallVec<[(u16, Bytes); 2]> = SmallVec::new();
        self.counted.deliveries += targets.len() as u64;
        for target in targets {
            let format = self.connections[target as usize].format;
            let frame = match frames.iter().find(|(there, _)| *there == format) {
                Some((_, frame)) => frame.clone(),
                None => {
                    let mut bytes = Vec::new();
                    let shape = &self.formats[usize::from(format)];
                    encode_publication(shape, &entry.topic, publication, None, &mut self.scratch_text, &mut bytes);
                    let frame = Bytes::from(bytes);
                    frames.push((format, frame.clone()));
                    frame
                }
            };
            if !frame.is_empty() {
                self.enqueue(target, frame, None, urgency);
            }
        }
    }

    /// The members of a room lost something.
    pub(super) fn tell_gap(&mut self, entry: &Arc<RoomEntry>, from: Option<Position>, to: Option<Position>) {
        let Some(&index) = self.room_index.get(&entry.id) else { return };
        self.seal_room(index);
        for pending in &mut self.rooms[index as usize].pending {
            pending.overflowed = true;
        }
        let members = self.rooms[index as usize].members.clone();
        self.counted.gaps += members.len() as u64;
        for member in members {
            self.tell(member, &Notice::Gap { room: entry.topic.room_name(), from, to });
        }
    }

    pub(super) fn connection_of(&self, id: &SessionId) -> Option<u32> {
        let session = self.node.session(id)?;
        let slot = session.slot();
        (slot.shard == self.handle.index && self.find(slot).is_some()).then_some(slot.index)
    }

    pub(super) fn find_room(&self, namespace: &Namespace, room: &RoomName) -> Option<u32> {
        let topic = Topic::room(namespace.clone(), room.clone());
        let entry = self.node.room(&topic)?;
        self.room_index.get(&entry.id).copied()
    }
}
