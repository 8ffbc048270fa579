//! The contract of transports and the promises to clients, kept by actix-web's server.
#![allow(clippy::unwrap_used)]

#[path = "../../fanfare-axum/tests/contract/promises/mod.rs"]
mod promises;

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle};
use fanfare::Hub;
use promises::{keeps, keeps_its_promises};
use tokio::sync::oneshot;

/// actix-web in a thread of its own, as in a service whose hub lives elsewhere.
struct ActixServer {
    address: SocketAddr,
    handle: ServerHandle,
}

impl promises::Server for ActixServer {
    async fn start(hub: &Hub) -> Self {
        let hub = hub.clone();
        let (started, running) = oneshot::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || App::new().route("/ws", fanfare_actix::websocket(&hub)))
                    .workers(2)
                    .tcp_nodelay(true)
                    .client_disconnect_timeout(Duration::ZERO)
                    .disable_signals()
                    .bind((Ipv4Addr::LOCALHOST, 0))
                    .unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                started.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle) = running.await.unwrap();
        Self { address, handle }
    }

    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ActixServer {
    fn drop(&mut self) {
        // Sends the command at once; the future is only for who wants to wait.
        drop(self.handle.stop(false));
    }
}

keeps_its_promises!(ActixServer);
