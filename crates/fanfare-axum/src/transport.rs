//! From hyper's upgrade back to the socket, and from there to the hub.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use fanfare::{Admission, Hub, protocol::Protocol, transport::Transport};
use fanfare_websocket::{DecoderConfig, WebSocketTransport};
use hyper::{
    rt::{Read, Write},
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::{rt::TokioIo, server::conn::auto};
use parking_lot::Mutex;
use tokio::net::TcpStream;

/// Waits on the hub's runtime for the 101 to be out, then hands the connection over. Gives it up after the hub's handshake
/// timeout.
pub(crate) fn serve(hub: &Hub, on_upgrade: OnUpgrade, admission: Admission, protocol: impl Protocol) {
    let owner = hub.clone();
    hub.spawn(async move {
        match tokio::time::timeout(owner.config().handshake_timeout, on_upgrade).await {
            Ok(Ok(upgraded)) => hand_over(&owner, upgraded, admission, protocol),
            Ok(Err(error)) => tracing::debug!(%error, "connection broke before its upgrade"),
            Err(_) => tracing::debug!("client did not take the answer to its upgrade in time"),
        }
    });
}

/// Each kind of stream has a transport of its own, so that its reads and writes are direct calls.
fn hand_over(hub: &Hub, upgraded: Upgraded, admission: Admission, protocol: impl Protocol) {
    let config = decoder_config(hub.config().max_message_bytes);
    let upgraded = match recover::<TcpStream>(upgraded) {
        Ok((stream, read_buf)) => {
            return match WebSocketTransport::tcp(stream, config) {
                Ok(transport) => hub.accept(admission, transport.with_read_buf(read_buf), protocol),
                Err(error) => dead(&error),
            };
        }
        Err(upgraded) => upgraded,
    };
    #[cfg(feature = "rustls")]
    let upgraded = match recover::<tokio_rustls::server::TlsStream<TcpStream>>(upgraded) {
        Ok((stream, read_buf)) => {
            let tcp = stream.get_ref().0;
            let peer_addr = match tcp.set_nodelay(true).and_then(|()| tcp.peer_addr()) {
                Ok(peer_addr) => peer_addr,
                Err(error) => return dead(&error),
            };
            let transport = WebSocketTransport::new(stream, config).with_peer_addr(peer_addr);
            return hub.accept(admission, transport.with_read_buf(read_buf), protocol);
        }
        Err(upgraded) => upgraded,
    };
    #[cfg(unix)]
    let upgraded = match recover::<tokio::net::UnixStream>(upgraded) {
        Ok((stream, read_buf)) => {
            let transport = WebSocketTransport::new(stream, config).with_read_buf(read_buf);
            return hub.accept(admission, transport, protocol);
        }
        Err(upgraded) => upgraded,
    };
    // It gives what it has read before by itself.
    hub.accept(admission, boxed(upgraded, config), protocol);
}

/// The transport over a stream that nobody here has a name for.
fn boxed(upgraded: Upgraded, config: Arc<DecoderConfig>) -> impl Transport {
    WebSocketTransport::new(TokioIo::new(upgraded), config)
}

/// The stream and what was read from it before, if it is a `T`. hyper-util's server wraps streams in a private type, hyper's own
/// does not.
fn recover<T>(upgraded: Upgraded) -> Result<(T, Bytes), Upgraded>
where
    TokioIo<T>: Read + Write + Unpin + 'static,
{
    let upgraded = match auto::upgrade::downcast::<TokioIo<T>>(upgraded) {
        Ok(parts) => return Ok((parts.io.into_inner(), parts.read_buf)),
        Err(upgraded) => upgraded,
    };
    let parts = upgraded.downcast::<TokioIo<T>>()?;
    Ok((parts.io.into_inner(), parts.read_buf))
}

fn dead(error: &dyn fmt::Display) {
    tracing::debug!(%error, "connection broke before it was a session");
}

/// The decoder's limits. Connections share one instance: there is almost always one hub, or several with the same limit.
fn decoder_config(max_message_bytes: usize) -> Arc<DecoderConfig> {
    static LAST: Mutex<Option<Arc<DecoderConfig>>> = Mutex::new(None);
    let mut last = LAST.lock();
    match &*last {
        Some(config) if config.max_message_bytes == max_message_bytes => config.clone(),
        _ => last.insert(Arc::new(DecoderConfig { max_message_bytes, ..DecoderConfig::default() })).clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::Ipv4Addr;

    use axum::{Extension, Router, http::StatusCode, routing::get, serve::ListenerExt};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        sync::mpsc,
    };

    use super::*;

    /// A route that upgrades to nothing, and reports the upgrade.
    fn app() -> (Router, mpsc::Receiver<Upgraded>) {
        let (sender, upgrades) = mpsc::channel(1);
        let upgrade = move |Extension(on_upgrade): Extension<OnUpgrade>| {
            let sender = sender.clone();
            async move {
                tokio::spawn(async move { sender.send(on_upgrade.await.unwrap()).await.unwrap() });
                (StatusCode::SWITCHING_PROTOCOLS, [("connection", "upgrade"), ("upgrade", "test")])
            }
        };
        (Router::new().route("/", get(upgrade)), upgrades)
    }

    async fn bound() -> (TcpListener, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener, client)
    }

    /// Asks for the upgrade with five bytes behind the request, and returns what came of it.
    async fn upgraded(client: &mut TcpStream, upgrades: &mut mpsc::Receiver<Upgraded>) -> Upgraded {
        let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\nfirst";
        client.write_all(request).await.unwrap();
        let mut status = [0; 12];
        client.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 101");
        upgrades.recv().await.unwrap()
    }

    #[tokio::test]
    async fn the_socket_is_recovered_with_the_bytes_that_came_with_the_request() {
        let (app, mut upgrades) = app();
        let (listener, mut client) = bound().await;
        tokio::spawn(axum::serve(listener, app.clone()).into_future());
        let (stream, read_buf) = recover::<TcpStream>(upgraded(&mut client, &mut upgrades).await).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), client.local_addr().unwrap());
        assert_eq!(read_buf, "first");

        let (listener, mut client) = bound().await;
        tokio::spawn(axum::serve(listener.tap_io(|_| {}), app.clone()).into_future());
        let (_, read_buf) = recover::<TcpStream>(upgraded(&mut client, &mut upgrades).await).unwrap();
        assert_eq!(read_buf, "first");

        let (listener, mut client) = bound().await;
        tokio::spawn(async move {
            let io = TokioIo::new(listener.accept().await.unwrap().0);
            let service = hyper_util::service::TowerToHyperService::new(app);
            hyper::server::conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await
        });
        let (_, read_buf) = recover::<TcpStream>(upgraded(&mut client, &mut upgrades).await).unwrap();
        assert_eq!(read_buf, "first");
    }

    #[tokio::test]
    async fn a_stream_of_another_kind_comes_back_untouched() {
        let (app, mut upgrades) = app();
        let (listener, mut client) = bound().await;
        tokio::spawn(axum::serve(listener, app).into_future());
        let upgraded = upgraded(&mut client, &mut upgrades).await;
        let upgraded = recover::<tokio::io::DuplexStream>(upgraded).unwrap_err();
        let mut first = [0; 5];
        TokioIo::new(upgraded).read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"first");
    }

    #[test]
    fn connections_share_the_limits_of_their_hub() {
        let config = decoder_config(1234);
        assert_eq!(config.max_message_bytes, 1234);
        assert!(Arc::ptr_eq(&config, &decoder_config(1234)));
        assert_eq!(decoder_config(99).max_message_bytes, 99);
    }
}
