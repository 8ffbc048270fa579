//! A packet: what one side tells the other in a namespace.

use std::borrow::Cow;

use bytes::Bytes;
use fanfare_wire::{NameError, Namespace};

use super::{
    binary,
    json::{self, Token, Tokens},
};

/// Largest id of an acknowledgement, 2^53 - 1: beyond it JavaScript would answer with another number.
pub const MAX_ACK_ID: u64 = (1 << 53) - 1;

/// What a packet is for. Types 5 and 6 of the wire are events and acknowledgements that have attachments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A client asks for a namespace, or is told that it is in it.
    Connect,
    /// One side leaves the namespace.
    Disconnect,
    /// A name and arguments.
    Event,
    /// The answer to an event that had an id.
    Ack,
    /// A client may not enter the namespace. Revision 3 calls it `ERROR`.
    ConnectError,
}

/// A packet that keeps the rules of its kind. Cloning it copies no data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    pub(super) kind: Kind,
    pub(super) namespace: Namespace,
    pub(super) query: Option<Box<str>>,
    pub(super) id: Option<u64>,
    /// Checked JSON.
    pub(super) data: Option<Bytes>,
    /// As many as placeholders in `data`; the decoder's own packet has fewer while it waits for them.
    pub(super) attachments: Vec<Bytes>,
}

/// Which rule a packet broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A namespace that is empty, too long, or has control characters.
    #[error("bad namespace")]
    NamespaceName(#[from] NameError),
    /// A namespace that does not begin with `/` or has a comma; or a query that cannot stand behind one.
    #[error("a namespace must begin with a slash and have no comma")]
    Namespace,
    /// An id beyond [`MAX_ACK_ID`], one where there must be none, or none on an acknowledgement.
    #[error("bad acknowledgement id")]
    Id,
    /// The data is not one complete JSON value.
    #[error("malformed data at byte {at}")]
    Json {
        /// Where reading stopped, in bytes from the start of the data.
        at: usize,
    },
    /// Nested deeper than 64.
    #[error("data nested too deeply")]
    TooDeep,
    /// JSON of another form than the kind has: an event is an array that begins with its name, an acknowledgement an array,
    /// a CONNECT an object or nothing, a CONNECT_ERROR an object or a string, and a DISCONNECT has no data.
    #[error("data does not fit the packet type")]
    Shape,
    /// The event has a name that means something else, such as `connect`.
    #[error("reserved event name")]
    ReservedName,
    /// The placeholders do not name each attachment exactly once.
    #[error("attachments and placeholders do not match")]
    Placeholders,
}

/// Names that Socket.IO's own libraries raise locally; from a peer they would be lies.
const RESERVED_NAMES: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

impl Packet {
    /// Somebody leaves `namespace`.
    ///
    /// # Errors
    /// [`BuildError::Namespace`].
    pub fn disconnect(namespace: Namespace) -> Result<Self, BuildError> {
        Self::build(Kind::Disconnect, namespace, None, None, Vec::new())
    }

    /// An event: a JSON array of its name and its arguments, and the bytes that placeholders in it stand for. With an `id` it
    /// wants to be acknowledged.
    ///
    /// # Errors
    /// [`BuildError`] by the rule that was broken.
    pub fn event(
        namespace: Namespace,
        id: Option<u64>,
        data: impl Into<Bytes>,
        attachments: Vec<Bytes>,
    ) -> Result<Self, BuildError> {
        Self::build(Kind::Event, namespace, id, Some(data.into()), attachments)
    }

    /// The acknowledgement of event `id`: a JSON array of arguments, and the bytes that placeholders in it stand for.
    ///
    /// # Errors
    /// [`BuildError`] by the rule that was broken.
    pub fn ack(
        namespace: Namespace,
        id: u64,
        data: impl Into<Bytes>,
        attachments: Vec<Bytes>,
    ) -> Result<Self, BuildError> {
        Self::build(Kind::Ack, namespace, Some(id), Some(data.into()), attachments)
    }

    /// Checks everything and puts it together.
    pub(super) fn build(
        kind: Kind,
        namespace: Namespace,
        id: Option<u64>,
        data: Option<Bytes>,
        attachments: Vec<Bytes>,
    ) -> Result<Self, BuildError> {
        let mut packet = Self::without_attachments(kind, namespace, id, data, attachments.len())?;
        packet.attachments = attachments;
        Ok(packet)
    }

    /// Checks everything but the attachments themselves, which are still to come.
    pub(super) fn without_attachments(
        kind: Kind,
        namespace: Namespace,
        id: Option<u64>,
        data: Option<Bytes>,
        attachments: usize,
    ) -> Result<Self, BuildError> {
        if !namespace.as_str().starts_with('/') || namespace.as_str().contains(',') {
            return Err(BuildError::Namespace);
        }
        let id_fits = match kind {
            Kind::Connect | Kind::Disconnect | Kind::ConnectError => id.is_none(),
            Kind::Event => id.is_none_or(|id| id <= MAX_ACK_ID),
            Kind::Ack => id.is_some_and(|id| id <= MAX_ACK_ID),
        };
        if !id_fits {
            return Err(BuildError::Id);
        }
        let data = data.map(json::check).transpose()?;
        check_shape(kind, data.as_ref().map(json::text))?;
        if attachments > 0 {
            match (kind, &data) {
                (Kind::Event | Kind::Ack, Some(data)) => binary::check(json::text(data), attachments)?,
                _ => return Err(BuildError::Placeholders),
            }
        }
        Ok(Self { kind, namespace, query: None, id, data, attachments: Vec::new() })
    }

    /// What the packet is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The namespace; it begins with `/`.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The query behind the namespace of a CONNECT, as it was written, without its question mark. Only clients of revision 3
    /// have it.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The id: of the event that wants an acknowledgement, or of the one that gets it.
    pub fn id(&self) -> Option<u64> {
        self.id
    }

    /// The JSON text, as the peer wrote it, with placeholders for the attachments.
    pub fn data(&self) -> Option<&Bytes> {
        self.data.as_ref()
    }

    /// The bytes that placeholders in the data stand for, by their number.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// The name of an event, the first value of its data. A number, which the protocol allows, is its digits.
    pub fn event_name(&self) -> Option<Cow<'_, str>> {
        match (self.kind, &self.data) {
            (Kind::Event, Some(data)) => name(json::text(data)),
            _ => None,
        }
    }
}

fn check_shape(kind: Kind, data: Option<&str>) -> Result<(), BuildError> {
    let first = data.and_then(|data| data.bytes().next());
    let fits = match kind {
        Kind::Connect => matches!(first, None | Some(b'{')),
        Kind::Disconnect => first.is_none(),
        Kind::ConnectError => matches!(first, Some(b'{' | b'"')),
        Kind::Ack => first == Some(b'['),
        Kind::Event => match data.and_then(name) {
            Some(name) if RESERVED_NAMES.contains(&&*name) => return Err(BuildError::ReservedName),
            name => name.is_some(),
        },
    };
    if fits { Ok(()) } else { Err(BuildError::Shape) }
}

fn name(event: &str) -> Option<Cow<'_, str>> {
    let mut tokens = Tokens::new(event);
    match (tokens.next()?, tokens.next()?) {
        (Token::BeginArray, Token::Text(name)) => Some(json::unescape(name)),
        (Token::BeginArray, Token::Number(name)) => Some(Cow::Borrowed(name)),
        _ => None,
    }
}
