//! A hub behind one kind of wire: what listens, and what takes single streams.

use std::{future::Future, net::SocketAddr, time::Duration};

use fanfare::{Admission, Handshake, Hub, Refusal, Reservation};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    time::timeout,
};

use crate::{AcceptError, listen};

/// How long a peer that is refused before its handshake may take to read why.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// A hub behind one kind of wire. Made by [`websocket`](crate::websocket), [`lines`](crate::lines) and
/// [`length_prefixed`](crate::length_prefixed); a cheap clone.
#[derive(Debug, Clone)]
#[must_use = "a server does nothing until it serves"]
pub struct Server<W> {
    pub(crate) hub: Hub,
    pub(crate) wire: W,
}

/// What bytes look like between us and a peer. Sealed: a wire of your own is a
/// [`Transport`](fanfare::transport::Transport) and [`Hub::accept`].
pub trait Wire: sealed::Wire {}

pub(crate) mod sealed {
    use super::*;

    /// One connection on its way into the hub.
    pub trait Wire: Clone + Send + Sync + 'static {
        /// Whether pings of the hub find a dead peer, so that TCP need not look for it.
        fn pings(&self) -> bool;

        /// Brings one connection into the hub. Its time is bounded by the caller.
        fn open<S>(
            &self,
            hub: &Hub,
            stream: S,
            peer_addr: Option<SocketAddr>,
            place: Reservation,
        ) -> impl Future<Output = Result<(), AcceptError>> + Send
        where
            S: AsyncRead + AsyncWrite + Unpin + Send + 'static;

        /// Tells a peer why there is no place for it. Its time is bounded by the caller.
        fn refuse<S>(&self, stream: S, refusal: &Refusal) -> impl Future<Output = ()> + Send
        where
            S: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    }
}

impl<W: Wire> Server<W> {
    pub(crate) fn new(hub: &Hub, wire: W) -> Self {
        Self { hub: hub.clone(), wire }
    }

    /// Serves what `listener` accepts, until the hub drains or is closed. Open connections live on in the hub then;
    /// those still in their handshake are dropped.
    ///
    /// TCP_NODELAY is set on each connection, because the hub joins small messages itself. Errors of single connections are
    /// logged. When the process is out of file descriptors, waiting connections are accepted and closed at once with one
    /// that is kept for this, so that peers learn of it and the loop does not spin.
    ///
    /// # Cancel safety
    /// Dropping it stops listening, with the same effect as its end.
    pub async fn serve(self, listener: TcpListener) {
        listen::serve(self, listener).await;
    }

    /// Brings a stream of your own into the hub: after a TLS handshake, from a Unix socket, out of a test.
    ///
    /// Returns when the connection is the hub's, after [`Config::handshake_timeout`](fanfare::Config::handshake_timeout) at
    /// the latest. Call it in a task of its own for each stream; count them yourself until here, for instance with
    /// [`Hub::reserve`]. For TCP below, [`tune`](crate::tune) sets what `serve` would have set.
    ///
    /// # Errors
    /// [`AcceptError`]; the peer was told, the stream is gone.
    ///
    /// # Cancel safety
    /// Dropping it drops the connection.
    pub async fn accept<S>(&self, stream: S, peer_addr: Option<SocketAddr>) -> Result<(), AcceptError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match self.hub.reserve(peer_addr.map(|address| address.ip())) {
            Ok(place) => self.open(stream, peer_addr, place).await,
            Err(refusal) => Err(self.refuse(stream, refusal).await),
        }
    }

    /// The rest of [`accept`](Self::accept) for a connection that has its place.
    pub(crate) async fn open<S>(
        &self,
        stream: S,
        peer_addr: Option<SocketAddr>,
        place: Reservation,
    ) -> Result<(), AcceptError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let opening = self.wire.open(&self.hub, stream, peer_addr, place);
        timeout(self.hub.config().handshake_timeout, opening).await.unwrap_or(Err(AcceptError::TimedOut))
    }

    /// The rest of [`accept`](Self::accept) for a connection without a place.
    pub(crate) async fn refuse<S>(&self, stream: S, refusal: Refusal) -> AcceptError
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Told or not, refused it is.
        let _ = timeout(REFUSAL_TIME, self.wire.refuse(stream, &refusal)).await;
        AcceptError::Refused(refusal)
    }
}

/// Asks the hub whether a connection may come in. A refused one gets a place again, because it counts until its peer has
/// read why; the caller holds on to it.
pub(crate) async fn admit(
    hub: &Hub,
    place: Reservation,
    handshake: Handshake,
) -> Result<Admission, (Refusal, Option<Reservation>)> {
    let address = handshake.peer_addr().map(|address| address.ip());
    place.admit(handshake).await.map_err(|refusal| {
        let place = if hub.is_ready() { hub.reserve(address).ok() } else { None };
        (refusal, place)
    })
}
