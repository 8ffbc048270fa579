//! The loop of a shard: one turn after the other, asleep between them.

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{Surroundings, shard::Shard};
use crate::{
    CloseCode, DisconnectReason, Notice,
    node::{Node, ShardCommand, ShardHandle},
    observe::add,
    session::state::{Due, Millis, Phase},
};

/// Runs a shard until it is stopped.
///
/// It does not take part in tokio's cooperative budget: with 128 operations a poll a shard of thousands of sockets would be
/// told that they are not ready. It has bounds of its own and lets the driver in after each turn.
pub(crate) async fn run(around: Surroundings, handle: Arc<ShardHandle>) {
    let _last = LastRites { node: around.node.clone(), handle: handle.clone() };
    tokio::task::unconstrained(turns(Shard::new(around, handle))).await;
}

/// After so long the rest of the connections that woke is read in the next turn, so that what is ready to go out goes out.
const LONGEST_READING: Duration = Duration::from_millis(2);

/// Closes the way to a shard however it ended. By a panic, which is a bug of ours or of a port's implementation, its sessions
/// are lost; nobody must go on waiting for it.
struct LastRites {
    node: Arc<Node>,
    handle: Arc<ShardHandle>,
}

impl Drop for LastRites {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        tracing::error!(shard = self.handle.index, "a shard panicked: its sessions are lost");
        self.handle.close();
        let index = self.handle.index;
        self.node.sessions.retain(|_, session| {
            let lost = session.slot().shard == index;
            if lost {
                session.end();
            }
            !lost
        });
    }
}

async fn turns(mut shard: Shard) {
    let mut commands = Vec::new();
    let mut woken = Vec::new();
    let timer = sleep_until(Instant::now());
    tokio::pin!(timer);
    loop {
        let more = shard.turn(&mut commands, &mut woken);
        if shard.stopped {
            shard.stop();
            return;
        }
        if more {
            // Not `wake_by_ref`: that would poll us again up to 61 times before the driver looks at the sockets.
            tokio::task::yield_now().await;
            continue;
        }
        let deadline = shard.timers.next_deadline();
        if let Some(deadline) = deadline {
            timer.as_mut().reset(shard.epoch + std::time::Duration::from_millis(deadline));
        }
        let mut work = false;
        poll_fn(|cx| {
            work = shard.handle.park(cx.waker());
            if work || (deadline.is_some() && timer.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(());
            }
            // Woken by a push, which has unparked us already, or for nothing.
            Poll::Pending
        })
        .await;
        shard.handle.unpark();
        if work {
            // Who publishes without pause must not keep the driver from the sockets.
            tokio::task::yield_now().await;
        }
    }
}

impl Shard {
    /// One turn. Returns whether there is more to do already.
    fn turn(&mut self, commands: &mut Vec<ShardCommand>, woken: &mut Vec<u32>) -> bool {
        self.now = Millis::try_from(self.epoch.elapsed().as_millis()).unwrap_or(Millis::MAX);
        self.run_commands(commands);
        self.handle.take_ready(woken);
        // Who waited through the last turn comes first, or busy connections would keep others from being read at all.
        let begun = Instant::now();
        let mut waiting = std::mem::take(&mut self.ready).into_iter().chain(woken.drain(..));
        while let Some(index) = waiting.next() {
            self.attend(index);
            if begun.elapsed() > LONGEST_READING {
                let again = std::mem::take(&mut self.ready);
                self.ready = waiting.chain(again).collect();
                break;
            }
        }
        // What the handlers published stands in the queue by now: it goes out with this turn.
        self.run_commands(commands);
        self.run_timers();
        self.seal_all();
        let more = self.flush();
        self.reap();
        self.settle_budget();
        self.settle_counters();
        more || !self.ready.is_empty()
    }

    fn run_commands(&mut self, commands: &mut Vec<ShardCommand>) {
        self.handle.take_commands(commands);
        for command in commands.drain(..) {
            self.command(command);
        }
    }

    /// A connection's transport woke: read it, and send what was waiting.
    fn attend(&mut self, index: u32) {
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        connection.flag.unlist();
        if connection.blocked {
            self.flush_one(index);
        }
        self.receive(index);
        if let Some(connection) = self.connections.get(index as usize) {
            if connection.state.phase() == Phase::Closing && !connection.blocked {
                self.flush_one(index);
            }
        }
        self.reap();
    }

    fn run_timers(&mut self) {
        while let Some((index, generation)) = self.timers.pop_due(self.now) {
            let Some(connection) = self.connections.get_mut(index as usize) else { continue };
            if connection.generation != generation {
                continue;
            }
            if connection.armed <= self.now {
                connection.armed = Millis::MAX;
            }
            if connection.paused {
                // Whom we do not read we cannot hear.
                connection.state.handle_heard(self.now);
                self.resume_reading(index);
            }
            while let Some(due) =
                self.connections.get_mut(index as usize).and_then(|there| there.state.poll_due(self.now, &self.timing))
            {
                self.due(index, due);
            }
            self.reap();
            self.arm(index);
        }
    }

    /// Sees to it that the wheel wakes this connection at its next deadline.
    pub(super) fn arm(&mut self, index: u32) {
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        let deadline = connection.state.deadline(&self.timing);
        if deadline < connection.armed {
            connection.armed = deadline;
            self.timers.insert(deadline, (index, connection.generation));
        }
    }

    /// Has the connection looked at again at a moment that its state knows nothing of.
    pub(super) fn wake_at(&mut self, index: u32, at: Millis) {
        if let Some(connection) = self.connections.get(index as usize) {
            self.timers.insert(at, (index, connection.generation));
        }
    }

    fn due(&mut self, index: u32, due: Due) {
        match due {
            Due::HandshakeTimeout => self.close_for(index, CloseCode::HandshakeTimeout),
            Due::Ping => self.ping(index),
            Due::PingTimeout => {
                add(&self.node.counters.ping_timeouts, 1);
                // A mute peer gets no time to answer a close.
                self.close(index, CloseCode::PingTimeout, CloseCode::PingTimeout.reason(), None);
                self.flush_one(index);
                self.doom(index, DisconnectReason::Server(CloseCode::PingTimeout));
            }
            Due::RefreshNotice => {
                let expires_in = self.connections[index as usize].state.expires_in(self.now).unwrap_or(0);
                self.tell(index, &Notice::Refresh { expires_in });
            }
            Due::Expired => self.close_for(index, CloseCode::Expired),
            Due::CloseTimeout => self.doom(index, DisconnectReason::Lost),
        }
    }
}
