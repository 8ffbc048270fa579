//! Several hubs in one process, on one bus whose lines can be cut.

use std::sync::Arc;

use fanfare::{
    Hub, HubBuilder,
    broker::{MemoryBroker, MemoryBus},
};

/// A cluster of hubs on one [`MemoryBus`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// use fanfare_testkit::{Cluster, TestClient};
///
/// let cluster = Cluster::new(2);
/// let mut ann = TestClient::connect(cluster.hub(0)).await;
/// let mut bob = TestClient::connect(cluster.hub(1)).await;
/// ann.join("lobby").await;
/// bob.join("lobby").await;
/// assert_eq!(ann.expect("user_joined").await["room"], "lobby");
/// bob.say("lobby", "hello");
/// assert_eq!(ann.expect("message").await["content"], "hello");
/// # }
/// ```
pub struct Cluster {
    bus: MemoryBus,
    nodes: Vec<(Hub, Arc<MemoryBroker>)>,
}

impl Cluster {
    /// `nodes` hubs as the builder makes them by default.
    pub fn new(nodes: usize) -> Self {
        Self::with(nodes, |builder| builder)
    }

    /// `nodes` hubs, each made by `build` of a builder that has its broker.
    ///
    /// # Panics
    /// When a hub cannot be built.
    pub fn with(nodes: usize, build: impl Fn(HubBuilder) -> HubBuilder) -> Self {
        let bus = MemoryBus::new();
        let node = |_| {
            let broker = Arc::new(bus.broker());
            let hub = build(Hub::builder().broker(broker.clone())).build().expect("a hub that can be built");
            (hub, broker)
        };
        let nodes = (0..nodes).map(node).collect();
        Self { bus, nodes }
    }

    /// The hub of a node, counted from 0.
    pub fn hub(&self, node: usize) -> &Hub {
        &self.nodes[node].0
    }

    /// The bus that connects them.
    pub fn bus(&self) -> &MemoryBus {
        &self.bus
    }

    /// Cuts a node off from the others and from all logs.
    pub fn cut(&self, node: usize) {
        self.bus.cut(&self.nodes[node].1);
    }

    /// Connects it again.
    pub fn heal(&self, node: usize) {
        self.bus.heal(&self.nodes[node].1);
    }

    /// Loses every log and all presence, as a store that restarted empty.
    pub fn lose(&self) {
        self.bus.lose();
    }
}
