//! The accept loop: one short task for each connection that is being opened.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use fanfare::Config;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use crate::{
    AcceptError, Server,
    server::Wire,
    shedding::{SpareDescriptor, is_exhaustion},
};

/// Peers that are told at the same time that there is no place for them. More would be a way around the bound on connections.
const MAX_REFUSALS: usize = 64;
/// How often a silent peer is probed once TCP has doubts.
const PROBES: u32 = 4;

pub(crate) async fn serve<W: Wire>(server: Server<W>, listener: TcpListener) {
    let address = listener.local_addr().ok();
    tracing::debug!(?address, "listening");
    let mut spare = SpareDescriptor::new();
    let mut opening = JoinSet::new();
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let draining = server.hub.draining();
    tokio::pin!(draining);
    loop {
        tokio::select! {
            () = &mut draining => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer_addr)) => greet(&server, stream, peer_addr, &refusals, &mut opening),
                Err(error) if is_exhaustion(&error) => {
                    tracing::warn!(%error, ?address, "connections are being closed unheard");
                    spare.shed(&listener).await;
                }
                // The peer was gone before it was accepted.
                Err(error) => tracing::debug!(%error, ?address, "not accepted"),
            },
            Some(_) = opening.join_next() => {}
        }
    }
    // Connections in their handshake end here: the drain must not wait for peers that may be silent.
    tracing::debug!(?address, "no longer listening");
}

/// Starts the handshake of one connection, or its refusal.
fn greet<W: Wire>(
    server: &Server<W>,
    stream: TcpStream,
    peer_addr: SocketAddr,
    refusals: &Arc<Semaphore>,
    opening: &mut JoinSet<()>,
) {
    let tuned = if server.wire.pings() { stream.set_nodelay(true) } else { tune(&stream, server.hub.config()) };
    if let Err(error) = tuned {
        tracing::debug!(%error, %peer_addr, "gone already");
        return;
    }
    match server.hub.reserve(Some(peer_addr.ip())) {
        Ok(place) => {
            let server = server.clone();
            // Boxed: a task's own memory is aligned to 128, and glibc before 2.38 leaves a hole of 3 KB for each connection where
            // such a block was freed between long-lived ones. Measured: 4.5 KB an idle connection instead of 1.1.
            opening.spawn(Box::pin(async move {
                if let Err(error) = server.open(stream, Some(peer_addr), place).await {
                    log(&error, peer_addr);
                }
            }));
        }
        Err(refusal) => {
            let Ok(telling) = refusals.clone().try_acquire_owned() else { return };
            let server = server.clone();
            opening.spawn(Box::pin(async move {
                log(&server.refuse(stream, refusal).await, peer_addr);
                drop(telling);
            }));
        }
    }
}

fn log(error: &AcceptError, peer_addr: SocketAddr) {
    let cause = std::error::Error::source(error).map(tracing::field::display);
    tracing::debug!(%error, cause, %peer_addr, "no session");
}

/// Prepares a TCP connection for a wire on which TCP itself has to find dead peers: no delay for small writes, and an end for
/// a peer that acknowledged nothing for `ping_interval + ping_timeout`, be it data (TCP_USER_TIMEOUT, RFC 5482; on Linux
/// and Android) or keepalive probes (RFC 9293, section 3.8.4). A peer that takes nothing for so long while something waits for
/// it counts as dead too.
///
/// [`Server::serve`] does this where it is needed.
///
/// # Errors
/// When the socket is dead already.
pub fn tune(stream: &TcpStream, config: &Config) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    // The kernel counts in whole seconds, from one upwards.
    let second = Duration::from_secs(1);
    let probe = (config.ping_timeout / PROBES).max(second);
    let keepalive = TcpKeepalive::new().with_time(config.ping_interval.max(second));
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", windows))]
    let keepalive = keepalive.with_interval(probe);
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos"))]
    let keepalive = keepalive.with_retries(PROBES);
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos", windows)))]
    let _ = probe;
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(config.ping_interval + config.ping_timeout))?;
    Ok(())
}
