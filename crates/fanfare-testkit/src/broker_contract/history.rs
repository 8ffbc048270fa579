//! What stands in a log, and what reading it answers. Brokers that offer no history must say so instead.

use std::{sync::Arc, time::Duration};

use fanfare::{
    Epoch, History, Position,
    broker::{HistoryPage, HistoryQuery, Level, Publication, PublicationKind, Topic},
};

use super::{
    BrokerFixture, Delivery,
    recorder::eventually,
    stage::{KEEP, Stage, member, say},
};

fn offsets(page: &HistoryPage) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.position.offset).collect()
}

const fn newest(max_messages: usize, max_bytes: usize) -> HistoryQuery {
    HistoryQuery { since: None, max_messages, max_bytes }
}

const fn since(position: Position, max_messages: usize, max_bytes: usize) -> HistoryQuery {
    HistoryQuery { since: Some(position), max_messages, max_bytes }
}

const PLENTY: usize = 1 << 20;

/// Appends messages of one length with the given bounds; returns one of them.
async fn fill<F: BrokerFixture>(
    stage: &Stage<F>,
    topic: &Topic,
    messages: usize,
    history: History,
) -> Arc<Publication> {
    for n in 0..messages {
        stage.publish(n % stage.nodes.len(), topic, &say(&format!("{n:04}")), Some(history)).await;
    }
    say("0000")
}

/// Checks that a receipt, the deliveries and the log agree on where a message stands, and that the level is one that the broker
/// offers.
pub async fn a_receipt_states_what_happened<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    if !stage.has_history().await {
        return;
    }
    let topic = stage.subscribed_room("lobby").await;
    let plain = stage.publish(0, &topic, &say("no history"), None).await;
    assert_eq!((plain.position, plain.level, plain.duplicate), (None, Level::Accepted, false));
    let message = say("history");
    let receipt = stage.publish(0, &topic, &message, Some(KEEP)).await;
    assert!(receipt.level >= Level::Appended && receipt.level <= stage.offers.level, "{receipt:?}");
    assert!(!receipt.duplicate, "{receipt:?}");
    for node in 0..2 {
        let there = |deliveries: &[Delivery]| deliveries.iter().any(|delivery| delivery.publication == message);
        let deliveries = stage.sinks[node].deliveries_until("the message arrives", &topic, there).await;
        let delivery = deliveries.iter().find(|delivery| delivery.publication == message);
        assert_eq!(delivery.map(|delivery| delivery.position), Some(receipt.position), "the delivery at node {node}");
        let page = stage.history(node, &topic, newest(10, PLENTY)).await;
        let logged: Vec<_> = page.entries.iter().map(|entry| (Some(entry.position), &entry.publication)).collect();
        assert_eq!(logged, [(receipt.position, &message)], "the log as node {node} reads it");
        assert_eq!(Some(page.top), receipt.position, "the top as node {node} reads it");
    }
}

/// Checks that volatile publications, joins, leaves, and what is published without history get no position and no place in the
/// log, and that they are delivered all the same.
pub async fn what_is_not_kept_leaves_the_log_alone<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    if !stage.has_history().await {
        return;
    }
    let topic = stage.subscribed_room("lobby").await;
    let before = stage.append(0, &topic, &say("kept")).await;
    let volatile = Arc::new(Publication { volatile: true, ..Publication::clone(&say("typing")) });
    let joined = Arc::new(Publication::new(PublicationKind::Joined(member("ann")), 0));
    let left = Arc::new(Publication::new(PublicationKind::Left(member("ann")), 0));
    for (publication, history) in [(volatile, Some(KEEP)), (joined, Some(KEEP)), (left, Some(KEEP)), (say("x"), None)] {
        let receipt = stage.publish(0, &topic, &publication, history).await;
        assert_eq!((receipt.position, receipt.level), (None, Level::Accepted), "{publication:?}");
        let there = |deliveries: &[Delivery]| deliveries.iter().any(|delivery| delivery.publication == publication);
        let deliveries = stage.sinks[1].deliveries_until("what is not kept is delivered", &topic, there).await;
        let delivered = deliveries.iter().filter(|delivery| delivery.publication == publication);
        assert_eq!(delivered.map(|delivery| delivery.position).collect::<Vec<_>>(), [None], "{publication:?}");
    }
    assert_eq!(stage.top(1, &topic).await, before, "the log is as it was");
    assert_eq!(stage.append(1, &topic, &say("kept")).await, Position::new(before.epoch, 2), "and goes on as it was");
}

/// Checks what is read without a place: the newest messages that fit the limits, oldest first, one at least.
pub async fn history_without_a_place_is_the_newest_messages<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    if !stage.has_history().await {
        return;
    }
    let topic = stage.room("lobby");
    let length = fill(&stage, &topic, 10, KEEP).await.len();
    for (query, expected) in [
        (newest(100, PLENTY), (1..=10).collect()),
        (newest(3, PLENTY), vec![8, 9, 10]),
        (newest(0, PLENTY), vec![]),
        (newest(0, 0), vec![]),
        (newest(100, length * 2), vec![9, 10]),
        (newest(100, length * 3 - 1), vec![9, 10]),
        (newest(100, 1), vec![10]),
    ] {
        for node in 0..2 {
            let page = stage.history(node, &topic, query).await;
            assert_eq!((offsets(&page), page.top.offset, page.complete), (expected.clone(), 10, true), "{query:?}");
            assert!(page.entries.iter().all(|entry| entry.position.epoch == page.top.epoch), "a page is of one epoch");
        }
    }
}

/// Checks what is read since a place: everything after it, or nothing and the word that it is not complete.
pub async fn history_since_a_place_is_all_or_nothing<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    if !stage.has_history().await {
        return;
    }
    let topic = stage.room("lobby");
    let length = fill(&stage, &topic, 10, KEEP).await.len();
    let epoch = stage.top(0, &topic).await.epoch;
    for place in 0..=10_u64 {
        let position = Position::new(epoch, place);
        let missed = 10 - place as usize;
        let mut queries = vec![
            (since(position, 100, PLENTY), true),
            (since(position, missed, PLENTY), true),
            (since(position, missed, missed * length), true),
            // One message is returned even if it is larger.
            (since(position, missed, (missed * length).saturating_sub(1)), missed <= 1),
        ];
        if missed > 0 {
            queries.push((since(position, missed - 1, PLENTY), false));
        }
        for (query, complete) in queries {
            let page = stage.history(1, &topic, query).await;
            let expected = if complete { (place + 1..=10).collect() } else { vec![] };
            let answer = (offsets(&page), page.top, page.complete);
            assert_eq!(answer, (expected, Position::new(epoch, 10), complete), "{query:?}");
        }
    }
}

/// Checks that a place of another epoch, and one ahead of the log, are answered with "not complete" and nothing else.
pub async fn a_place_that_the_log_does_not_know_is_told<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 1).await;
    if !stage.has_history().await {
        return;
    }
    let topic = stage.room("lobby");
    fill(&stage, &topic, 3, KEEP).await;
    let top = stage.top(0, &topic).await;
    let other = Epoch(top.epoch.0 ^ 1);
    let untouched = stage.room("untouched");
    for (topic, place) in [
        (&topic, Position::new(top.epoch, 4)),
        (&topic, Position::new(top.epoch, u64::MAX)),
        (&topic, Position::new(other, 0)),
        (&topic, Position::new(other, 2)),
        (&topic, Position::new(other, 3)),
        (&untouched, top),
    ] {
        let page = stage.history(0, topic, since(place, 100, PLENTY)).await;
        assert_eq!(
            (offsets(&page), page.complete),
            (vec![], false),
            "since {place:?} in {topic}, whose top is {:?}",
            page.top
        );
    }
}

/// Checks that a log keeps no more than it was asked to by much, and that a reader who is behind that is told.
pub async fn a_trimmed_log_is_told<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    if !stage.has_history().await {
        return;
    }
    let length = say("0000").len();
    for (name, history) in
        [("messages", History { messages: 5, ..KEEP }), ("bytes", History { bytes: length * 5, ..KEEP })]
    {
        let topic = stage.room(name);
        // So many, because a store may trim by blocks.
        fill(&stage, &topic, 300, history).await;
        let top = stage.top(1, &topic).await;
        assert_eq!(top.offset, 300, "trimming does not count back");
        let page = stage.history(1, &topic, since(Position::new(top.epoch, 0), 1000, PLENTY)).await;
        assert_eq!((offsets(&page), page.complete), (vec![], false), "bounded by {name}");
        let page = stage.history(1, &topic, since(Position::new(top.epoch, 295), 1000, PLENTY)).await;
        assert_eq!((offsets(&page), page.complete), ((296..=300).collect(), true), "bounded by {name}");
    }
}

/// Checks that messages are not given out for long after they are too old, and that a reader who missed them is told.
pub async fn messages_that_are_too_old_are_gone<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 1).await;
    if !stage.has_history().await {
        return;
    }
    let topic = stage.room("lobby");
    fill(&stage, &topic, 3, History { age: Duration::from_secs(1), ..KEEP }).await;
    let epoch = stage.top(0, &topic).await.epoch;
    eventually("messages older than a second are gone", async || {
        let page = stage.history(0, &topic, newest(100, PLENTY)).await;
        page.entries.is_empty().then_some(())
    })
    .await;
    let page = stage.history(0, &topic, since(Position::new(epoch, 0), 100, PLENTY)).await;
    assert_eq!((offsets(&page), page.complete), (vec![], false), "what was missed is told");
}

/// Checks that the top of a log that nobody wrote to is a place of its epoch that stays, for every node, so that a reader who
/// begins there misses nothing.
pub async fn the_top_of_an_untouched_log_stays<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    if !stage.has_history().await {
        return;
    }
    let topic = stage.room("lobby");
    let top = stage.top(0, &topic).await;
    assert_eq!(top.offset, 0);
    assert_eq!(stage.top(1, &topic).await, top, "at the other node");
    let page = stage.history(1, &topic, since(top, 10, PLENTY)).await;
    assert_eq!((offsets(&page), page.top, page.complete), (vec![], top, true));
    let first = stage.append(1, &topic, &say("x")).await;
    assert_eq!(first, Position::new(top.epoch, 1), "the first message is of the epoch that was given out");
    let page = stage.history(0, &topic, since(top, 10, PLENTY)).await;
    assert_eq!((offsets(&page), page.top, page.complete), (vec![1], first, true));
}
