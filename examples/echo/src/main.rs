//! The smallest server: whatever a client sends comes back to it.

use fanfare::{Hub, Incoming, Session};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::builder().on_any(event).on_raw(raw).build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    println!("echo: listening on ws://{}", listener.local_addr()?);
    fanfare_tcp::websocket(&hub).serve(listener).await;
    Ok(())
}

async fn event(session: Session, event: Incoming) {
    let _ = session.send_event(event.name, event.payload).await;
}

async fn raw(session: Session, bytes: bytes::Bytes) {
    let _ = session.send_raw(bytes).await;
}
