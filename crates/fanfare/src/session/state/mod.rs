//! The life of a session against the clock: handshake, heartbeat, expiry, close. Pure: it is told the time.

use std::time::Duration;

/// Milliseconds since the shard began: all that deadlines need, in half the size of an `Instant`.
pub(crate) type Millis = u64;

pub(crate) fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4)
}

/// Where a session stands. Only ever moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Connected; the client's `hello` or our check of it is awaited.
    Opening,
    /// `connected` was told.
    Open,
    /// The close frame is queued; only the rest of the outbox still goes out.
    Closing,
}

/// What is due now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// The handshake took too long.
    HandshakeTimeout,
    /// Nothing was heard for the interval: ask.
    Ping,
    /// Nothing was heard after asking.
    PingTimeout,
    /// The identity ends soon: tell.
    RefreshNotice,
    /// The identity ended.
    Expired,
    /// The close took too long: drop.
    CloseTimeout,
}

/// The knobs of the heartbeat and the other deadlines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) handshake: Millis,
    pub(crate) ping_interval: Millis,
    pub(crate) ping_timeout: Millis,
    pub(crate) close: Millis,
    pub(crate) refresh_notice: Millis,
}

/// The clockwork of one session.
#[derive(Debug, Clone)]
pub(crate) struct SessionState {
    phase: Phase,
    /// Ping: whether one is under way, since `heartbeat - ping_timeout`.
    awaiting_pong: bool,
    /// Whether the transport or the protocol has a ping at all.
    pings: bool,
    notice_told: bool,
    /// Opening: end of the handshake. Open: next ping or its timeout. Closing: end of the close.
    heartbeat: Millis,
    last_heard: Millis,
    /// When the identity ends.
    expires: Option<Millis>,
}

impl SessionState {
    pub(crate) fn new(now: Millis, timing: &Timing) -> Self {
        Self {
            phase: Phase::Opening,
            awaiting_pong: false,
            pings: true,
            notice_told: false,
            heartbeat: now + timing.handshake,
            last_heard: now,
            expires: None,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// The session is open. The first ping comes one interval from now, less `jitter`, which spreads the pings of clients
    /// that connected together.
    pub(crate) fn handle_open(&mut self, now: Millis, timing: &Timing, pings: bool, jitter: Millis) {
        if self.phase == Phase::Opening {
            self.phase = Phase::Open;
            self.pings = pings;
            self.last_heard = now;
            self.heartbeat = if pings { now + timing.ping_interval.saturating_sub(jitter) } else { Millis::MAX };
        }
    }

    /// Something came from the peer.
    pub(crate) fn handle_heard(&mut self, now: Millis) {
        self.last_heard = now;
    }

    /// The identity ends in so many milliseconds; `None`: never.
    pub(crate) fn handle_identity(&mut self, now: Millis, valid_for: Option<Millis>) {
        self.expires = valid_for.map(|valid_for| now + valid_for);
        self.notice_told = false;
    }

    /// The close frame is queued.
    pub(crate) fn handle_close(&mut self, now: Millis, timing: &Timing) {
        if self.phase != Phase::Closing {
            self.phase = Phase::Closing;
            self.heartbeat = now + timing.close;
            self.expires = None;
        }
    }

    /// When to call [`poll_due`](Self::poll_due) next.
    pub(crate) fn deadline(&self, timing: &Timing) -> Millis {
        let expiry = self.expires.map_or(Millis::MAX, |expires| {
            if self.notice_told { expires } else { expires.saturating_sub(timing.refresh_notice) }
        });
        self.heartbeat.min(expiry)
    }

    /// What is due at `now`, one thing a call; `None` when nothing is (any more).
    pub(crate) fn poll_due(&mut self, now: Millis, timing: &Timing) -> Option<Due> {
        if let Some(expires) = self.expires {
            if now >= expires {
                self.expires = None;
                return Some(Due::Expired);
            }
            if !self.notice_told && now >= expires.saturating_sub(timing.refresh_notice) {
                self.notice_told = true;
                return Some(Due::RefreshNotice);
            }
        }
        if now < self.heartbeat {
            return None;
        }
        match self.phase {
            Phase::Opening => {
                self.heartbeat = Millis::MAX;
                Some(Due::HandshakeTimeout)
            }
            Phase::Closing => {
                self.heartbeat = Millis::MAX;
                Some(Due::CloseTimeout)
            }
            Phase::Open if self.awaiting_pong && self.heard_since_ping(timing) => {
                self.awaiting_pong = false;
                self.heartbeat = (self.last_heard + timing.ping_interval).max(now + 1);
                None
            }
            Phase::Open if self.awaiting_pong => {
                self.heartbeat = Millis::MAX;
                Some(Due::PingTimeout)
            }
            Phase::Open => {
                self.awaiting_pong = true;
                self.heartbeat = now + timing.ping_timeout;
                Some(Due::Ping)
            }
        }
    }

    /// What is left of the identity.
    pub(crate) fn expires_in(&self, now: Millis) -> Option<Millis> {
        self.expires.map(|expires| expires.saturating_sub(now))
    }

    fn heard_since_ping(&self, timing: &Timing) -> bool {
        self.last_heard >= self.heartbeat - timing.ping_timeout
    }
}

#[cfg(test)]
mod tests;
