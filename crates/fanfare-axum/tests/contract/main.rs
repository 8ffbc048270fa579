//! The contract of transports and the promises to clients, kept by axum's own server.
#![allow(clippy::unwrap_used)]

mod promises;
mod requests;
mod streams;

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use fanfare::Hub;
use promises::{keeps, keeps_its_promises};
use tokio::{net::TcpListener, task::JoinHandle};

struct AxumServer {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl AxumServer {
    async fn serve(app: Router) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, serving }
    }
}

impl promises::Server for AxumServer {
    async fn start(hub: &Hub) -> Self {
        Self::serve(Router::new().route("/ws", fanfare_axum::websocket(hub))).await
    }

    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AxumServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

keeps_its_promises!(AxumServer);
