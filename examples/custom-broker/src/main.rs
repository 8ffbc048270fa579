//! A broker of one's own: it bridges two hubs in this process. Says what a client of one hears from the other's, and ends.

use fanfare::{History, Hub, broker::*};
use fanfare_testkit::TestClient;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};

/// Who listens to what, by topic and hub. One lock for all gives every topic one order.
pub(crate) type Lines = Arc<Mutex<HashMap<(Topic, usize), Arc<dyn Sink>>>>;
pub(crate) struct Bridge(pub(crate) usize, pub(crate) Lines);

#[async_trait::async_trait]
impl Broker for Bridge {
    async fn publish(&self, to: &Topic, said: Arc<Publication>, _: Option<History>) -> Result<Receipt, BrokerError> {
        for (_, sink) in self.1.lock().iter().filter(|((topic, _), _)| topic == to) {
            sink.deliver(to, said.clone(), None);
        }
        Ok(Receipt { position: None, level: Level::Accepted, duplicate: false })
    }
    async fn subscribe(&self, topic: &Topic, sink: &Arc<dyn Sink>) -> Result<(), BrokerError> {
        self.1.lock().insert((topic.clone(), self.0), sink.clone());
        Ok(())
    }
    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BrokerError> {
        self.1.lock().remove(&(topic.clone(), self.0));
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let lines = Lines::default();
    let hub = |number| Hub::builder().broker(Bridge(number, lines.clone())).build().expect("a hub without settings");
    let (mut ada, mut bob) = (TestClient::connect(&hub(1)).await, TestClient::connect(&hub(2)).await);
    ada.join("tea").await;
    bob.join("tea").await;
    ada.say("tea", "Hi Bob!");
    println!("Bob hears {}", bob.expect("message").await);
}
