//! The memory broker passes the broker contract, and so does one that implements the three required methods alone.

use std::sync::Arc;

use async_trait::async_trait;
use fanfare::{
    History,
    broker::{Broker, BrokerError, MemoryBroker, MemoryBus, Publication, Receipt, Sink, Topic},
};
use fanfare_testkit::broker_contract::BrokerFixture;

#[derive(Default)]
struct Memory(MemoryBus);

#[async_trait]
impl BrokerFixture for Memory {
    type Broker = MemoryBroker;

    async fn nodes(&mut self, n: usize) -> Vec<Arc<MemoryBroker>> {
        (0..n).map(|_| Arc::new(self.0.broker())).collect()
    }

    async fn cut(&mut self, node: &Arc<MemoryBroker>) -> bool {
        self.0.cut(node);
        true
    }

    async fn heal(&mut self, node: &Arc<MemoryBroker>) -> bool {
        self.0.heal(node);
        true
    }

    async fn lose(&mut self) -> bool {
        self.0.lose();
        true
    }
}

/// The same through a shared handle to a trait object, which is how a hub holds its broker.
#[derive(Default)]
struct SharedMemory(Memory);

#[async_trait]
impl BrokerFixture for SharedMemory {
    type Broker = Arc<dyn Broker>;

    async fn nodes(&mut self, n: usize) -> Vec<Arc<Arc<dyn Broker>>> {
        self.0.nodes(n).await.into_iter().map(|node| Arc::new(node as Arc<dyn Broker>)).collect()
    }
}

mod shared {
    use super::*;
    fanfare_testkit::broker_contract_tests!(SharedMemory::default());
}

mod memory {
    use super::*;
    fanfare_testkit::broker_contract_tests!(Memory::default(); cut, lose);
}

/// The smallest broker: fan-out, and nothing that it would have to offer.
struct Minimal(MemoryBroker);

#[async_trait]
impl Broker for Minimal {
    async fn publish(
        &self,
        topic: &Topic,
        publication: Arc<Publication>,
        _history: Option<History>,
    ) -> Result<Receipt, BrokerError> {
        self.0.publish(topic, publication, None).await
    }

    async fn subscribe(&self, topic: &Topic, sink: &Arc<dyn Sink>) -> Result<(), BrokerError> {
        self.0.subscribe(topic, sink).await
    }

    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BrokerError> {
        self.0.unsubscribe(topic).await
    }
}

#[derive(Default)]
struct MinimalCluster(MemoryBus);

#[async_trait]
impl BrokerFixture for MinimalCluster {
    type Broker = Minimal;

    async fn nodes(&mut self, n: usize) -> Vec<Arc<Minimal>> {
        (0..n).map(|_| Arc::new(Minimal(self.0.broker()))).collect()
    }

    async fn cut(&mut self, node: &Arc<Minimal>) -> bool {
        self.0.cut(&node.0);
        true
    }

    async fn heal(&mut self, node: &Arc<Minimal>) -> bool {
        self.0.heal(&node.0);
        true
    }
}

mod minimal {
    use super::*;
    fanfare_testkit::broker_contract_tests!(MinimalCluster::default(); cut);
}
