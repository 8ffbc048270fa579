//! Errors: one small enum for each operation, sorted by whose fault it is.

use std::{borrow::Cow, time::Duration};

use crate::{CloseCode, ConfigError, NameError, Payload};

/// What a handler, a permission check or the hub answers instead of an acknowledgement: an `error` notice for the client.
///
/// Whatever stands in it goes over the wire. The hub's own errors convert into it, each with words that a peer may read; errors
/// of the application do so only by its own `From`, so that no internal text reaches a peer by accident.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Reject {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    data: Option<Payload>,
    retry_after: Option<Duration>,
}

impl Reject {
    /// A refusal with a short word for programs and a sentence for people.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), message: message.into(), data: None, retry_after: None }
    }

    /// The request makes no sense.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("bad_request", message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("not_found", message)
    }

    /// The session may not do that.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("forbidden", message)
    }

    /// The server failed; the peer learns nothing more.
    pub fn internal() -> Self {
        Self::new("internal", "the server failed")
    }

    /// The session is in no such room.
    pub fn not_joined() -> Self {
        Self::new("not_joined", "the session is not in this room")
    }

    /// Adds data for programs.
    #[must_use]
    pub fn with_data(mut self, data: Payload) -> Self {
        self.data = Some(data);
        self
    }

    /// Adds a time after which to try again.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The word for programs.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The data for programs.
    pub fn data(&self) -> Option<&Payload> {
        self.data.as_ref()
    }

    /// When to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// Why a connection is refused before it becomes a session. Nothing of it is kept.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Credentials are missing or wrong. HTTP 401, close code 4500.
    #[error("unauthorized: {0}")]
    Unauthorized(Cow<'static, str>),
    /// No credentials came with the handshake, but the client may send them in its `hello`.
    #[error("credentials required")]
    CredentialsRequired,
    /// These credentials may not connect. HTTP 403, close code 4500.
    #[error("forbidden: {0}")]
    Forbidden(Cow<'static, str>),
    /// The page's origin is not allowed. HTTP 403.
    #[error("origin not allowed")]
    Origin,
    /// The hub has no such namespace. HTTP 404.
    #[error("no such namespace")]
    UnknownNamespace,
    /// The server has as many connections as it takes. HTTP 503, close code 1013.
    #[error("the server is full")]
    Full,
    /// This address has as many connections as it may. HTTP 429, close code 1013.
    #[error("too many connections from this address")]
    TooManyFromAddress,
    /// The hub drains or is closed. HTTP 503, close code 1012.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The check failed on our side or took too long. HTTP 500, close code 1011.
    #[error("internal error")]
    Internal,
    /// The application's own reason, with data for the client. HTTP 403, close code 4500.
    #[error("refused: {0}")]
    Rejected(Reject),
}

impl Refusal {
    /// Refuses wrong or missing credentials, with a sentence for the client.
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Unauthorized(message.into())
    }

    /// The close code for transports that are connected already.
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Full | Self::TooManyFromAddress => CloseCode::TryAgainLater,
            Self::ShuttingDown => CloseCode::Restart,
            Self::Internal => CloseCode::Internal,
            _ => CloseCode::Unauthorized,
        }
    }

    /// The HTTP status for a handshake that is refused before the upgrade.
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Unauthorized(_) | Self::CredentialsRequired => 401,
            Self::Forbidden(_) | Self::Origin | Self::Rejected(_) => 403,
            Self::UnknownNamespace => 404,
            Self::TooManyFromAddress => 429,
            Self::Full | Self::ShuttingDown => 503,
            Self::Internal => 500,
        }
    }

    /// A sentence that the peer may see.
    pub fn message(&self) -> &str {
        match self {
            Self::Unauthorized(message) | Self::Forbidden(message) => message,
            Self::CredentialsRequired => "credentials required",
            Self::Origin => "origin not allowed",
            Self::UnknownNamespace => "no such namespace",
            Self::Full => "the server is full",
            Self::TooManyFromAddress => "too many connections from this address",
            Self::ShuttingDown => "the server is shutting down",
            Self::Internal => "internal error",
            Self::Rejected(reject) => reject.message(),
        }
    }

    /// The refusal as it is told to a client that is connected already.
    pub(crate) fn as_reject(&self) -> Reject {
        match self {
            Self::Rejected(reject) => reject.clone(),
            other if other.close_code() == CloseCode::Unauthorized => {
                Reject::new("unauthorized", other.message().to_owned())
            }
            other => Reject::new("unavailable", other.message().to_owned()),
        }
    }
}

/// Why a hub cannot be built. All of it is the builder's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A knob does not fit.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A handler cannot work: its event's name is taken or invalid, or its state is missing.
    #[error("{0}")]
    Handler(String),
    /// A namespace's name is invalid or given twice.
    #[error("namespace {0:?}: {1}")]
    Namespace(String, &'static str),
    /// There is no tokio runtime here, and none was given.
    #[error("no tokio runtime: build the hub inside one, or give it `.runtime(handle)`")]
    NoRuntime,
}

/// Why something was not published.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The event cannot be written as JSON.
    #[error("the event cannot be encoded")]
    Encode,
    /// The room's or the event's name is none.
    #[error("bad name")]
    Name(#[from] NameError),
    /// The event's name is a word of the protocol's own, such as `user_left`: clients would believe it.
    #[error("the event's name is reserved")]
    ReservedName,
    /// The message is longer than [`Config::max_message_bytes`](crate::Config).
    #[error("the message is too big")]
    TooBig,
    /// The level that was asked for is more than the broker can give.
    #[error("the broker offers no such level")]
    LevelNotOffered,
    /// The broker did not take it. Nothing happened.
    #[error("the broker refused")]
    Broker(#[source] BrokerError),
    /// It may or may not have been published; with an idempotency key it may be repeated.
    #[error("the outcome is unknown")]
    Unknown,
    /// The hub is closed.
    #[error("the hub is closed")]
    Closed,
}

impl From<BrokerError> for PublishError {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Unknown => Self::Unknown,
            other => Self::Broker(other),
        }
    }
}

impl From<PublishError> for Reject {
    /// What a client whose request led to it may know.
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Encode | PublishError::Closed | PublishError::LevelNotOffered => Self::internal(),
            PublishError::Name(_) | PublishError::ReservedName => Self::new("bad_name", "not a valid name"),
            PublishError::TooBig => Self::new("too_big", "the message is too big"),
            PublishError::Broker(BrokerError::Full | BrokerError::Unavailable) => {
                Self::new("unavailable", "try again").with_retry_after(Duration::from_secs(1))
            }
            PublishError::Broker(_) => Self::internal(),
            PublishError::Unknown => Self::new("unknown", "it may or may not have happened"),
        }
    }
}

/// Why nothing was sent to a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendToError {
    /// The event cannot be written as JSON, or its name is a word of the protocol's own.
    #[error("the event cannot be encoded")]
    Encode,
    /// The session is closed.
    #[error("the session is closed")]
    Closed,
    /// The event is longer than [`Config::max_message_bytes`](crate::Config).
    #[error("the event is too big")]
    TooBig,
    /// The broker, which keeps the inbox, did not take it, or nobody knows whether it did.
    #[error("unavailable")]
    Unavailable,
}

impl From<SendToError> for Reject {
    fn from(error: SendToError) -> Self {
        match error {
            SendToError::Encode | SendToError::Closed => Self::internal(),
            SendToError::TooBig => Self::new("too_big", "the message is too big"),
            SendToError::Unavailable => Self::new("unavailable", "try again").with_retry_after(Duration::from_secs(1)),
        }
    }
}

/// Why a call to a client has no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The event cannot be written as JSON, its name is a word of the protocol's own, or it is longer than
    /// [`Config::max_message_bytes`](crate::Config).
    #[error("the event cannot be encoded")]
    Encode,
    /// The answer is not what the event's `Ack` says.
    #[error("the answer has the wrong shape")]
    WrongAnswer,
    /// No answer came in time. The client may have acted or not.
    #[error("no answer in time")]
    Timeout,
    /// The session ended first. The client may have acted or not.
    #[error("the session is closed")]
    Closed,
    /// Too many calls to this client wait already.
    #[error("too many calls are waiting")]
    TooManyCalls,
}

impl From<CallError> for Reject {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Encode | CallError::Closed => Self::internal(),
            CallError::WrongAnswer => Self::bad_request("the answer has the wrong shape"),
            CallError::Timeout => Self::new("timeout", "no answer in time"),
            CallError::TooManyCalls => Self::new("unavailable", "try again").with_retry_after(Duration::from_secs(1)),
        }
    }
}

impl From<NameError> for Reject {
    fn from(_: NameError) -> Self {
        Self::new("bad_name", "not a valid name")
    }
}

/// Why a session is not in a room.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The name is none.
    #[error("bad name")]
    Name(#[from] NameError),
    /// The permission check said no.
    #[error("refused: {0}")]
    Refused(Reject),
    /// The session is in as many rooms as it may.
    #[error("too many rooms")]
    TooManyRooms,
    /// The broker did not subscribe or read history.
    #[error("the broker refused")]
    Broker(#[source] BrokerError),
    /// The session or the hub is closed.
    #[error("the session is closed")]
    Closed,
}

impl From<JoinError> for Reject {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Name(_) => Self::new("bad_name", "not a valid name"),
            JoinError::Refused(reject) => reject,
            JoinError::TooManyRooms => Self::new("too_many_rooms", "the session is in as many rooms as it may"),
            JoinError::Broker(_) => Self::new("unavailable", "try again").with_retry_after(Duration::from_secs(1)),
            JoinError::Closed => Self::internal(),
        }
    }
}

/// Why past messages or members cannot be told.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The room keeps no history.
    #[error("the room keeps no history")]
    NoHistory,
    /// The broker did not answer.
    #[error("the broker refused")]
    Broker(#[from] BrokerError),
    /// The hub is closed.
    #[error("the hub is closed")]
    Closed,
}

impl From<QueryError> for Reject {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::NoHistory => Self::new("no_history", "the room keeps no history"),
            QueryError::Broker(_) | QueryError::Closed => {
                Self::new("unavailable", "try again").with_retry_after(Duration::from_secs(1))
            }
        }
    }
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The client closed it.
    Client,
    /// The connection broke or ended without a close.
    Lost,
    /// We closed it, with this code.
    Server(CloseCode),
}

impl DisconnectReason {
    /// Whether the client may resume: not after it said goodbye, nor after we ended the session for good.
    pub const fn is_resumable(&self) -> bool {
        match self {
            Self::Client => false,
            Self::Lost => true,
            Self::Server(code) => code.may_retry(),
        }
    }
}

/// Why a broker did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// This broker cannot do that at all.
    #[error("the broker offers no {0}")]
    NotOffered(&'static str),
    /// It cannot be reached. Nothing happened.
    #[error("the broker is unavailable")]
    Unavailable,
    /// It is overloaded. Nothing happened; try again later.
    #[error("the broker is full")]
    Full,
    /// The connection broke or the time ran out before the answer came: it may or may not have happened.
    #[error("the outcome is unknown")]
    Unknown,
}
