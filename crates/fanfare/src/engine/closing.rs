//! The end of a session: the last words, out of its rooms, gone.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    connection::{Connection, Listed},
    opening::{LATE_RETRY, lost_of},
    shard::Shard,
};
use crate::{
    CloseCode, DisconnectReason, Notice,
    observe::add,
    session::state::{Phase, millis},
};

impl Shard {
    /// The peer said goodbye: answer it, and let the rest go out.
    pub(super) fn peer_closed(&mut self, index: u32, code: u16) {
        let Some(connection) = self.connections.get(index as usize) else { return };
        if connection.state.phase() == Phase::Closing {
            return;
        }
        // The answer repeats the code (RFC 6455, section 5.5.1).
        let code = CloseCode::from_code(code).unwrap_or(CloseCode::Normal);
        self.finish(index, &DisconnectReason::Client, code, "", None);
    }

    /// Ends a connection with a code's standard reason, at the end of the current step.
    pub(super) fn close_for(&mut self, index: u32, code: CloseCode) {
        if let Some(connection) = self.connections.get_mut(index as usize) {
            connection.ending = true;
            self.to_close.push((index, code));
        }
    }

    /// Ends a connection: nothing more is carried out for it, what waits still goes out, then the close frame.
    pub(super) fn close(&mut self, index: u32, code: CloseCode, reason: &str, retry_after: Option<Duration>) {
        self.finish(index, &DisconnectReason::Server(code), code, reason, retry_after);
    }

    fn finish(
        &mut self,
        index: u32,
        why: &DisconnectReason,
        code: CloseCode,
        reason: &str,
        retry_after: Option<Duration>,
    ) {
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        if connection.state.phase() == Phase::Closing {
            return;
        }
        self.seal_rooms_of(index);
        if code == CloseCode::Slow {
            // It does not read what is there; only the reason must still reach it.
            let connection = &mut self.connections[index as usize];
            if let Some(outbox) = &mut connection.outbox {
                let before = outbox.bytes();
                outbox.cut();
                let after = outbox.bytes();
                self.count_bytes(before, after);
            }
        }
        let format = usize::from(self.connections[index as usize].format);
        let mut frame = Vec::new();
        let has_close = self.formats[format].framing.close(code, reason, &mut frame);
        if !has_close || retry_after.is_some() {
            self.tell_unsealed(index, &Notice::Closing { code, reason, retry_after: retry_after.map(millis) });
        }
        if has_close {
            self.push_close(index, Bytes::from(frame));
        }
        self.end_session(index, why);
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        connection.state.handle_close(self.now, &self.timing);
        connection.paused = false;
        if connection.listed == Listed::No && !connection.blocked {
            connection.listed = Listed::Hot;
            self.hot.push_back(index);
        }
        // Reads on, so that the peer's close is seen.
        self.ready.push(index);
        self.arm(index);
    }

    /// The session is over: out of its rooms, and the application is told.
    fn end_session(&mut self, index: u32, why: &DisconnectReason) {
        let Some(session) = self.connections[index as usize].session.clone() else { return };
        if !session.end() {
            return;
        }
        tracing::debug!(session = %session.id(), reason = ?why, "session ended");
        let restoring = self.restoring(index);
        self.leave_all(index);
        // Lost again before they were restored: they are still this session's, also for the next resume.
        for room in &restoring {
            session.note_joined(room);
        }
        self.node.sessions.remove_if(&session.id(), |_, there| *there == session);
        let connection = &mut self.connections[index as usize];
        if let Some(desk) = connection.desk.take() {
            for (_, answer) in desk.calls {
                drop(answer.send(Err(crate::CallError::Closed)));
            }
        }
        if let Some(token) = connection.resume_token.take() {
            let lost = why.is_resumable().then(|| lost_of(&session));
            let config = &self.node.config;
            self.node.resumables.end(
                &token,
                lost,
                Instant::now() + config.resume_window,
                config.max_resumable_sessions,
            );
        }
        add(&self.node.counters.ended, 1);
        if let Some(dispatch) = self.seat.namespaces.get(session.namespace()) {
            if let Some(told) = dispatch.disconnected(&session, why.clone()) {
                self.detach(told);
            }
        }
    }

    /// Removes a connection at the end of the current step. It is not called any more.
    pub(super) fn doom(&mut self, index: u32, why: DisconnectReason) {
        if let Some(connection) = self.connections.get_mut(index as usize) {
            connection.transport = None;
            connection.ending = true;
            self.doomed.push((index, why));
        }
    }

    /// Ends the connections that are not open yet: a drain does not wait for their clients' first words.
    pub(super) fn close_opening(&mut self) {
        let opening = |(index, there): (usize, &Connection)| {
            (there.state.phase() == Phase::Opening).then(|| u32::try_from(index).ok()).flatten()
        };
        let indexes: Vec<u32> = self.connections.iter().filter_map(opening).collect();
        for index in indexes {
            self.close(index, CloseCode::Restart, CloseCode::Restart.reason(), Some(LATE_RETRY));
        }
    }

    /// Carries out what had to wait until nobody iterates over connections.
    pub(super) fn reap(&mut self) {
        loop {
            if let Some((index, why)) = self.doomed.pop() {
                self.remove(index, &why);
            } else if let Some((index, code)) = self.to_close.pop() {
                self.close(index, code, code.reason(), None);
            } else if let Some(index) = self.to_release.pop() {
                self.next_command(index);
            } else {
                return;
            }
        }
    }

    fn remove(&mut self, index: u32, why: &DisconnectReason) {
        // Doomed twice in one step: the slot may be another's only after the step.
        if self.connections.get(index as usize).is_none_or(|there| there.transport.is_some()) {
            return;
        }
        self.end_session(index, why);
        let connection = self.connections.remove(index as usize);
        self.waiting_bytes -= connection.outbox_bytes();
    }

    /// Drops everything, telling those who can still be told.
    pub(super) fn stop(&mut self) {
        let all: Vec<u32> = self.connections.iter().filter_map(|(index, _)| u32::try_from(index).ok()).collect();
        for index in all {
            self.close(index, CloseCode::Restart, CloseCode::Restart.reason(), None);
            self.flush_one(index);
            self.doom(index, DisconnectReason::Server(CloseCode::Restart));
        }
        self.reap();
        self.settle_budget();
        self.settle_counters();
        self.handle.close();
    }
}
