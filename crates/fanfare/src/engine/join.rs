//! Into a room and out of it. A join is a small machine: buffering, merged, live.
//!
//! From the moment that a session is on its way in, what is published to the room waits beside it (*buffering*). Meanwhile
//! permission is asked, the broker is told, and the past is read. Then past and waiting are put together by their positions
//! (*merged*), told in one go after the acknowledgement, and the session is one of the members (*live*). So nothing comes
//! before the acknowledgement, nothing twice, and nothing is missed.

use std::sync::Arc;

use super::{
    attempt::Attempt,
    connection::Membership,
    encode::encode_publication,
    outbox::Label,
    room::{PendingJoin, ShardRoom},
    shard::Shard,
};
use crate::{
    CloseCode, JoinError, Notice, Position, RoomName,
    broker::{BrokerError, Publication, PublicationKind, Target, Topic},
    engine::connection::Listed,
    node::{JoinReady, JoinRequest, RoomChange, RoomEntry, ShardCommand, Slot},
    session::{Session, state::Phase},
};

/// How often a join reads the log again because more was published meanwhile than may wait.
const ATTEMPTS: u8 = 5;

impl Shard {
    /// Puts a session into a room of its namespace.
    pub(super) fn join_room(&mut self, index: u32, room: RoomName, request: JoinRequest) {
        let Some(session) = self.connections[index as usize].session.clone() else { return self.refuse_join(request) };
        let topic = Topic::room(session.namespace().clone(), room);
        self.join(index, &session, &topic, request);
    }

    pub(super) fn join(&mut self, index: u32, session: &Session, topic: &Topic, request: JoinRequest) {
        if self.connections[index as usize].state.phase() != Phase::Open {
            return self.refuse_join(request);
        }
        if let Some(room) = self.room_of(topic) {
            if self.membership(index, room).is_some() {
                return self.already_there(index, topic, request);
            }
            let mut pending = self.rooms[room as usize].pending.iter_mut();
            if let Some(pending) = pending.find(|pending| pending.connection == index) {
                pending.followers.push(request);
                return;
            }
        }
        if topic.room_name().is_some() && session.rooms().len() >= self.node.config.max_rooms_per_session {
            return self.join_failed(index, topic, request, JoinError::TooManyRooms);
        }
        let entry = self.node.enter(topic, self.handle.index);
        let room = self.room_for(&entry);
        let attempt = Attempt::new(session, &entry, &request);
        self.connections[index as usize].joining.push(room);
        self.rooms[room as usize].pending.push(PendingJoin {
            connection: index,
            request,
            waiting: Vec::new(),
            overflowed: false,
            attempts: 0,
            number: self.next_join,
            followers: Vec::new(),
        });
        self.next_join += 1;
        self.attempt_join(index, &entry, self.next_join - 1, attempt);
    }

    fn attempt_join(&mut self, index: u32, entry: &Arc<RoomEntry>, number: u64, attempt: Attempt) {
        let slot = self.slot(index);
        let later = entry.clone();
        let result =
            self.start(attempt.run(), move |result| ShardCommand::JoinReady { slot, entry: later, number, result });
        if let Some(result) = result {
            self.join_ready(slot, entry, number, result);
        }
    }

    /// The past is read: put it together with what waited.
    pub(super) fn join_ready(
        &mut self,
        slot: Slot,
        entry: &Arc<RoomEntry>,
        number: u64,
        result: Result<JoinReady, JoinError>,
    ) {
        let Some(index) = self.find(slot) else { return };
        let Some(&room) = self.room_index.get(&entry.id) else { return };
        let mut all = self.rooms[room as usize].pending.iter();
        let place = all.position(|pending| pending.connection == index && pending.number == number);
        // A leave or the end of the session took it away meanwhile.
        let Some(place) = place else { return };
        let mut pending = self.rooms[room as usize].pending.swap_remove(place);
        self.connections[index as usize].joining.retain(|joining| *joining != room);
        let ready = match result {
            Ok(ready) => ready,
            Err(error) => {
                self.leave_entry(room, entry);
                self.join_failed(index, &entry.topic, pending.request, error);
                return self.follow(index, &entry.topic, pending.followers);
            }
        };
        if pending.overflowed && entry.keeps_history() {
            if pending.attempts == ATTEMPTS {
                self.leave_entry(room, entry);
                self.join_failed(index, &entry.topic, pending.request, JoinError::Broker(BrokerError::Full));
                return self.follow(index, &entry.topic, pending.followers);
            }
            let Some(session) = self.connections[index as usize].session.clone() else { return };
            pending.overflowed = false;
            pending.attempts += 1;
            pending.waiting.clear();
            let attempt = Attempt::new(&session, entry, &pending.request);
            self.connections[index as usize].joining.push(room);
            self.rooms[room as usize].pending.push(pending);
            return self.attempt_join(index, entry, number, attempt);
        }
        if pending.overflowed {
            // What came before the acknowledgement is nothing that the session could miss.
            pending.waiting.clear();
        }
        let followers = std::mem::take(&mut pending.followers);
        self.go_live(index, room, entry, pending, ready);
        self.follow(index, &entry.topic, followers);
    }

    fn go_live(&mut self, index: u32, room: u32, entry: &Arc<RoomEntry>, pending: PendingJoin, ready: JoinReady) {
        self.seal_room(room);
        let PendingJoin { request, waiting, .. } = pending;
        let connection = &mut self.connections[index as usize];
        let Some(session) = connection.session.clone() else { return };
        let there = &mut self.rooms[room as usize];
        connection.memberships.push(Membership { room, place: place_of(there.members.len()) });
        there.members.push(index);
        there.count_format(connection.format, true);

        if let (Target::Inbox(_), Some(top)) = (&entry.topic.target, ready.top) {
            session.note_inbox(top.epoch);
        }
        let told_room = entry.topic.room_name();
        if let Some(name) = told_room {
            session.note_joined(name);
            self.tell(
                index,
                &Notice::Joined { id: request.id, room: name, position: ready.top, recovered: ready.complete },
            );
        }
        if !ready.complete {
            self.counted.gaps += 1;
            self.tell(index, &Notice::Gap { room: told_room, from: request.since, to: ready.top });
        }
        for found in &ready.entries {
            self.tell_publication(index, entry, &found.publication, Some(found.position));
        }
        let mut last = ready.top;
        for (publication, position) in waiting {
            if let (Some(position), Some(top)) = (position, ready.top) {
                if position.epoch == top.epoch && position.offset <= top.offset {
                    continue;
                }
            }
            last = position.or(last);
            self.tell_publication(index, entry, &publication, position);
        }
        if let Some(last) = last {
            // What the log told already may still be on its way through the queue.
            self.rooms[room as usize].late.push((index, last));
        }
        if let Some(answer) = request.answer {
            drop(answer.send(Ok(())));
        }
        let first = {
            let mut local = entry.local.lock();
            local.members += 1;
            local.members == 1
        };
        if told_room.is_some() {
            if first {
                self.node.observe(&entry.topic, &RoomChange::Occupied);
            }
            self.node.observe(&entry.topic, &RoomChange::Joined(session.id()));
            self.announce(entry, &session, true);
        }
        self.release(index, request.holds_mailbox);
    }

    /// Tells one member a publication, as the batch would: its own excluded ones as their places only.
    pub(super) fn tell_publication(
        &mut self,
        index: u32,
        entry: &Arc<RoomEntry>,
        publication: &Publication,
        position: Option<Position>,
    ) {
        let connection = &self.connections[index as usize];
        let Some(session) = &connection.session else { return };
        let left_out = publication.except.contains(&session.id())
            || publication.except_rooms.iter().any(|room| session.is_in(room));
        if left_out {
            if let (Some(position), Some(room)) = (position, entry.topic.room_name()) {
                self.tell_unsealed(index, &Notice::Position { room, position });
            }
            return;
        }
        let format = &self.formats[usize::from(connection.format)];
        let mut frame = Vec::new();
        encode_publication(format, &entry.topic, publication, position, &mut self.scratch_text, &mut frame);
        if frame.is_empty() {
            return;
        }
        self.counted.deliveries += 1;
        let span = position.map(|at| (Position::new(at.epoch, at.offset.saturating_sub(1)), at));
        let label = Label { room: entry.id, overflow: entry.policy.overflow, span, messages: 1, ..Label::default() };
        self.enqueue(index, frame.into(), Some(Arc::new(label)), Listed::Hot);
    }

    /// Takes a session out of a room. Nothing of the room is queued for it afterwards.
    pub(super) fn leave_room(&mut self, index: u32, name: &RoomName, id: Option<u64>) -> bool {
        let Some(session) = self.connections[index as usize].session.clone() else { return false };
        let topic = Topic::room(session.namespace().clone(), name.clone());
        let Some(room) = self.room_of(&topic) else { return false };
        let entry = self.rooms[room as usize].entry.clone();
        if let Some(place) = self.rooms[room as usize].pending.iter().position(|pending| pending.connection == index) {
            let pending = self.rooms[room as usize].pending.swap_remove(place);
            self.connections[index as usize].joining.retain(|joining| *joining != room);
            self.leave_entry(room, &entry);
            for request in std::iter::once(pending.request).chain(pending.followers) {
                self.join_failed(index, &entry.topic, request, JoinError::Closed);
            }
            return true;
        }
        let Some(place) = self.membership(index, room) else { return false };
        self.seal_room(room);
        self.remove_member(index, place);
        session.note_left(name);
        self.tell(index, &Notice::Left { id, room: name });
        self.announce(&entry, &session, false);
        true
    }

    pub(super) fn leave_by_client(&mut self, index: u32, room: &RoomName, id: Option<u64>) {
        if !self.leave_room(index, room, id) {
            self.tell_reject(index, id, &crate::Reject::not_joined());
        }
    }

    /// Takes a connection out of everything it is in, because it ends.
    pub(super) fn leave_all(&mut self, index: u32) {
        let Some(session) = self.connections[index as usize].session.clone() else { return };
        while let Some(membership) = self.connections[index as usize].memberships.last().copied() {
            let entry = self.rooms[membership.room as usize].entry.clone();
            self.seal_room(membership.room);
            let place = self.connections[index as usize].memberships.len() - 1;
            self.remove_member(index, place);
            if entry.topic.room_name().is_some() {
                self.announce(&entry, &session, false);
            }
        }
        for room in std::mem::take(&mut self.connections[index as usize].joining) {
            let there = &mut self.rooms[room as usize];
            there.pending.retain(|pending| pending.connection != index);
            let entry = there.entry.clone();
            self.leave_entry(room, &entry);
        }
    }

    /// Rooms of a resumed session that it is not back in yet.
    pub(super) fn restoring(&self, index: u32) -> Vec<RoomName> {
        let joining = self.connections[index as usize].joining.iter().map(|room| &self.rooms[*room as usize]);
        joining
            .filter(|room| room.pending.iter().any(|pending| pending.connection == index && pending.request.restores))
            .filter_map(|room| room.entry.topic.room_name().cloned())
            .collect()
    }

    fn remove_member(&mut self, index: u32, membership: usize) {
        let connection = &mut self.connections[index as usize];
        let Membership { room, place } = connection.memberships.swap_remove(membership);
        let format = connection.format;
        let there = &mut self.rooms[room as usize];
        there.members.swap_remove(place as usize);
        there.count_format(format, false);
        there.late.retain(|(connection, _)| *connection != index);
        if let Some(&moved) = there.members.get(place as usize) {
            let memberships = &mut self.connections[moved as usize].memberships;
            let back = memberships.iter_mut().find(|membership| membership.room == room);
            back.expect("a member of a room has a membership of it").place = place;
        }
        let entry = self.rooms[room as usize].entry.clone();
        let session = self.connections[index as usize].session.as_ref().map(Session::id);
        let vacated = {
            let mut local = entry.local.lock();
            local.members -= 1;
            local.members == 0
        };
        self.leave_entry(room, &entry);
        if entry.topic.room_name().is_some() {
            if let Some(session) = session {
                self.node.observe(&entry.topic, &RoomChange::Left(session));
            }
            if vacated {
                self.node.observe(&entry.topic, &RoomChange::Vacated);
            }
        }
    }

    /// Gives up one interest in a room, and the room itself when it was the last on this shard.
    fn leave_entry(&mut self, room: u32, entry: &Arc<RoomEntry>) {
        self.node.exit(entry, self.handle.index);
        let there = &self.rooms[room as usize];
        if there.members.is_empty() && there.pending.is_empty() {
            self.room_index.remove(&entry.id);
            self.rooms.remove(room as usize);
        }
    }

    fn announce(&mut self, entry: &Arc<RoomEntry>, session: &Session, joined: bool) {
        // In a drain everyone goes: telling each of each would be the square of them.
        if entry.interest() > entry.policy.announce_up_to || entry.interest() == 0 || self.node.is_draining() {
            return;
        }
        let member = session.identity().member(session.id());
        let kind = if joined { PublicationKind::Joined(member) } else { PublicationKind::Left(member) };
        let mut publication = Publication::new(kind, self.node.now_ms());
        publication.except.push(session.id());
        let (node, topic) = (self.node.clone(), entry.topic.clone());
        self.detach(async move {
            // Announcements are best effort: `presence` tells who is there.
            if let Err(error) = node.publish(&topic, publication, None).await {
                tracing::debug!(room = %topic, %error, "cannot announce a member");
            }
        });
    }

    fn already_there(&mut self, index: u32, topic: &Topic, request: JoinRequest) {
        if request.since.is_some() || request.history.is_some() {
            // The past is behind the live messages already; `history` reads it.
            let reject = crate::Reject::new("already_joined", "the session is in this room: ask for its history");
            return self.join_failed(index, topic, request, JoinError::Refused(reject));
        }
        if let (Some(room), true) = (topic.room_name(), request.id.is_some()) {
            self.tell(index, &Notice::Joined { id: request.id, room, position: None, recovered: true });
        }
        if let Some(answer) = request.answer {
            drop(answer.send(Ok(())));
        }
        self.release(index, request.holds_mailbox);
    }

    /// Looks at the joins that waited for one under way: it succeeded, and they have nothing to do, or it did not, and the
    /// next of them tries.
    fn follow(&mut self, index: u32, topic: &Topic, followers: Vec<JoinRequest>) {
        for request in followers {
            match self.connections[index as usize].session.clone() {
                Some(session) => self.join(index, &session, topic, request),
                None => self.refuse_join(request),
            }
        }
    }

    fn join_failed(&mut self, index: u32, topic: &Topic, request: JoinRequest, error: JoinError) {
        if topic.room_name().is_none() {
            // Without its inbox or the broadcasts a session would be deaf and not know it.
            tracing::warn!(%topic, %error, "a session cannot be subscribed");
            self.close_for(index, CloseCode::TryAgainLater);
        } else if request.restores {
            // The client believes that it is in the room.
            if let Some(room) = topic.room_name() {
                self.tell(index, &Notice::Left { id: None, room });
            }
        } else if request.by_client {
            self.tell_reject(index, request.id, &crate::Reject::from(error.clone()));
        }
        if let Some(answer) = request.answer {
            drop(answer.send(Err(error)));
        }
        self.release(index, request.holds_mailbox);
    }

    pub(super) fn refuse_join(&mut self, request: JoinRequest) {
        if let Some(answer) = request.answer {
            drop(answer.send(Err(JoinError::Closed)));
        }
    }

    /// Lets the client's next command run, once the current step is over.
    fn release(&mut self, index: u32, holds_mailbox: bool) {
        if holds_mailbox {
            self.to_release.push(index);
        }
    }

    fn room_of(&self, topic: &Topic) -> Option<u32> {
        let entry = self.node.room(topic)?;
        self.room_index.get(&entry.id).copied()
    }

    fn room_for(&mut self, entry: &Arc<RoomEntry>) -> u32 {
        if let Some(&room) = self.room_index.get(&entry.id) {
            return room;
        }
        let room = place_of(self.rooms.insert(ShardRoom::new(entry.clone())));
        self.room_index.insert(entry.id, room);
        room
    }

    /// Where in the connection's memberships the room stands.
    fn membership(&self, index: u32, room: u32) -> Option<usize> {
        self.connections[index as usize].memberships.iter().position(|membership| membership.room == room)
    }
}

fn place_of(place: usize) -> u32 {
    u32::try_from(place).expect("a shard has less than four billion sessions and rooms")
}
