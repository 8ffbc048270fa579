//! From one publication to many outboxes: encode once, batch by room and turn, share the bytes.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    connection::Listed,
    outbox::Label,
    shard::{Format, Shard},
};
use crate::{
    Namespace, Notice, Overflow, Position, RoomName, ServerEvent, SessionId,
    broker::{Publication, PublicationKind, Target, Topic},
    node::{JoinRequest, RoomEntry},
};

/// Rooms of so many members are flushed ahead of larger ones. Measured: with this a pair's p99 stays at 1.2 ms beside a busy
/// room of 5,000, where first come, first served takes it to 31 ms.
const SMALL_ROOM: usize = 64;
/// Bytes after which a batch is sealed within the turn: policies drop whole frames, so a frame must stay small beside an outbox.
const MAX_BATCH: usize = 64 * 1024;

/// A room as its shard keeps it.
pub(super) struct ShardRoom {
    pub(super) entry: Arc<RoomEntry>,
    /// Connections that are in the room.
    pub(super) members: Vec<u32>,
    /// How many members have which format; what a publication is encoded for.
    pub(super) formats: SmallVec<[(u16, u32); 2]>,
    /// Sessions on their way in.
    pub(super) pending: Vec<PendingJoin>,
    /// Members who got these places with their join already and must not get them again. Short-lived.
    pub(super) late: Vec<(u32, Position)>,
    batches: SmallVec<[Batch; 1]>,
    dirty: bool,
}

/// A join between its beginning and its end: what is published meanwhile waits here.
pub(super) struct PendingJoin {
    pub(super) connection: u32,
    pub(super) request: JoinRequest,
    pub(super) waiting: Vec<(Arc<Publication>, Option<Position>)>,
    /// More came than may wait: the end of the join reads the log once more.
    pub(super) overflowed: bool,
    pub(super) attempts: u8,
    /// Tells it from earlier joins of the same session, whose asynchronous half may come back late.
    pub(super) number: u64,
    /// Joins of the same session that the application asked for meanwhile. Bounded by its own tasks: each waits for its answer.
    pub(super) followers: Vec<JoinRequest>,
}

/// What was published to a room in this turn, framed for one format.
struct Batch {
    format: u16,
    bytes: Vec<u8>,
    marks: Vec<Mark>,
    /// Where each message ends, and its place, where the room keeps history.
    ends: Vec<(usize, Option<Position>)>,
}

/// A part of a batch that some members do not get, or get otherwise.
struct Mark {
    /// Whom it concerns; `None`: everybody who is behind.
    connection: Option<u32>,
    start: usize,
    end: usize,
    /// What they get instead: the place of the message, so that they see no hole.
    instead: Bytes,
}

impl Batch {
    fn new(format: u16) -> Self {
        Self { format, bytes: Vec::new(), marks: Vec::new(), ends: Vec::new() }
    }
}

/// What lies between two ends of messages: the last place before it and its last one, and how many messages.
fn part_of(ends: &[(usize, Option<Position>)], start: usize, end: usize) -> (Option<(Position, Position)>, u32) {
    let first = ends.partition_point(|(message_end, _)| *message_end <= start);
    let after = ends.partition_point(|(message_end, _)| *message_end <= end);
    let part = &ends[first..after.max(first)];
    let span = match (part.first(), part.last()) {
        (Some((_, Some(first))), Some((_, Some(last)))) => {
            Some((Position::new(first.epoch, first.offset.saturating_sub(1)), *last))
        }
        _ => None,
    };
    (span, u32::try_from(part.len()).unwrap_or(u32::MAX))
}

impl ShardRoom {
    pub(super) fn new(entry: Arc<RoomEntry>) -> Self {
        Self {
            entry,
            members: Vec::new(),
            formats: SmallVec::new(),
            pending: Vec::new(),
            late: Vec::new(),
            batches: SmallVec::new(),
            dirty: false,
        }
    }

    pub(super) fn count_format(&mut self, format: u16, joined: bool) {
        match self.formats.iter().position(|(there, _)| *there == format) {
            Some(place) if joined => self.formats[place].1 += 1,
            Some(place) => {
                self.formats[place].1 -= 1;
                if self.formats[place].1 == 0 {
                    self.formats.swap_remove(place);
                }
            }
            None => self.formats.push((format, 1)),
        }
    }
}

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
        let full = room.batches.iter().any(|batch| batch.bytes.len() >= MAX_BATCH);
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

    /// Connections of this shard that do not get `publication`.
    fn excluded(
        &mut self,
        entry: &RoomEntry,
        publication: &Publication,
        position: Option<Position>,
        index: u32,
    ) -> SmallVec<[u32; 4]> {
        let mut excluded: SmallVec<[u32; 4]> =
            publication.except.iter().filter_map(|id| self.connection_of(id)).collect();
        for room in &publication.except_rooms {
            if let Some(index) = self.find_room(&entry.topic.namespace, room) {
                excluded.extend_from_slice(&self.rooms[index as usize].members);
            }
        }
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
        let excluded: SmallVec<[u32; 4]> = {
            let mut excluded: SmallVec<[u32; 4]> =
                publication.except.iter().filter_map(|id| self.connection_of(id)).collect();
            for room in &publication.except_rooms {
                if let Some(index) = self.find_room(namespace, room) {
                    excluded.extend_from_slice(&self.rooms[index as usize].members);
                }
            }
            excluded
        };
        let stamp = self.next_stamp();
        for connection in excluded {
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

    /// Seals the batches of all rooms that were published to.
    pub(super) fn seal_all(&mut self) {
        self.seal_all_but(None);
    }

    fn seal_all_but(&mut self, kept: Option<u32>) {
        for index in std::mem::take(&mut self.dirty_rooms) {
            if Some(index) == kept {
                self.dirty_rooms.push(index);
            } else {
                self.seal_room(index);
            }
        }
        self.dirty_broadcasts.retain(|index| Some(*index) == kept);
    }

    fn seal_broadcasts(&mut self) {
        while let Some(index) = self.dirty_broadcasts.pop() {
            self.seal_room(index);
        }
    }

    /// Seals the batches of the rooms that a connection is in, before something is sent to it directly.
    pub(super) fn seal_rooms_of(&mut self, connection: u32) {
        if self.dirty_rooms.is_empty() {
            return;
        }
        let Some(there) = self.connections.get(connection as usize) else { return };
        let rooms: SmallVec<[u32; 8]> = there.memberships.iter().map(|membership| membership.room).collect();
        for room in rooms {
            self.seal_room(room);
        }
    }

    /// Seals a room's batches, if it has any.
    pub(super) fn seal_room(&mut self, index: u32) {
        if self.rooms.get(index as usize).is_some_and(|room| room.dirty) {
            self.seal(index, None);
        }
    }

    fn seal(&mut self, index: u32, conflation_key: Option<Arc<str>>) {
        let room = &mut self.rooms[index as usize];
        room.dirty = false;
        let batches = std::mem::take(&mut room.batches);
        // Nobody leaves meanwhile: connections that break while we send are removed at the end of the step.
        let members = std::mem::take(&mut room.members);
        let (id, overflow) = (room.entry.id, room.entry.policy.overflow);
        let urgency = if members.len() <= SMALL_ROOM { Listed::Hot } else { Listed::Bulk };
        for Batch { format, bytes, marks, ends } in batches {
            let frame = Bytes::from(bytes);
            let label = |start, end| {
                if overflow == Overflow::Disconnect {
                    // Nobody will ask what is lost: the session ends, as for what is sent to it alone.
                    return None;
                }
                let (span, messages) = part_of(&ends, start, end);
                let conflation_key = conflation_key.clone();
                Some(Arc::new(Label { room: id, overflow, span, conflation_key, messages, gap: false }))
            };
            let whole = label(0, frame.len());
            let stamp = self.next_stamp();
            let behind_matters = marks.iter().any(|mark| mark.connection.is_none());
            for mark in &marks {
                if let Some(connection) = mark.connection.and_then(|index| self.connections.get_mut(index as usize)) {
                    connection.stamp = stamp;
                }
            }
            for &member in &members {
                let connection = &self.connections[member as usize];
                if connection.format != format {
                    continue;
                }
                self.counted.deliveries += ends.len() as u64;
                if connection.stamp != stamp && !(behind_matters && connection.blocked) {
                    self.enqueue(member, frame.clone(), whole.clone(), urgency);
                    continue;
                }
                let blocked = connection.blocked;
                let mine = marks.iter().filter(|mark| match mark.connection {
                    Some(connection) => connection == member,
                    None => blocked,
                });
                let mut sent = 0;
                for mark in mine {
                    if mark.start > sent {
                        let part = label(sent, mark.start);
                        self.enqueue(member, frame.slice(sent..mark.start), part, urgency);
                    }
                    if !mark.instead.is_empty() {
                        let part = label(mark.start, mark.end);
                        self.enqueue(member, mark.instead.clone(), part, urgency);
                    }
                    // Two marks of one message, as for a volatile one of the member's own, are one.
                    sent = sent.max(mark.end);
                }
                if sent < frame.len() {
                    let part = label(sent, frame.len());
                    self.enqueue(member, frame.slice(sent..), part, urgency);
                }
            }
        }
        self.rooms[index as usize].members = members;
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

/// Appends a publication, framed for `format`.
pub(super) fn encode_publication(
    format: &Format,
    topic: &Topic,
    publication: &Publication,
    position: Option<Position>,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    let room = topic.room_name();
    let namespace = &topic.namespace;
    match (&publication.kind, room) {
        (PublicationKind::Event { .. }, _) => {
            if let Some(event) = server_event(publication, room, position) {
                encode_into(format, namespace, &Notice::Event(event), scratch, out);
            }
        }
        (PublicationKind::Raw(bytes), _) => encode_into(format, namespace, &Notice::Raw(bytes), scratch, out),
        (PublicationKind::Joined(member), Some(room)) => {
            let notice = Notice::UserJoined {
                client_id: member.client_id,
                room,
                user: member.user.as_deref(),
                info: member.info.as_ref(),
            };
            encode_into(format, namespace, &notice, scratch, out);
        }
        (PublicationKind::Left(member), Some(room)) => {
            let notice = Notice::UserLeft {
                client_id: member.client_id,
                room,
                user: member.user.as_deref(),
                info: member.info.as_ref(),
            };
            encode_into(format, namespace, &notice, scratch, out);
        }
        (PublicationKind::Joined(_) | PublicationKind::Left(_), None) => {}
    }
}

/// The event of a publication as it is told to clients; `None` for what is no event.
pub(super) fn server_event<'a>(
    publication: &'a Publication,
    room: Option<&'a RoomName>,
    position: Option<Position>,
) -> Option<ServerEvent<'a>> {
    let PublicationKind::Event { name, payload } = &publication.kind else { return None };
    Some(ServerEvent {
        name,
        payload,
        client_id: publication.sender,
        room,
        timestamp: Some(publication.timestamp),
        position,
    })
}

/// Appends a notice, framed for `format`.
pub(super) fn encode_into(
    format: &Format,
    namespace: &Namespace,
    notice: &Notice<'_>,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    scratch.clear();
    let framing = &format.framing;
    format.encoding.encode(namespace, notice, scratch, &mut |kind, message| framing.frame(kind, message, out));
}

/// A notice as framed bytes of its own.
pub(super) fn encoded(format: &Format, namespace: &Namespace, notice: &Notice<'_>, scratch: &mut Vec<u8>) -> Bytes {
    let mut out = Vec::new();
    encode_into(format, namespace, notice, scratch, &mut out);
    Bytes::from(out)
}
