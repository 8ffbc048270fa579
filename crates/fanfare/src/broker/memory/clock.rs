//! Time as whole milliseconds since the bus began: cheap to compare, to keep and to add to, and virtual where tokio's is.

use std::time::Duration;

use tokio::time::Instant;

/// Milliseconds since the bus began.
pub(super) type Millis = u64;

pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(&self) -> Millis {
        millis(Instant::now().saturating_duration_since(self.0))
    }
}

/// The duration in milliseconds; one that is too long for the type lasts for ever.
pub(super) fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
