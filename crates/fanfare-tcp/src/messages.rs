//! The two wires of bare messages: lines, and messages behind their length.

use std::net::SocketAddr;

use fanfare::{
    CloseCode, Handshake, Hub, Namespace, Notice, Refusal, Reservation,
    protocol::{Native, Protocol},
    transport::{Framing, MessageKind},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{
    AcceptError,
    server::{Server, Wire, admit, sealed},
    splitter::{LengthSplitter, LineSplitter, Splitter},
    transport::ByteTransport,
};

/// What is read and thrown away after a refusal, so that the refusal is not overtaken by a reset.
const MAX_LINGER_BYTES: u64 = 1024 * 1024;

/// The wire of newline-delimited JSON; see [`lines`](crate::lines).
#[derive(Debug, Clone)]
pub struct Lines {
    bare: Bare,
}

/// The wire of length-prefixed messages; see [`length_prefixed`](crate::length_prefixed).
#[derive(Debug, Clone)]
pub struct LengthPrefixed {
    bare: Bare,
}

/// What both have in common.
#[derive(Debug, Clone)]
struct Bare {
    name: &'static str,
    protocol: Native,
    secure: bool,
    max_message_bytes: usize,
}

impl Lines {
    pub(crate) fn new(hub: &Hub) -> Self {
        Self { bare: Bare::new("lines", hub) }
    }

    fn splitter(&self) -> LineSplitter {
        LineSplitter::new(self.bare.max_message_bytes)
    }
}

impl LengthPrefixed {
    pub(crate) fn new(hub: &Hub) -> Self {
        Self { bare: Bare::new("length-prefixed", hub) }
    }

    fn splitter(&self) -> LengthSplitter {
        let is_binary = self.bare.protocol == Native::V1_BINARY;
        let kind = if is_binary { MessageKind::Binary } else { MessageKind::Text };
        LengthSplitter::new(kind, self.bare.max_message_bytes)
    }
}

impl Server<Lines> {
    /// Sets the form of the native protocol; [`Native::PLAIN`] unless set. With [`Native::V1`] the peer opens with a `hello`
    /// and has to answer pings.
    ///
    /// # Panics
    /// With [`Native::V1_BINARY`]: lines are text.
    pub fn protocol(mut self, protocol: Native) -> Self {
        assert!(protocol != Native::V1_BINARY, "MessagePack cannot stand on a line");
        self.wire.bare.protocol = protocol;
        self
    }

    /// Says that the streams are encrypted, for [`Handshake::is_secure`]. No unless set.
    pub fn secure(mut self, secure: bool) -> Self {
        self.wire.bare.secure = secure;
        self
    }
}

impl Server<LengthPrefixed> {
    /// Sets the form of the native protocol; [`Native::PLAIN`] unless set. With the others the peer opens with a `hello` and
    /// has to answer pings.
    pub fn protocol(mut self, protocol: Native) -> Self {
        self.wire.bare.protocol = protocol;
        self
    }

    /// Says that the streams are encrypted, for [`Handshake::is_secure`]. No unless set.
    pub fn secure(mut self, secure: bool) -> Self {
        self.wire.bare.secure = secure;
        self
    }
}

/// Both wires do the same with splitters of their own.
macro_rules! bare_wire {
    ($wire:ty) => {
        impl Wire for $wire {}

        impl sealed::Wire for $wire {
            fn pings(&self) -> bool {
                self.bare.protocol.client_opens()
            }

            async fn open<S>(
                &self,
                hub: &Hub,
                stream: S,
                peer_addr: Option<SocketAddr>,
                place: Reservation,
            ) -> Result<(), AcceptError>
            where
                S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
            {
                self.bare.open(self.splitter(), hub, stream, peer_addr, place).await
            }

            async fn refuse<S>(&self, stream: S, refusal: &Refusal)
            where
                S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
            {
                self.bare.refuse(&self.splitter(), stream, refusal).await;
            }
        }
    };
}

bare_wire!(Lines);
bare_wire!(LengthPrefixed);

impl Bare {
    fn new(name: &'static str, hub: &Hub) -> Self {
        let max_message_bytes = hub.config().max_message_bytes;
        Self { name, protocol: Native::PLAIN, secure: false, max_message_bytes }
    }

    async fn open<S, P>(
        &self,
        splitter: P,
        hub: &Hub,
        stream: S,
        peer_addr: Option<SocketAddr>,
        place: Reservation,
    ) -> Result<(), AcceptError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Splitter + Sync + Unpin,
    {
        let handshake = Handshake::new(self.name).with_peer_addr(peer_addr).with_secure(self.secure);
        match admit(hub, place, handshake).await {
            Ok(admission) => {
                let versioned = self.protocol.client_opens();
                let transport = ByteTransport::new(stream, splitter, self.name, peer_addr, versioned);
                hub.accept(admission, transport, self.protocol);
                Ok(())
            }
            Err((refusal, _place)) => {
                self.refuse(&splitter, stream, &refusal).await;
                Err(AcceptError::Refused(refusal))
            }
        }
    }

    /// Tells why, and waits until the peer has read it.
    async fn refuse<S, P>(&self, splitter: &P, mut stream: S, refusal: &Refusal)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Splitter + Sync,
    {
        let told = self.refusal(&*splitter.framing(), refusal);
        let telling = async {
            stream.write_all(&told).await?;
            stream.shutdown().await?;
            tokio::io::copy(&mut (&mut stream).take(MAX_LINGER_BYTES), &mut tokio::io::sink()).await
        };
        // Whether it arrived or not, refused it is.
        let _ = telling.await;
    }

    /// An `error` and a `closing` notice, as the hub tells them to a session that it refuses later.
    fn refusal(&self, framing: &dyn Framing, refusal: &Refusal) -> Vec<u8> {
        let code = refusal.close_code();
        let word = if code == CloseCode::Unauthorized { "unauthorized" } else { "unavailable" };
        let error = match refusal {
            Refusal::Rejected(reject) => Notice::Error {
                id: None,
                code: reject.code(),
                message: reject.message(),
                data: reject.data(),
                retry_after: reject.retry_after().map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            },
            _ => Notice::Error { id: None, code: word, message: refusal.message(), data: None, retry_after: None },
        };
        let encoding = self.protocol.encoding();
        let mut bytes = Vec::new();
        for notice in [error, Notice::Closing { code, reason: code.reason(), retry_after: None }] {
            encoding.encode(&Namespace::default(), &notice, &mut Vec::new(), &mut |kind, message| {
                framing.frame(kind, message, &mut bytes);
            });
        }
        bytes
    }
}
