//! From a client's commands to the application: one after the other, each with its answer.

use std::sync::Arc;

use bytes::Bytes;

use super::shard::Shard;
use crate::{
    ClientEvent, CloseCode, Command, Notice, Payload, Position, Reject, RoomName,
    broker::{Publication, PublicationKind, Topic},
    handler::{Dispatched, Incoming, guard},
    node::{Answer, JoinRequest, Node, Outcome, ShardCommand, Verb},
    observe::add,
    room::Room,
    session::{
        Session,
        state::{Phase, millis},
    },
};

/// Bytes of commands that may wait behind a busy handler, beside their number. One read more may follow before reading stops.
pub(super) const MAX_MAILBOX_BYTES: usize = 128 * 1024;

impl Shard {
    /// Carries a command out, or puts it behind the one that is under way.
    pub(super) fn take_command(&mut self, index: u32, command: Command) {
        let max = self.node.config.max_mailbox_events;
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        match (connection.state.phase(), &command) {
            (Phase::Closing, _) => return,
            _ if connection.ending => return,
            (Phase::Opening, Command::Hello(_)) if connection.session.is_none() && !connection.busy => {}
            (Phase::Opening, Command::Hello(_)) => return self.close_for(index, CloseCode::OutOfPlace),
            // The answer to a call is what a handler that is under way may be waiting for.
            (_, Command::Ack { .. } | Command::Pong | Command::Ping { .. }) => {}
            (Phase::Opening, _) if connection.session.is_none() && !connection.busy => {
                self.close_for(index, CloseCode::Unauthorized);
                return;
            }
            _ if connection.busy => {
                let desk = connection.desk();
                desk.mailbox_bytes += size_of_command(&command);
                desk.mailbox.push_back(command);
                let full = desk.mailbox.len() >= max || desk.mailbox_bytes >= MAX_MAILBOX_BYTES;
                connection.paused |= full;
                return;
            }
            _ => {}
        }
        self.carry_out(index, command);
    }

    /// The command that was under way is done: the next ones.
    pub(super) fn next_command(&mut self, index: u32) {
        while let Some(connection) = self.connections.get_mut(index as usize) {
            connection.busy = false;
            if connection.ending {
                return;
            }
            let next = connection.desk.as_mut().and_then(|desk| {
                let next = desk.mailbox.pop_front()?;
                desk.mailbox_bytes -= size_of_command(&next);
                Some(next)
            });
            let paused = connection.paused;
            let Some(command) = next else {
                if let Some(code) = connection.goodbye.take() {
                    return self.peer_closed(index, code);
                }
                if paused {
                    self.resume_reading(index);
                }
                return;
            };
            if paused {
                self.resume_reading(index);
            }
            self.carry_out(index, command);
            if self.connections.get(index as usize).is_some_and(|there| there.busy) {
                return;
            }
        }
    }

    fn carry_out(&mut self, index: u32, command: Command) {
        match command {
            Command::Hello(hello) => self.hello(index, hello),
            Command::Join { id, room, since, history } => {
                let request =
                    JoinRequest { id, by_client: true, holds_mailbox: true, since, history, ..JoinRequest::default() };
                self.connections[index as usize].busy = true;
                self.join_room(index, room, request);
            }
            Command::Leave { id, room } => self.leave_by_client(index, &room, id),
            Command::Event(event) => self.event(index, event),
            Command::Raw(bytes) => self.raw(index, bytes),
            Command::Ack { id, payload } => {
                let desk = self.connections.get_mut(index as usize).and_then(|there| there.desk.as_mut());
                if let Some(answer) = desk.and_then(|desk| desk.calls.remove(&id)) {
                    drop(answer.send(Ok(payload)));
                }
            }
            Command::History { id, room, since, limit } => self.history(index, id, room, since, limit),
            Command::Presence { id, room } => self.presence(index, id, room),
            Command::Refresh { id, auth } => self.refresh(index, id, auth),
            Command::Ping { id } => self.tell(index, &Notice::Pong { id }),
            Command::Pong => {}
            _ => self.refused(index, None, "unknown_command", "this server does not know the command"),
        }
    }

    fn event(&mut self, index: u32, event: ClientEvent) {
        let Some(session) = self.connections[index as usize].session.clone() else { return };
        let Some(dispatch) = self.seat.namespaces.get(session.namespace()).cloned() else { return };
        let ClientEvent { id, name, room, key, payload } = event;
        let incoming = Incoming { name, room, payload, wants_reply: id.is_some(), key: key.map(Arc::from) };
        match dispatch.event(&session, incoming) {
            Dispatched::Unhandled(incoming) if incoming.name.as_str() != "message" => {
                self.refused(index, id, "unknown_event", &unknown(&incoming).1);
            }
            dispatched => {
                let future = Box::pin(answer(session, dispatched));
                self.handle(index, id, guard("event", future));
            }
        }
    }

    fn raw(&mut self, index: u32, bytes: Bytes) {
        let Some(session) = self.connections[index as usize].session.clone() else { return };
        let Some(dispatch) = self.seat.namespaces.get(session.namespace()).cloned() else { return };
        match dispatch.raw(&session, bytes) {
            Some(future) => {
                let future = Box::pin(async move { future.await.map(|()| Answer::Payload(Payload::empty(), None)) });
                self.handle(index, None, guard("raw", future));
            }
            None => self.refused(index, None, "unsupported", "nobody handles binary messages"),
        }
    }

    /// Runs what answers a command: at once if it is ready, else as a task while later commands wait.
    fn handle(
        &mut self,
        index: u32,
        id: Option<u64>,
        future: impl Future<Output = Outcome<Result<Answer, Reject>>> + Send + 'static,
    ) {
        let slot = self.slot(index);
        self.connections[index as usize].busy = true;
        let done = self.start(future, move |outcome| ShardCommand::Handled { slot, id, outcome });
        if let Some(outcome) = done {
            self.connections[index as usize].busy = false;
            self.handled(index, id, outcome);
        }
    }

    pub(super) fn handled(&mut self, index: u32, id: Option<u64>, outcome: Outcome<Result<Answer, Reject>>) {
        match (outcome, id) {
            (Outcome::Reply(Ok(Answer::Payload(payload, position))), Some(id)) => {
                self.tell(index, &Notice::Ack { id, payload: Some(&payload), position });
            }
            (Outcome::Reply(Ok(Answer::Payload(..))), None) => {}
            (Outcome::Reply(Ok(Answer::Words(words))), _) => words(&mut |notice| self.tell(index, notice)),
            (Outcome::Reply(Err(reject)), id) => self.tell_reject(index, id, &reject),
            (Outcome::Panicked, id) => {
                add(&self.node.counters.panics, 1);
                self.tell_reject(index, id, &Reject::internal());
                self.close_for(index, CloseCode::Internal);
            }
        }
    }

    pub(super) fn tell_reject(&mut self, index: u32, id: Option<u64>, reject: &Reject) {
        // Not its message, which may quote what the client sent.
        tracing::debug!(code = reject.code(), "command refused");
        self.tell(index, &error_notice(id, reject));
    }

    fn history(&mut self, index: u32, id: Option<u64>, room: RoomName, since: Option<Position>, limit: Option<u32>) {
        let Some(session) = self.connections[index as usize].session.clone() else { return };
        let asking = async move {
            check(&session, &room, Verb::History).await?;
            let limit = limit.map_or(usize::MAX, |limit| limit as usize);
            let there = Room::new(session.node().clone(), session.namespace().clone(), room.clone());
            let past = there.history(since, limit).await?;
            Ok(Answer::Words(Box::new(move |tell| {
                past.told(&room, |events| {
                    let (position, complete) = (Some(past.top), past.complete);
                    tell(&Notice::History { id, room: &room, events, position, complete });
                });
            })))
        };
        self.handle(index, id, guard("history", Box::pin(asking)));
    }

    fn presence(&mut self, index: u32, id: Option<u64>, room: RoomName) {
        /// Members that one answer lists; the rest is counted.
        const LISTED: usize = 1000;
        let Some(session) = self.connections[index as usize].session.clone() else { return };
        let asking = async move {
            check(&session, &room, Verb::Presence).await?;
            let there = Room::new(session.node().clone(), session.namespace().clone(), room.clone());
            let (members, total) = there.members(LISTED).await?;
            Ok(Answer::Words(Box::new(move |tell| {
                tell(&Notice::Presence { id, room: &room, members: &members, total });
            })))
        };
        self.handle(index, id, guard("presence", Box::pin(asking)));
    }
}

/// What a waiting command counts: what it holds beyond its own struct.
fn size_of_command(command: &Command) -> usize {
    match command {
        Command::Event(event) => event.payload.len(),
        Command::Raw(bytes) => bytes.len(),
        Command::Ack { payload, .. } | Command::Refresh { auth: payload, .. } => payload.len(),
        _ => 0,
    }
}

fn error_notice(id: Option<u64>, reject: &Reject) -> Notice<'_> {
    Notice::Error {
        id,
        code: reject.code(),
        message: reject.message(),
        data: reject.data(),
        retry_after: reject.retry_after().map(millis),
    }
}

type Reply = Result<Answer, Reject>;

/// Asks the application whether the session may do this.
pub(super) async fn check(session: &Session, room: &RoomName, verb: Verb) -> Result<(), Reject> {
    let node: &Arc<Node> = session.node();
    let Some(permit) = &node.permit else { return Ok(()) };
    let asked = guard("permission", permit(session.clone(), room.clone(), verb));
    match tokio::time::timeout(node.config.check_timeout, asked).await {
        Ok(Outcome::Reply(answer)) => answer,
        Ok(Outcome::Panicked) => Err(Reject::internal()),
        Err(_) => Err(Reject::new("unavailable", "try again")),
    }
}

/// Runs what the application has for an event, or what is built in.
async fn answer(session: Session, dispatched: Dispatched) -> Reply {
    let dispatched = match dispatched {
        Dispatched::Filtered(filtering) => filtering.await?,
        other => other,
    };
    match dispatched {
        Dispatched::Handled(handling) => Ok(Answer::Payload(handling.await?, None)),
        Dispatched::Unhandled(incoming) if incoming.name.as_str() == "message" => message(session, incoming).await,
        Dispatched::Unhandled(incoming) => {
            let (code, message) = unknown(&incoming);
            Err(Reject::new(code, message))
        }
        Dispatched::Filtered(_) => Err(Reject::internal()),
    }
}

fn unknown(incoming: &Incoming) -> (&'static str, String) {
    ("unknown_event", format!("nobody handles the event {:?}", incoming.name.as_str()))
}

/// The built-in `message`: to everyone else in the room, for members only.
async fn message(session: Session, incoming: Incoming) -> Reply {
    let Some(room) = incoming.room else {
        return Err(Reject::new("missing_field", "the field \"room\" is missing"));
    };
    if !session.is_in(&room) {
        return Err(Reject::not_joined());
    }
    check(&session, &room, Verb::Publish).await?;
    // What only the server may say.
    let payload = incoming.payload.without(&["clientId", "timestamp", "room", "call"]);
    let node = session.node();
    let mut publication = Publication::new(PublicationKind::Event { name: incoming.name, payload }, node.now_ms());
    publication.sender = Some(session.id());
    publication.except.push(session.id());
    // A key is the sender's own: nobody can use up the keys of another.
    publication.idempotency_key = incoming.key.map(|key| match session.user_id() {
        Some(user) => format!("user {user} {key}").into(),
        None => format!("session {} {key}", session.id()).into(),
    });
    let topic = Topic::room(session.namespace().clone(), room);
    let history = node.policy(&topic).history;
    let receipt = node.publish(&topic, publication, history).await?;
    Ok(Answer::Payload(Payload::empty(), receipt.position))
}
