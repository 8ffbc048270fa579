//! The beginning of a session: accepted, admitted, open, and who it is from then on.

use std::{sync::Arc, task::Waker, time::Duration};

use smallvec::SmallVec;
use tokio::{sync::oneshot, time::Instant};

use super::{
    Seat,
    connection::{Connection, Listed, Opening},
    shard::Shard,
};
use crate::{
    CloseCode, Connected, Hello, Notice, Payload, Position, Refusal, Reject, Resume, ResumeToken, SessionId,
    broker::Topic,
    handler::guard,
    node::{
        Admitted, Answer, Arrival, ConnectionWaker, JoinRequest, Lost, Node, Outcome, Resumable, Revived, ShardCommand,
    },
    observe::add,
    session::{
        Handshake, Identity, Session,
        state::{Phase, SessionState, millis},
    },
};

/// When those come back whom a drain finds on their way in.
pub(super) const LATE_RETRY: Duration = Duration::from_secs(1);

impl Shard {
    /// Takes over a connection that an adapter hands on.
    pub(super) fn accept(&mut self, arrival: Arrival) {
        let Arrival { transport, protocol, handshake, identity, permit, begun } = arrival;
        let begun = self.now.saturating_sub(millis(begun.elapsed()));
        add(&self.node.counters.accepted, 1);
        let format = self.format_of(protocol.encoding(), transport.framing());
        let client_opens = protocol.client_opens();
        let generation = self.next_generation;
        self.next_generation = self.next_generation.wrapping_add(1);
        let entry = self.connections.vacant_entry();
        let index = u32::try_from(entry.key()).expect("a shard has less than four billion connections");
        let flag = ConnectionWaker::new(self.handle.clone(), index);
        let opens_now = identity.is_some() && !client_opens;
        entry.insert(Connection {
            generation,
            format,
            listed: Listed::No,
            blocked: false,
            paused: false,
            busy: false,
            ending: false,
            goodbye: None,
            told_outbox: false,
            deaf: false,
            stamp: 0,
            errors: 0,
            allowance: self.node.config.inbound_rate.map_or(0.0, |rate| rate.burst as f32),
            allowance_at: self.now,
            armed: u64::MAX,
            state: SessionState::new(begun, &self.timing),
            transport: Some(transport),
            protocol: Some(protocol),
            waker: Some(Waker::from(flag.clone())),
            flag,
            session: None,
            opening: Some(Box::new(Opening {
                handshake,
                identity,
                revived: None,
                not_resumed: None,
                asked_to_resume: false,
            })),
            outbox: None,
            memberships: SmallVec::new(),
            joining: SmallVec::new(),
            desk: None,
            resume_token: None,
            _permit: permit,
        });
        self.arm(index);
        if opens_now {
            self.open(index);
        }
        // Bytes may have come with the handshake, and the first read is what arms the waker.
        self.ready.push(index);
    }

    /// The client's opening word: check its credentials, and look for the session that it goes on with.
    pub(super) fn hello(&mut self, index: u32, hello: Hello) {
        let slot = self.slot(index);
        let connection = &mut self.connections[index as usize];
        let Some(opening) = &mut connection.opening else {
            return self.close_for(index, CloseCode::OutOfPlace);
        };
        if connection.session.is_some() {
            return self.close_for(index, CloseCode::OutOfPlace);
        }
        opening.asked_to_resume = hello.resume.is_some();
        let identity = if hello.auth.is_some() { None } else { opening.identity.take() };
        let handshake = match hello.auth {
            Some(auth) => Arc::new(Handshake::clone(&opening.handshake).with_auth(Some(auth))),
            None => opening.handshake.clone(),
        };
        connection.busy = true;
        let admitting = admit(self.node.clone(), self.seat.clone(), handshake, identity, hello.resume);
        let done = self.start(admitting, move |admitted| ShardCommand::Admitted { slot, admitted: Box::new(admitted) });
        if let Some(admitted) = done {
            self.admitted(index, admitted);
        }
    }

    pub(super) fn admitted(&mut self, index: u32, admitted: Result<Admitted, Refusal>) {
        let connection = &mut self.connections[index as usize];
        if connection.state.phase() != Phase::Opening {
            return;
        }
        match admitted {
            Ok(Admitted { identity, handshake, resume }) => {
                if let Some(opening) = &mut connection.opening {
                    opening.identity = Some(identity);
                    opening.handshake = handshake;
                    match resume {
                        Some(Ok(revived)) => opening.revived = Some(revived),
                        Some(Err(reason)) => opening.not_resumed = Some(reason),
                        None => {}
                    }
                }
                self.open(index);
            }
            Err(refusal) => {
                tracing::debug!(%refusal, "connection refused");
                add(&self.node.counters.refused, 1);
                self.tell_reject(index, None, &refusal.as_reject());
                self.close_for(index, refusal.close_code());
            }
        }
    }

    /// The credentials are good: make the session and ask the handlers that may still refuse it.
    fn open(&mut self, index: u32) {
        let slot = self.slot(index);
        let connection = &mut self.connections[index as usize];
        let Some(opening) = &mut connection.opening else { return };
        let Some(identity) = opening.identity.take() else { return };
        let id = opening.revived.as_ref().and_then(Revived::id).unwrap_or_else(SessionId::random);
        let transport_addr = connection.transport.as_ref().and_then(|transport| transport.peer_addr());
        let resumable = self.formats[usize::from(connection.format)].encoding.resumable();
        let session =
            Session::new(id, self.node.clone(), slot, identity, opening.handshake.clone(), transport_addr, resumable);
        connection.session = Some(session.clone());
        connection.busy = true;
        let Some(dispatch) = self.seat.namespaces.get(session.namespace()).cloned() else {
            return self.close_for(index, CloseCode::Unauthorized);
        };
        let outcome = match dispatch.connecting(&session) {
            None => Some(Outcome::Reply(Ok(()))),
            Some(asked) => {
                self.start(guard("before_connect", asked), move |outcome| ShardCommand::Connecting { slot, outcome })
            }
        };
        if let Some(outcome) = outcome {
            self.connecting_done(index, outcome);
        }
    }

    pub(super) fn connecting_done(&mut self, index: u32, outcome: Outcome<Result<(), Reject>>) {
        if self.connections[index as usize].state.phase() != Phase::Opening {
            return;
        }
        match outcome {
            Outcome::Reply(Ok(())) => self.opened(index),
            Outcome::Reply(Err(reject)) => {
                add(&self.node.counters.refused, 1);
                self.tell_reject(index, None, &reject);
                self.close_for(index, CloseCode::Unauthorized);
            }
            Outcome::Panicked => {
                add(&self.node.counters.panics, 1);
                self.close_for(index, CloseCode::Internal);
            }
        }
    }

    fn opened(&mut self, index: u32) {
        let slot = self.slot(index);
        let connection = &mut self.connections[index as usize];
        let (Some(session), Some(opening)) = (connection.session.clone(), connection.opening.take()) else { return };
        session.begin();
        tracing::debug!(session = %session.id(), user = session.user_id().as_deref(), "session opened");
        self.node.sessions.insert(session.id(), session.clone());
        let jitter = u64::from(slot.index.wrapping_mul(0x9E37_79B9) >> 16) % (self.timing.ping_interval / 4).max(1);
        let pings = connection.transport.as_ref().is_none_or(|transport| transport.heartbeat());
        connection.state.handle_open(
            self.now,
            &self.timing,
            pings,
            if self.node.config.jitter_pings { jitter } else { 0 },
        );
        self.identity_changed(index);
        let token = session.is_resumable().then(ResumeToken::random);
        if let Some(token) = &token {
            self.node.resumables.insert_live(token.clone(), session.clone());
            self.connections[index as usize].resume_token = Some(Box::new(token.clone()));
        }
        let connected = Connected {
            client_id: session.id(),
            timestamp: self.node.now_ms(),
            resume: token.as_ref(),
            resumed: opening.asked_to_resume.then_some(opening.revived.is_some()),
            reason: opening.not_resumed,
            ping_interval: self.timing.ping_interval,
            ping_timeout: self.timing.ping_timeout,
            max_message: self.node.config.max_message_bytes as u64,
        };
        self.tell(index, &Notice::Connected(connected));
        if self.node.is_draining() {
            // It was on its way in when the drain began.
            return self.close(index, CloseCode::Restart, CloseCode::Restart.reason(), Some(LATE_RETRY));
        }
        session.forget_handshake(self.node.config.keep_handshakes);
        self.join(index, &session, &Topic::everyone(session.namespace().clone()), JoinRequest::default());
        self.restore(index, &session, opening.revived);
        let Some(dispatch) = self.seat.namespaces.get(session.namespace()).cloned() else { return };
        let outcome = match dispatch.connected(&session) {
            None => Some(Outcome::Reply(Ok(()))),
            Some(running) => {
                self.start(guard("on_connect", running), move |outcome| ShardCommand::Connected { slot, outcome })
            }
        };
        if let Some(outcome) = outcome {
            self.connected_done(index, outcome);
        }
    }

    /// The connect handlers are done: now the client's commands.
    pub(super) fn connected_done(&mut self, index: u32, outcome: Outcome<Result<(), Reject>>) {
        match outcome {
            Outcome::Reply(Ok(())) => self.to_release.push(index),
            Outcome::Reply(Err(reject)) => {
                self.tell_reject(index, None, &reject);
                self.close_for(index, CloseCode::Unauthorized);
            }
            Outcome::Panicked => {
                add(&self.node.counters.panics, 1);
                self.close_for(index, CloseCode::Internal);
            }
        }
    }

    /// Puts a session back into its inbox and, if it goes on with an earlier one, into its rooms.
    fn restore(&mut self, index: u32, session: &Session, revived: Option<Revived>) {
        if !session.is_resumable() {
            return;
        }
        let inbox = Topic::inbox(session.namespace().clone(), session.id());
        let Some((Lost { rooms, inbox_epoch, .. }, cursors)) = revived.and_then(Revived::open) else {
            // All of a new inbox: what the connect handlers send may be in the log before the broker is subscribed.
            self.join(index, session, &inbox, JoinRequest { history: Some(u32::MAX), ..JoinRequest::default() });
            return;
        };
        add(&self.node.counters.resumed, 1);
        if let Some(epoch) = inbox_epoch {
            session.note_inbox(epoch);
        }
        // Somebody who never got anything has no place to name: everything since the inbox began was missed.
        let since = cursors.inbox.or(inbox_epoch.map(|epoch| Position::new(epoch, 0)));
        self.join(index, session, &inbox, JoinRequest { since, ..JoinRequest::default() });
        for room in rooms {
            let since = cursors.rooms.iter().find(|(name, _)| *name == room).map(|(_, position)| *position);
            let request = JoinRequest { by_client: true, restores: true, since, ..JoinRequest::default() };
            self.join_room(index, room, request);
        }
    }

    pub(super) fn identity_changed(&mut self, index: u32) {
        let Some(session) = self.connections[index as usize].session.clone() else { return };
        let valid_for = session.identity().valid_for().map(millis);
        self.connections[index as usize].state.handle_identity(self.now, valid_for);
        self.arm(index);
    }

    /// New credentials for a live session.
    pub(super) fn refresh(&mut self, index: u32, id: Option<u64>, auth: Payload) {
        let Some(session) = self.connections[index as usize].session.clone() else { return };
        let Some(check) = self.seat.authenticate.clone() else {
            return self.tell_reject(index, id, &Reject::bad_request("this server checks no credentials"));
        };
        let handshake = session.handshake().as_deref().cloned().unwrap_or_else(|| {
            Handshake::new("refresh").with_namespace(session.namespace().clone()).with_peer_addr(session.peer_addr())
        });
        let handshake = Arc::new(handshake.with_auth(Some(auth)));
        let timeout = self.node.config.check_timeout;
        let slot = self.slot(index);
        self.connections[index as usize].busy = true;
        let refreshing = async move {
            let identity = authenticate(&check, handshake, timeout).await;
            Outcome::Reply(match identity {
                Ok(identity) if identity.user_id() == session.identity().user_id() => {
                    session.set_identity(identity);
                    Ok(Answer::Payload(Payload::empty(), None))
                }
                Ok(_) => Err(Reject::forbidden("these credentials are another user's")),
                Err(refusal) => Err(Reject::new("unauthorized", refusal.message().to_owned())),
            })
        };
        let done = self.start(refreshing, move |outcome| ShardCommand::Handled { slot, id, outcome });
        if let Some(outcome) = done {
            self.handled(index, id, outcome);
            self.to_release.push(index);
        }
    }
}

/// Asks the application who this is, for a bounded time.
pub(crate) async fn authenticate(
    check: &super::Authenticate,
    handshake: Arc<Handshake>,
    timeout: Duration,
) -> Result<Identity, Refusal> {
    match tokio::time::timeout(timeout, guard("authenticate", check(handshake))).await {
        Ok(Outcome::Reply(answer)) => answer,
        Ok(Outcome::Panicked) | Err(_) => Err(Refusal::Internal),
    }
}

async fn admit(
    node: Arc<Node>,
    seat: Arc<Seat>,
    handshake: Arc<Handshake>,
    identity: Option<Identity>,
    resume: Option<Resume>,
) -> Result<Admitted, Refusal> {
    let identity = match (identity, &seat.authenticate) {
        (Some(identity), _) => identity,
        (None, Some(check)) => authenticate(check, handshake.clone(), node.config.check_timeout).await?,
        (None, None) => Identity::guest(),
    };
    // After the credentials, so that a wrong password does not burn the token.
    let resume = match resume {
        Some(resume) => Some(revive(&node, &identity, &handshake, resume).await),
        None => None,
    };
    Ok(Admitted { identity, handshake, resume })
}

/// Finds the session of a token. Of several that ask with one token, one gets it.
async fn revive(
    node: &Arc<Node>,
    identity: &Identity,
    handshake: &Handshake,
    cursors: Resume,
) -> Result<Revived, &'static str> {
    let lost = match node.resumables.take(&cursors.token, identity.user_id(), handshake.namespace(), Instant::now()) {
        None => return Err("unknown_token"),
        Some(Resumable::Lost(lost, _)) => lost,
        Some(Resumable::Live(old)) => {
            // Its connection is dead and nobody noticed yet, or it is a thief's: either way there is only one session.
            let (done, gone) = oneshot::channel();
            node.shard(old.slot().shard).push(ShardCommand::Supersede { slot: old.slot(), done });
            // An error means that its shard is gone, and the session with it.
            let _ = gone.await;
            lost_of(&old)
        }
    };
    Ok(Revived::new(node.clone(), lost, cursors))
}

pub(super) fn lost_of(session: &Session) -> Lost {
    Lost {
        id: session.id(),
        namespace: session.namespace().clone(),
        user: session.user_id(),
        rooms: session.rooms(),
        inbox_epoch: session.inbox_epoch(),
    }
}
