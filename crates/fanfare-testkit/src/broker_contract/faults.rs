//! What a broker does when its network or its store fails, for fixtures that can make them fail.

use fanfare::{
    Position,
    broker::{Broker, BrokerState, HistoryQuery, Topic},
};

use super::{
    BrokerFixture, Seen,
    stage::{KEEP, Stage, in_time, say, text},
};

async fn cut<F: BrokerFixture>(stage: &mut Stage<F>, node: usize) {
    let there = stage.fixture.cut(&stage.nodes[node]).await;
    assert!(there, "the fixture cannot cut a node: leave `cut` out of `broker_contract_tests!`");
    let degraded = |seen: &[Seen]| seen.contains(&Seen::State(BrokerState::Degraded)).then_some(());
    stage.sinks[node].until("a node that is cut off tells its state", degraded).await;
}

/// Heals the node and returns how many calls its sink had seen before.
async fn heal<F: BrokerFixture>(stage: &mut Stage<F>, node: usize) -> usize {
    let before = stage.sinks[node].seen().len();
    assert!(stage.fixture.heal(&stage.nodes[node]).await, "the fixture cannot heal a node that it cut");
    let up = |seen: &[Seen]| seen[before..].contains(&Seen::State(BrokerState::Up)).then_some(());
    stage.sinks[node].until("a node that is healed tells its state", up).await;
    before
}

fn is_gap(seen: &Seen, topic: &Topic) -> bool {
    matches!(seen, Seen::Gap(of) if of.as_ref().is_none_or(|of| of == topic))
}

/// Checks that a node that is cut off refuses to publish, with history and without, and to read, each within 5 s, and says
/// that it is degraded; and that it works again when it is healed.
pub async fn a_cut_node_refuses_and_never_hangs<F: BrokerFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, 2).await;
    let topic = stage.subscribed_room("lobby").await;
    cut(&mut stage, 0).await;
    let node = stage.nodes[0].clone();
    for history in [None, Some(KEEP)] {
        let answer = in_time("publish", node.publish(&topic, say("lost"), history)).await;
        assert!(answer.is_err(), "a node that is cut off says that it published: {answer:?}");
    }
    if stage.offers.history {
        let query = HistoryQuery { since: None, max_messages: 1, max_bytes: 1000 };
        let answer = in_time("history", node.history(&topic, query)).await;
        assert!(answer.is_err(), "a node that is cut off says what stands in the log: {answer:?}");
    }
    heal(&mut stage, 0).await;
    stage.publish_when_up(0, &topic, &say("back"), None).await;
    let back = |seen: &[Seen]| seen.iter().any(|seen| is_message(seen, "back")).then_some(());
    stage.sinks[1].until("what a healed node publishes arrives", back).await;
}

/// Checks that what was published while a node was cut off is delivered to it afterwards, or that its sink is told of a gap; and
/// that its subscriptions stand.
pub async fn what_a_healed_node_missed_is_told<F: BrokerFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, 2).await;
    let topics = [stage.subscribed_room("a").await, stage.subscribed_room("b").await];
    cut(&mut stage, 0).await;
    for topic in &topics {
        stage.publish(1, topic, &say("missed"), None).await;
        stage.fence(1, 1, topic, None).await;
    }
    let before = heal(&mut stage, 0).await;
    for topic in &topics {
        let told = |seen: &[Seen]| {
            let of_topic = |one: &Seen| is_gap(one, topic) || is_delivery(one, topic, "missed");
            seen[before..].iter().any(of_topic).then_some(())
        };
        stage.sinks[0].until("a healed node gets what it missed, or a gap", told).await;
        let there = |seen: &[Seen]| seen.iter().any(|one| is_delivery(one, topic, "back")).then_some(());
        stage.publish_when_up(1, topic, &say("back"), None).await;
        stage.sinks[0].until("a healed node is still subscribed", there).await;
    }
}

/// Checks that a node that was cut off reads from the log what it missed, and that its order goes on without a hole.
pub async fn a_healed_node_reads_what_it_missed<F: BrokerFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, 2).await;
    if !stage.has_history().await {
        return;
    }
    let topic = stage.subscribed_room("lobby").await;
    let first = stage.append(0, &topic, &say("first")).await;
    cut(&mut stage, 0).await;
    for text in ["second", "third"] {
        stage.append(1, &topic, &say(text)).await;
    }
    let before = heal(&mut stage, 0).await;
    let told = |seen: &[Seen]| {
        let of_topic = |one: &Seen| is_gap(one, &topic) || is_delivery(one, &topic, "third");
        seen[before..].iter().any(of_topic).then_some(())
    };
    stage.sinks[0].until("a healed node gets what it missed, or a gap", told).await;
    let fourth = stage.publish_when_up(0, &topic, &say("fourth"), Some(KEEP)).await;
    assert_eq!(fourth.position, Some(Position::new(first.epoch, 4)), "a cut does not lose the log");
    let query = HistoryQuery { since: Some(first), max_messages: 10, max_bytes: 1 << 20 };
    let page = stage.history(0, &topic, query).await;
    let texts: Vec<_> = page.entries.iter().map(|entry| text(&entry.publication)).collect();
    assert_eq!((texts, page.complete), (["second", "third", "fourth"].map(str::to_owned).to_vec(), true));
}

/// Checks that after a store lost its logs every node is told of a gap within 5 s, and that what is published then stands in a
/// new epoch (promise C5).
pub async fn a_lost_log_begins_a_new_epoch_and_says_so<F: BrokerFixture>(fixture: F) {
    let mut stage = Stage::new(fixture, 2).await;
    if !stage.has_history().await {
        return;
    }
    let topic = stage.subscribed_room("lobby").await;
    let mut last = None;
    for n in 0..3 {
        last = Some(stage.append(0, &topic, &say(&n.to_string())).await);
    }
    let last = last.expect("three were appended");
    for node in 0..2 {
        stage.fence(0, node, &topic, Some(KEEP)).await;
    }
    let before: Vec<_> = stage.sinks.iter().map(|sink| sink.seen().len()).collect();
    assert!(
        stage.fixture.lose().await,
        "the fixture cannot lose its logs: leave `lose` out of `broker_contract_tests!`"
    );
    for (sink, before) in stage.sinks.iter().zip(before) {
        let gap = |seen: &[Seen]| seen[before..].iter().any(|one| is_gap(one, &topic)).then_some(());
        sink.until("every node is told that the log was lost", gap).await;
    }
    let receipt = stage.publish_when_up(1, &topic, &say("new"), Some(KEEP)).await;
    let position = receipt.position.expect("the broker offers history");
    assert!(position.epoch != last.epoch, "{position:?} is of the epoch that was lost");
    assert_eq!(position.offset, 1, "a new epoch begins at 1");
    let query = HistoryQuery { since: Some(last), max_messages: 10, max_bytes: 1 << 20 };
    let page = stage.history(0, &topic, query).await;
    assert!(!page.complete && page.entries.is_empty(), "a place of the lost epoch is not complete: {page:?}");
}

fn is_message(seen: &Seen, said: &str) -> bool {
    matches!(seen, Seen::Delivery(delivery) if text(&delivery.publication) == said)
}

fn is_delivery(seen: &Seen, topic: &Topic, said: &str) -> bool {
    matches!(seen, Seen::Delivery(delivery) if delivery.topic == *topic) && is_message(seen, said)
}
