//! The smallest server: whatever a client sends comes back to it.

use bytes::Bytes;
use fanfare::{Hub, Incoming, Reject, Session};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::builder().on_any(event).on_raw(raw).build()?;
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("echo: listening on ws://{}", listener.local_addr()?);
    fanfare_tcp::websocket(&hub).serve(listener).await;
    Ok(())
}

async fn event(session: Session, event: Incoming) -> Result<(), Reject> {
    Ok(session.send_event(event.name, event.payload).await?)
}

async fn raw(session: Session, bytes: Bytes) -> Result<(), Reject> {
    Ok(session.send_raw(bytes).await?)
}
