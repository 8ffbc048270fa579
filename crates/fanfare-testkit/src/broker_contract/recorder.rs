//! A sink that writes everything down, and lets a check wait for it.

use std::{sync::Arc, time::Duration};

use fanfare::{
    Position,
    broker::{BrokerState, Publication, Sink, Topic},
};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::DEADLINE;

/// One call of a sink.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Seen {
    /// [`Sink::deliver`].
    Delivery(Delivery),
    /// [`Sink::gap`].
    Gap(Option<Topic>),
    /// [`Sink::state`].
    State(BrokerState),
}

/// What came with one [`Sink::deliver`].
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "the three arguments of the call")]
pub struct Delivery {
    /// The topic.
    pub topic: Topic,
    /// The publication.
    pub publication: Arc<Publication>,
    /// The position.
    pub position: Option<Position>,
}

/// A sink for tests of brokers. It keeps all that it is told, without a bound.
#[derive(Debug)]
pub struct Recorder {
    seen: Mutex<Vec<Seen>>,
    count: watch::Sender<usize>,
}

impl Recorder {
    /// An empty one.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { seen: Mutex::default(), count: watch::Sender::new(0) })
    }

    /// As what a broker takes.
    pub fn sink(self: &Arc<Self>) -> Arc<dyn Sink> {
        self.clone()
    }

    /// All calls so far, in their order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// All deliveries of `topic` so far, in their order.
    pub fn deliveries(&self, topic: &Topic) -> Vec<Delivery> {
        let of_topic = |seen: &Seen| match seen {
            Seen::Delivery(delivery) if delivery.topic == *topic => Some(delivery.clone()),
            _ => None,
        };
        self.seen.lock().iter().filter_map(of_topic).collect()
    }

    /// Waits until `done` finds in all calls so far what it looks for.
    ///
    /// # Panics
    /// After 5 s, with `what` and all calls so far.
    pub async fn until<T>(&self, what: &str, mut done: impl FnMut(&[Seen]) -> Option<T>) -> T {
        let mut count = self.count.subscribe();
        let found = async {
            loop {
                // Marked as seen before looking, so that what comes meanwhile wakes.
                count.borrow_and_update();
                if let Some(found) = done(&self.seen()) {
                    return found;
                }
                count.changed().await.expect("the recorder has the sender");
            }
        };
        match tokio::time::timeout(DEADLINE, found).await {
            Ok(found) => found,
            Err(_) => panic!("{what}: not within {DEADLINE:?}; the sink saw {}", self.summary()),
        }
    }

    /// Waits until the deliveries of `topic` are what `done` wants, and returns them.
    ///
    /// # Panics
    /// As [`until`](Self::until).
    pub async fn deliveries_until(
        &self,
        what: &str,
        topic: &Topic,
        done: impl Fn(&[Delivery]) -> bool,
    ) -> Vec<Delivery> {
        // Looks at all of them at each call: the numbers here are small.
        self.until(what, |_| {
            let deliveries = self.deliveries(topic);
            done(&deliveries).then_some(deliveries)
        })
        .await
    }

    fn summary(&self) -> String {
        let seen = self.seen.lock();
        // Cut, because a message may be long.
        let short = |seen: &Seen| format!("{seen:?}").chars().take(500).collect::<String>();
        let last: Vec<_> = seen.iter().rev().take(5).map(short).collect();
        format!("{} calls, the last of them, newest first: {last:#?}", seen.len())
    }

    fn note(&self, seen: Seen) {
        self.seen.lock().push(seen);
        self.count.send_modify(|count| *count += 1);
    }
}

impl Sink for Recorder {
    fn deliver(&self, topic: &Topic, publication: Arc<Publication>, position: Option<Position>) {
        self.note(Seen::Delivery(Delivery { topic: topic.clone(), publication, position }));
    }

    fn gap(&self, topic: Option<&Topic>) {
        self.note(Seen::Gap(topic.cloned()));
    }

    fn state(&self, state: BrokerState) {
        self.note(Seen::State(state));
    }
}

/// Asks again and again until the answer is there: for what a broker tells nobody, such as that a lease has ended.
///
/// # Panics
/// After 5 s, with `what`.
pub(super) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    // Paced, so that waiting for a store does not keep it busy.
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    let found = async {
        loop {
            pace.tick().await;
            if let Some(found) = ask().await {
                return found;
            }
        }
    };
    match tokio::time::timeout(DEADLINE, found).await {
        Ok(found) => found,
        Err(_) => panic!("{what}: not within {DEADLINE:?}"),
    }
}
