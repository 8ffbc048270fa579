//! A room as its shard keeps it: members, joins under way, and the batch of this turn.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::{
    Position,
    broker::Publication,
    node::{JoinRequest, RoomEntry},
};

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
    pub(super) batches: SmallVec<[Batch; 1]>,
    /// It was published to since its batches were last sealed.
    pub(super) dirty: bool,
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
pub(super) struct Batch {
    pub(super) format: u16,
    pub(super) bytes: Vec<u8>,
    pub(super) marks: Vec<Mark>,
    /// Where each message ends, and its place, where the room keeps history.
    pub(super) ends: Vec<(usize, Option<Position>)>,
}

/// A part of a batch that some members do not get, or get otherwise.
pub(super) struct Mark {
    /// Whom it concerns; `None`: everybody who is behind.
    pub(super) connection: Option<u32>,
    pub(super) start: usize,
    pub(super) end: usize,
    /// What they get instead: the place of the message, so that they see no hole.
    pub(super) instead: Bytes,
}

impl Batch {
    pub(super) fn new(format: u16) -> Self {
        Self { format, bytes: Vec::new(), marks: Vec::new(), ends: Vec::new() }
    }
}

/// What lies between two ends of messages: the last place before it and its last one, and how many messages.
pub(super) fn part_of(
    ends: &[(usize, Option<Position>)],
    start: usize,
    end: usize,
) -> (Option<(Position, Position)>, u32) {
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
