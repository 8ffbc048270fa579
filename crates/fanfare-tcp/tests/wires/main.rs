//! The three wires, spoken by clients that are not fanfare's: the transport contract, and what is particular to each.
#![allow(clippy::unwrap_used)]

mod bare;
mod clients;
mod contract;
mod listening;
mod websocket;

use std::net::{Ipv4Addr, SocketAddr};

use fanfare::{Config, Hub};
use fanfare_tcp::{Server, Wire};
use tokio::net::TcpListener;

/// Serves in the background, until the test ends.
async fn serve<W: Wire>(server: Server<W>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server.serve(listener));
    address
}

fn hub() -> Hub {
    hub_with(Config::default())
}

fn hub_with(config: Config) -> Hub {
    Hub::builder().config(config).build().unwrap()
}
