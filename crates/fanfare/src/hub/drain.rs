//! Ending gently: no new connections, everyone told when to come back, paced, and bounded in time.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::Hub;
use crate::{CloseCode, node::ShardCommand};

/// How to drain.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::exhaustive_structs, reason = "three durations")]
pub struct Drain {
    /// The closes are spread over this time; 2 s.
    pub pace: Duration,
    /// Clients are told to come back after a random part of this time; 5 s. Longer is easier for whoever takes them over.
    pub spread: Duration,
    /// After this time the rest is cut; 10 s.
    pub limit: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { pace: Duration::from_secs(2), spread: Duration::from_secs(5), limit: Duration::from_secs(10) }
    }
}

/// How a drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Sessions that were told.
    pub told: usize,
    /// Connections that were still there when the time was over.
    pub cut: usize,
}

/// Between two batches of closes.
const STEP: Duration = Duration::from_millis(50);

impl Hub {
    /// Ends the hub gently: from now on connections are refused, each session is closed with the resumable code 1012 and told
    /// after how long to come back. Returns when all are gone, or after the limit; then the hub is closed.
    ///
    /// # Cancel safety
    /// When dropped, the hub stays as it is then: refusing connections, some sessions closed.
    pub async fn drain(&self, how: Drain) -> Drained {
        let end = Instant::now() + how.limit;
        self.node.draining.send_replace(true);
        let sessions: Vec<_> = self.node.sessions.iter().map(|there| there.value().clone()).collect();
        let steps = usize::try_from(how.pace.as_millis() / STEP.as_millis()).unwrap_or(usize::MAX).max(1);
        let batch = sessions.len().div_ceil(steps).max(1);
        let spread = u64::try_from(how.spread.as_millis()).unwrap_or(u64::MAX).max(1);
        for (number, session) in sessions.iter().enumerate() {
            if number > 0 && number % batch == 0 {
                sleep_until((Instant::now() + STEP).min(end)).await;
            }
            // The id is random, which is all that a spread needs.
            let random = u64::from_le_bytes(*session.id().as_bytes().first_chunk().expect("an id has 16 bytes"));
            let retry_after = Duration::from_millis(random % spread);
            session.close_with(CloseCode::Restart, CloseCode::Restart.reason(), Some(retry_after));
        }
        while self.node.connections() > 0 && Instant::now() < end {
            for shard in self.node.shards() {
                shard.push(ShardCommand::CloseOpening);
            }
            sleep(Duration::from_millis(20)).await;
        }
        let cut = self.node.connections();
        self.close().await;
        Drained { told: sessions.len(), cut }
    }
}
