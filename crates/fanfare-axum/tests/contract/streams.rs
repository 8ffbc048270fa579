//! Whatever stream carries the request, the hub gets it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    serve::{Listener, ListenerExt},
};
use fanfare::{Hub, Payload};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{PrivateKeyDer, ServerName},
    },
    server::TlsStream,
};

use super::promises::Client;

fn app() -> Router {
    let hub = Hub::builder().on_event("echo", async |payload: Payload| payload).build().unwrap();
    Router::new().route("/ws", fanfare_axum::websocket(&hub))
}

fn serve<L: Listener<Addr: std::fmt::Debug>>(listener: L) {
    tokio::spawn(async move { axum::serve(listener, app()).await });
}

async fn is_served(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut client = Client::connect_over(stream, "ws://chat.example/ws", &[]).await.unwrap();
    assert_eq!(client.json().await["type"], "connected");
    let text = "x".repeat(50_000);
    client.send(json!({"type": "echo", "id": 1, "text": text})).await;
    assert_eq!(client.json().await["text"], text);
    client.close().await;
}

async fn tcp() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn a_tapped_listener() {
    let (listener, address) = tcp().await;
    serve(listener.tap_io(|stream| stream.set_nodelay(false).unwrap()));
    is_served(TcpStream::connect(address).await.unwrap()).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket() {
    use tokio::net::{UnixListener, UnixStream};
    let path = std::env::temp_dir().join(format!("fanfare-axum-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    serve(UnixListener::bind(&path).unwrap());
    is_served(UnixStream::connect(&path).await.unwrap()).await;
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn a_tls_stream() {
    let certified = rcgen::generate_simple_self_signed(["chat.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let certificate = certified.cert.der().clone();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key);
    let (listener, address) = tcp().await;
    serve(Tls(listener, TlsAcceptor::from(Arc::new(config.unwrap()))));

    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("chat.example").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    is_served(Box::new(stream)).await;
}

#[tokio::test]
async fn a_stream_that_the_adapter_has_never_heard_of() {
    let (client, server) = duplex(1000);
    let (sender, streams) = mpsc::channel(1);
    sender.send(Own(server)).await.unwrap();
    serve(Streams(streams));
    is_served(client).await;
}

#[tokio::test]
async fn a_connection_of_hyper_itself() {
    let (listener, address) = tcp().await;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper_util::service::TowerToHyperService::new(app());
        let io = hyper_util::rt::TokioIo::new(stream);
        hyper::server::conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await
    });
    is_served(TcpStream::connect(address).await.unwrap()).await;
}

/// A listener that ends TLS; one handshake after the other is enough here.
struct Tls(TcpListener, TlsAcceptor);

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, peer) = self.0.accept().await.unwrap();
        (self.1.accept(stream).await.unwrap(), peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A listener of streams that come from elsewhere.
struct Streams(mpsc::Receiver<Own>);

impl Listener for Streams {
    type Io = Own;
    type Addr = ();

    async fn accept(&mut self) -> (Own, ()) {
        match self.0.recv().await {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A type of the application's own.
struct Own(DuplexStream);

impl AsyncRead for Own {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Own {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
