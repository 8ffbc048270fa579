//! The broker contract finds the faults that it is there for: each is planted in a good broker, and the check of its name fails.
#![allow(clippy::unwrap_used)]

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use fanfare::{
    History, Member, Namespace, Position, RoomName, SessionId,
    broker::{
        Broker, BrokerError, BrokerState, HistoryPage, HistoryQuery, MemoryBroker, MemoryBus, Offers, Publication,
        Receipt, Sink, Target, Topic,
    },
};
use fanfare_testkit::broker_contract::{self, BrokerFixture};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Good,
    DropsEachTenthDelivery,
    SwapsDeliveries,
    DoublesDeliveries,
    ForgetsGaps,
    ForgetsKeys,
    ForgetsAField,
    LeaksAcrossNamespaces,
    JoinsNamesByAColon,
    FoldsCase,
    ForgetsUnsubscribe,
    ReadsPartially,
    HangsWhenCut,
    ForgetsUntrack,
    NeverEndsALease,
    HidesThatItHasNoPresence,
}

use Fault::*;

struct Broken {
    broker: MemoryBroker,
    fault: Fault,
    /// To which topics it is subscribed.
    subscribed: Arc<Mutex<Vec<Topic>>>,
}

impl Broken {
    /// What the fault makes of a topic's name.
    fn rename(&self, topic: &Topic) -> Topic {
        let mut topic = topic.clone();
        match (self.fault, &topic.target) {
            (JoinsNamesByAColon, Target::Room(room)) => {
                topic.target = Target::Room(RoomName::new(format!("{}:{room}", topic.namespace)).unwrap());
                topic.namespace = Namespace::default();
            }
            (FoldsCase, Target::Room(room)) => {
                topic.target = Target::Room(RoomName::new(room.as_str().to_lowercase()).unwrap());
            }
            _ => {}
        }
        topic
    }
}

#[async_trait]
impl Broker for Broken {
    fn offers(&self) -> Offers {
        let mut offers = self.broker.offers();
        offers.presence &= self.fault != HidesThatItHasNoPresence;
        offers
    }

    async fn publish(
        &self,
        topic: &Topic,
        mut publication: Arc<Publication>,
        history: Option<History>,
    ) -> Result<Receipt, BrokerError> {
        match self.fault {
            ForgetsKeys => Arc::make_mut(&mut publication).idempotency_key = None,
            ForgetsAField => Arc::make_mut(&mut publication).conflation_key = None,
            _ => {}
        }
        let answer = self.broker.publish(&self.rename(topic), publication, history).await;
        match answer {
            Err(BrokerError::Unavailable) if self.fault == HangsWhenCut => pending().await,
            answer => answer,
        }
    }

    async fn subscribe(&self, topic: &Topic, sink: &Arc<dyn Sink>) -> Result<(), BrokerError> {
        self.subscribed.lock().unwrap().push(topic.clone());
        let broken = BrokenSink {
            sink: sink.clone(),
            topic: topic.clone(),
            fault: self.fault,
            subscribed: self.subscribed.clone(),
            calls: AtomicUsize::new(0),
            held: Mutex::default(),
        };
        self.broker.subscribe(&self.rename(topic), &(Arc::new(broken) as Arc<dyn Sink>)).await
    }

    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BrokerError> {
        if self.fault == ForgetsUnsubscribe { Ok(()) } else { self.broker.unsubscribe(&self.rename(topic)).await }
    }

    async fn history(&self, topic: &Topic, query: HistoryQuery) -> Result<HistoryPage, BrokerError> {
        let topic = self.rename(topic);
        let page = self.broker.history(&topic, query).await?;
        if self.fault == ReadsPartially && !page.complete {
            let newest = self.broker.history(&topic, HistoryQuery { since: None, ..query }).await?;
            return Ok(HistoryPage { complete: false, ..newest });
        }
        Ok(page)
    }

    async fn track(&self, topic: &Topic, member: &Member, lease: Duration) -> Result<(), BrokerError> {
        let lease = if self.fault == NeverEndsALease { Duration::MAX } else { lease };
        self.broker.track(&self.rename(topic), member, lease).await
    }

    async fn untrack(&self, topic: &Topic, session: SessionId) -> Result<(), BrokerError> {
        if self.fault == ForgetsUntrack { Ok(()) } else { self.broker.untrack(&self.rename(topic), session).await }
    }

    async fn presence(&self, topic: &Topic, limit: usize) -> Result<(Vec<Member>, usize), BrokerError> {
        self.broker.presence(&self.rename(topic), limit).await
    }
}

struct BrokenSink {
    sink: Arc<dyn Sink>,
    /// The name under which it was subscribed.
    topic: Topic,
    fault: Fault,
    subscribed: Arc<Mutex<Vec<Topic>>>,
    calls: AtomicUsize,
    /// A delivery that waits for the next to overtake it.
    held: Mutex<Option<(Arc<Publication>, Option<Position>)>>,
}

impl Sink for BrokenSink {
    fn deliver(&self, _: &Topic, publication: Arc<Publication>, position: Option<Position>) {
        let deliver = |(publication, position)| self.sink.deliver(&self.topic, publication, position);
        let delivery = (publication, position);
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            DropsEachTenthDelivery if call % 10 == 9 => {}
            DoublesDeliveries => {
                deliver(delivery.clone());
                deliver(delivery);
            }
            SwapsDeliveries if call % 10 == 3 => *self.held.lock().unwrap() = Some(delivery),
            SwapsDeliveries => {
                deliver(delivery);
                if let Some(overtaken) = self.held.lock().unwrap().take() {
                    deliver(overtaken);
                }
            }
            LeaksAcrossNamespaces => {
                let subscribed = self.subscribed.lock().unwrap();
                for topic in subscribed.iter().filter(|topic| topic.target == self.topic.target) {
                    self.sink.deliver(topic, delivery.0.clone(), delivery.1);
                }
            }
            _ => deliver(delivery),
        }
    }

    fn gap(&self, topic: Option<&Topic>) {
        if self.fault != ForgetsGaps {
            self.sink.gap(topic);
        }
    }

    fn state(&self, state: BrokerState) {
        self.sink.state(state);
    }
}

struct Cluster {
    bus: MemoryBus,
    fault: Fault,
}

impl Cluster {
    fn with(fault: Fault) -> Self {
        Self { bus: MemoryBus::new(), fault }
    }
}

#[async_trait]
impl BrokerFixture for Cluster {
    type Broker = Broken;

    async fn nodes(&mut self, n: usize) -> Vec<Arc<Broken>> {
        let broken = |_| Arc::new(Broken { broker: self.bus.broker(), fault: self.fault, subscribed: Arc::default() });
        (0..n).map(broken).collect()
    }

    async fn cut(&mut self, node: &Arc<Broken>) -> bool {
        self.bus.cut(&node.broker);
        true
    }

    async fn heal(&mut self, node: &Arc<Broken>) -> bool {
        self.bus.heal(&node.broker);
        true
    }

    async fn lose(&mut self) -> bool {
        self.bus.lose();
        true
    }
}

/// One test for each fault: the check passes without it, and fails with it, in these words. The clock is virtual, so that
/// waiting in vain takes no time.
macro_rules! found {
    ($($name:ident: $fault:ident fails $check:ident with $words:literal;)+) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                broker_contract::$check(Cluster::with(Good)).await;
                let local = tokio::task::LocalSet::new();
                let check = local.spawn_local(broker_contract::$check(Cluster::with($fault)));
                let panic = local.run_until(check).await.expect_err("the check does not find the fault").into_panic();
                let words = panic.downcast_ref::<String>().expect("every check fails with a message");
                assert!(words.contains($words), "it failed in other words: {words}");
            }
        )+
    };
}

found! {
    a_dropped_delivery_is_found: DropsEachTenthDelivery fails a_publishers_messages_arrive_in_its_order
        with "of node 0 at node 0";
    a_dropped_delivery_with_history_is_found: DropsEachTenthDelivery fails all_nodes_see_one_order_without_holes
        with "every message arrives at every node";
    two_swapped_deliveries_are_found: SwapsDeliveries fails a_publishers_messages_arrive_in_its_order
        with "of node 0 at node 0";
    two_swapped_deliveries_with_history_are_found: SwapsDeliveries fails all_nodes_see_one_order_without_holes
        with "the order at node 0 is not that of the receipts";
    a_doubled_delivery_is_found: DoublesDeliveries fails every_subscribed_node_gets_what_is_published
        with "at node 0";
    a_gap_that_is_forgotten_after_a_cut_is_found: ForgetsGaps fails what_a_healed_node_missed_is_told
        with "a healed node gets what it missed, or a gap";
    a_gap_that_is_forgotten_after_a_loss_is_found: ForgetsGaps fails a_lost_log_begins_a_new_epoch_and_says_so
        with "every node is told that the log was lost";
    an_append_doubled_under_one_key_is_found: ForgetsKeys fails a_publication_with_a_key_is_applied_once
        with "the same key again, from node 0";
    concurrent_appends_under_one_key_are_found: ForgetsKeys fails a_key_used_at_once_on_two_nodes_is_applied_once
        with "one is applied";
    a_forgotten_field_is_found: ForgetsAField fails every_field_arrives_intact
        with "arrives with every field as it was";
    a_leak_across_namespaces_is_found: LeaksAcrossNamespaces fails namespaces_are_apart
        with "it was sent its number twice and nothing else";
    an_ambiguous_name_is_found: JoinsNamesByAColon fails namespaces_are_apart
        with "a message arrives at a subscribed node";
    a_folded_name_is_found: FoldsCase fails rooms_of_similar_names_are_apart
        with "a message arrives at a subscribed node";
    a_subscription_that_does_not_end_is_found: ForgetsUnsubscribe fails nothing_arrives_after_an_unsubscribe
        with "at the node that unsubscribed in between";
    a_partial_page_is_found: ReadsPartially fails history_since_a_place_is_all_or_nothing
        with "max_messages: 10";
    a_partial_page_of_a_trimmed_log_is_found: ReadsPartially fails a_trimmed_log_is_told
        with "bounded by messages";
    a_publish_that_hangs_is_found: HangsWhenCut fails a_cut_node_refuses_and_never_hangs
        with "publish did not answer within 5 s";
    a_ghost_is_found: ForgetsUntrack fails who_is_untracked_is_seen_no_more
        with "who is untracked is seen no more";
    a_lease_without_an_end_is_found: NeverEndsALease fails a_lease_ends_by_itself
        with "a lease of a second ends";
    an_offer_that_is_not_made_is_found: HidesThatItHasNoPresence fails who_is_tracked_is_seen_on_every_node
        with "NotOffered";
}
