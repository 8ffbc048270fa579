//! What the hub counts, under one name each.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters of one hub, written by its shards once a turn.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        /// What a hub did since it was built, and what it holds now.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
            /// Sessions that are open now.
            pub sessions: u64,
            /// Rooms with at least one member on this node, inboxes not counted.
            pub rooms: u64,
            /// Bytes that wait in outboxes now.
            pub outbox_bytes: u64,
            /// Lost sessions that may still be resumed.
            pub resumable: u64,
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Stats {
                Stats { $($name: self.$name.load(Ordering::Relaxed),)* ..Stats::default() }
            }
        }
    };
}

counters! {
    /// Connections that were accepted.
    accepted,
    /// Connections that were refused before they became sessions.
    refused,
    /// Sessions that ended.
    ended,
    /// Sessions that were resumed.
    resumed,
    /// Messages from clients.
    messages_in,
    /// Messages handed to outboxes, one for each receiver.
    deliveries,
    /// Publications that reached this node.
    publications,
    /// Messages that overflow policies dropped; each was told by a gap, but for volatile ones.
    dropped,
    /// Gaps told to sessions.
    gaps,
    /// Sessions closed because they read too slowly.
    slow_closed,
    /// Sessions closed because they were mute.
    ping_timeouts,
    /// Messages of clients that could not be understood.
    bad_messages,
    /// Handlers that panicked.
    panics,
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
