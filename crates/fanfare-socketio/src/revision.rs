//! Which revision of the two protocols a client speaks.

/// The revision of Engine.IO that a client asks for with the query parameter `EIO`; it decides the one of Socket.IO too.
///
/// | | Engine.IO | Socket.IO | clients |
/// |---|---|---|---|
/// | [`V3`](Self::V3) | 3 | 4 | Socket.IO 1 and 2 |
/// | [`V4`](Self::V4) | 4 | 5 | Socket.IO 3 and 4 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Revision {
    /// `EIO=3`. The client sends the pings, binary packets have a type, long polls count characters; every client is in the
    /// namespace `/` without asking, a namespace may carry a query, and a refusal is a plain string.
    V3,
    /// `EIO=4`. The server sends the pings, a client asks for each namespace and may send data with it.
    V4,
}

impl Revision {
    /// Reads the value of the query parameter `EIO`. `None` for every other revision.
    pub fn from_query(value: &str) -> Option<Self> {
        match value {
            "3" => Some(Self::V3),
            "4" => Some(Self::V4),
            _ => None,
        }
    }

    /// Whether the server puts a new client into the namespace `/` and tells it so, without being asked.
    pub const fn joins_root_unasked(self) -> bool {
        matches!(self, Self::V3)
    }
}
