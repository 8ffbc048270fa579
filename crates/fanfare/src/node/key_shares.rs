//! How many idempotency keys one sender may use, so that none takes the room of all.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::permit::network;
use crate::session::Session;

/// The part of all keys that one sender may use within a window: 10,000 in 5 minutes with the defaults.
const SHARE: usize = 10;

/// Who is one sender: the user; for guests their network address, because a new connection is a new session.
#[derive(PartialEq, Eq, Hash)]
enum Sender {
    User(Arc<str>),
    Network(IpAddr),
    /// Nobody knows: all of them together.
    Unknown,
}

/// Keys used in the current window, by sender. Bounded by the senders of one window; swept each second.
#[derive(Default)]
pub(crate) struct KeyShares {
    used: Mutex<HashMap<Sender, (Instant, usize)>>,
}

impl KeyShares {
    /// Counts a key of `session`. `false` when it has used its share.
    pub(crate) fn take(&self, session: &Session, max_keys: usize, window: Duration) -> bool {
        let sender = match (session.user_id(), session.peer_addr()) {
            (Some(user), _) => Sender::User(user),
            (None, Some(address)) => Sender::Network(network(address.ip())),
            (None, None) => Sender::Unknown,
        };
        let now = Instant::now();
        let mut used = self.used.lock();
        let (begun, count) = used.entry(sender).or_insert((now, 0));
        if now.duration_since(*begun) >= window {
            (*begun, *count) = (now, 0);
        }
        if *count >= (max_keys / SHARE).max(1) {
            return false;
        }
        *count += 1;
        true
    }

    /// Forgets windows that are over.
    pub(crate) fn sweep(&self, window: Duration) {
        let now = Instant::now();
        self.used.lock().retain(|_, (begun, _)| now.duration_since(*begun) < window);
    }
}
