//! What every check begins with: nodes of one cluster, each with a recording sink, and topics that nobody else uses.

use std::{collections::HashSet, sync::Arc, time::Duration};

use fanfare::{
    EventName, History, Member, Namespace, Payload, Position, RoomName, SessionId,
    broker::{
        Broker, BrokerError, HistoryPage, HistoryQuery, Level, Offers, Publication, PublicationKind, Receipt, Topic,
    },
};

use super::{BrokerFixture, Delivery, Recorder, recorder::eventually};

/// As long as any call may take: 5 s, and a little for the machine.
const CALL: Duration = Duration::from_millis(5500);
/// More than any check publishes, unless it is about the bounds.
pub(super) const KEEP: History = History { messages: 1000, bytes: 1 << 24, age: Duration::from_secs(600) };

pub(super) struct Stage<F: BrokerFixture> {
    pub(super) fixture: F,
    pub(super) nodes: Vec<Arc<F::Broker>>,
    pub(super) sinks: Vec<Arc<Recorder>>,
    pub(super) offers: Offers,
    /// New for each check, because a store may be shared by many.
    pub(super) namespace: Namespace,
}

impl<F: BrokerFixture> Stage<F> {
    pub(super) async fn new(mut fixture: F, nodes: usize) -> Self {
        let nodes = fixture.nodes(nodes).await;
        let sinks = nodes.iter().map(|_| Recorder::new()).collect();
        let offers = nodes.first().expect("a fixture gives the nodes that it was asked for").offers();
        let namespace = Namespace::new(format!("/contract/{}", SessionId::random())).expect("a valid name");
        Self { fixture, nodes, sinks, offers, namespace }
    }

    pub(super) fn room(&self, name: &str) -> Topic {
        Topic::room(self.namespace.clone(), RoomName::new(name).expect("a valid name"))
    }

    /// A room to which every node is subscribed.
    pub(super) async fn subscribed_room(&self, name: &str) -> Topic {
        let topic = self.room(name);
        for node in 0..self.nodes.len() {
            self.subscribe(node, &topic).await;
        }
        topic
    }

    pub(super) async fn subscribe(&self, node: usize, topic: &Topic) {
        let sink = self.sinks[node].sink();
        let answer = in_time("subscribe", self.nodes[node].subscribe(topic, &sink)).await;
        answer.unwrap_or_else(|error| panic!("node {node} cannot subscribe to {topic}: {error}"));
    }

    pub(super) async fn unsubscribe(&self, node: usize, topic: &Topic) {
        let answer = in_time("unsubscribe", self.nodes[node].unsubscribe(topic)).await;
        answer.unwrap_or_else(|error| panic!("node {node} cannot unsubscribe from {topic}: {error}"));
    }

    pub(super) async fn publish(
        &self,
        node: usize,
        topic: &Topic,
        publication: &Arc<Publication>,
        history: Option<History>,
    ) -> Receipt {
        let answer = in_time("publish", self.nodes[node].publish(topic, publication.clone(), history)).await;
        answer.unwrap_or_else(|error| panic!("node {node} cannot publish to {topic}: {error}"))
    }

    /// Publishes with history and returns where it stands.
    pub(super) async fn append(&self, node: usize, topic: &Topic, publication: &Arc<Publication>) -> Position {
        let receipt = self.publish(node, topic, publication, Some(KEEP)).await;
        receipt.position.expect("a broker that offers history states the position of what it appended")
    }

    /// Publishes as soon as the broker takes it: after a fault it may need a moment.
    pub(super) async fn publish_when_up(
        &self,
        node: usize,
        topic: &Topic,
        publication: &Arc<Publication>,
        history: Option<History>,
    ) -> Receipt {
        eventually("publishing works again after the fault", async || {
            in_time("publish", self.nodes[node].publish(topic, publication.clone(), history)).await.ok()
        })
        .await
    }

    pub(super) async fn history(&self, node: usize, topic: &Topic, query: HistoryQuery) -> HistoryPage {
        let answer = in_time("history", self.nodes[node].history(topic, query)).await;
        answer.unwrap_or_else(|error| panic!("node {node} cannot read the log of {topic}: {error}"))
    }

    /// The last place of the log.
    pub(super) async fn top(&self, node: usize, topic: &Topic) -> Position {
        self.history(node, topic, HistoryQuery { since: None, max_messages: 0, max_bytes: 0 }).await.top
    }

    /// Publishes one more message and waits until it has arrived at the node. What the same publisher published before has
    /// then arrived too, or never will.
    pub(super) async fn fence(&self, publisher: usize, node: usize, topic: &Topic, history: Option<History>) {
        let fence = say(&format!("fence {}", SessionId::random()));
        let receipt = self.publish(publisher, topic, &fence, history).await;
        let there = |deliveries: &[Delivery]| {
            deliveries.iter().any(|delivery| delivery.publication == fence)
                && (self.offers.ordered || receipt.position.is_none_or(|last| all_before(deliveries, last)))
        };
        self.sinks[node].deliveries_until("a message arrives at a subscribed node", topic, there).await;
    }

    /// What the node was told in `topic`, in its order, without fences, and without the doubles that are allowed.
    pub(super) fn said(&self, node: usize, topic: &Topic) -> Vec<String> {
        let mut deliveries = without_doubles(self.sinks[node].deliveries(topic));
        if !self.offers.ordered {
            // Stable, so that what has no position keeps its order.
            deliveries.sort_by_key(|delivery| delivery.position.map(|position| position.offset));
        }
        deliveries
            .iter()
            .map(|delivery| text(&delivery.publication))
            .filter(|text| !text.starts_with("fence "))
            .collect()
    }

    /// Whether there are logs to check. Where not, checks that the broker says so instead.
    pub(super) async fn has_history(&self) -> bool {
        if self.offers.history {
            return true;
        }
        let topic = self.subscribed_room("without a log").await;
        let query = HistoryQuery { since: None, max_messages: 10, max_bytes: 1000 };
        let answer = in_time("history", self.nodes[0].history(&topic, query)).await;
        assert_eq!(answer.map(drop), Err(BrokerError::NotOffered("history")), "a log that is not offered is not there");
        let receipt = self.publish(0, &topic, &say("x"), Some(KEEP)).await;
        assert_eq!((receipt.position, receipt.level), (None, Level::Accepted), "without a log there is no position");
        self.fence(0, 0, &topic, Some(KEEP)).await;
        let positions = self.sinks[0].deliveries(&topic).into_iter().filter_map(|delivery| delivery.position);
        assert_eq!(positions.count(), 0, "without a log there is no position");
        false
    }

    /// Whether there is presence to check. Where not, checks that the broker says so instead.
    pub(super) async fn has_presence(&self) -> bool {
        if self.offers.presence {
            return true;
        }
        let (node, topic, member) = (&self.nodes[0], self.room("without presence"), member("ann"));
        let not_offered = Err(BrokerError::NotOffered("presence"));
        assert_eq!(in_time("track", node.track(&topic, &member, Duration::from_secs(5))).await, not_offered);
        assert_eq!(in_time("untrack", node.untrack(&topic, member.client_id)).await, not_offered);
        assert_eq!(in_time("presence", node.presence(&topic, 10)).await.map(drop), not_offered);
        false
    }
}

/// # Panics
/// When the call takes longer than any call may.
pub(super) async fn in_time<T>(call: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(CALL, future).await {
        Ok(answer) => answer,
        Err(_) => panic!("{call} did not answer within 5 s"),
    }
}

/// Whether everything before `last` has arrived, in whatever order.
fn all_before(deliveries: &[Delivery], last: Position) -> bool {
    let offsets: HashSet<_> = deliveries.iter().filter_map(|delivery| delivery.position).collect();
    (1..=last.offset).all(|offset| offsets.contains(&Position::new(last.epoch, offset)))
}

/// Leaves out deliveries of a position that was delivered before: the hub drops these by their offset. Deliveries without a
/// position may not come twice.
pub(super) fn without_doubles(deliveries: Vec<Delivery>) -> Vec<Delivery> {
    let mut known = HashSet::new();
    let is_new = |delivery: &Delivery| delivery.position.is_none_or(|position| known.insert(position));
    deliveries.into_iter().filter(is_new).collect()
}

/// A message with this text.
pub(super) fn say(text: &str) -> Arc<Publication> {
    let payload = Payload::new(&serde_json::json!({ "content": text })).expect("an object of a string is JSON");
    Arc::new(Publication::event(EventName::new("message").expect("a valid name"), payload, 1_700_000_000_000))
}

/// The text of a message.
pub(super) fn text(publication: &Publication) -> String {
    let PublicationKind::Event { payload, .. } = &publication.kind else { return format!("{:?}", publication.kind) };
    let value: serde_json::Value = payload.read().unwrap_or_default();
    value["content"].as_str().map_or_else(|| format!("{payload:?}"), str::to_owned)
}

pub(super) fn member(user: &str) -> Member {
    Member { client_id: SessionId::random(), user: Some(user.into()), info: Some(Payload::empty()) }
}
