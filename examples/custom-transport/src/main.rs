//! A transport of one's own: clients in this process, behind channels. Says what Bob hears, and ends.

use std::{error::Error, io};

use fanfare::transport::{Incoming, OutMessage, StreamSink};
use fanfare::{Handshake, Hub, Refusal, protocol::Native};
use futures_channel::mpsc::{Receiver, Sender, channel};
use futures_util::{SinkExt, StreamExt};

/// The transport: any stream of messages and any sink for them. The channels are bounded, so that neither side runs ahead.
async fn connect(hub: &Hub) -> Result<(Sender<Incoming>, Receiver<OutMessage>), Refusal> {
    let (to_hub, from_client) = channel(8);
    let (to_client, from_hub) = channel(8);
    let admission = hub.admit(Handshake::new("channel")).await?;
    let transport = StreamSink::new("channel", from_client.map(Ok), to_client.sink_map_err(io::Error::other));
    hub.accept(admission, transport, Native::PLAIN);
    Ok((to_hub, from_hub))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let hub = Hub::builder().build()?;
    let (mut ada, _ada_hears) = connect(&hub).await?;
    let (mut bob, mut bob_hears) = connect(&hub).await?;
    bob.send(Incoming::Text(r#"{"type":"join_room","room":"tea","id":1}"#.into())).await?;
    while let Some(OutMessage::Text(text)) = bob_hears.next().await {
        println!("Bob hears {}", String::from_utf8_lossy(&text));
        if text.windows(5).any(|word| word == b"\"ack\"") {
            ada.send(Incoming::Text(r#"{"type":"join_room","room":"tea"}"#.into())).await?;
            ada.send(Incoming::Text(r#"{"type":"message","room":"tea","content":"Hi Bob!"}"#.into())).await?;
        } else if text.windows(7).any(|word| word == b"Hi Bob!") {
            return Ok(());
        }
    }
    Err("the hub ended the connection".into())
}
