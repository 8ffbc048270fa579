//! Who gets what is published, and that it arrives as it was.

use std::sync::Arc;

use fanfare::{
    EventName, Member, Payload, RoomName, SessionId,
    broker::{HistoryQuery, Publication, PublicationKind},
};

use super::{
    BrokerFixture,
    stage::{KEEP, Stage, member, say},
};

/// Checks that every node that is subscribed gets a publication once, the publishing node too, from whichever node it is.
pub async fn every_subscribed_node_gets_what_is_published<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 3).await;
    let topic = stage.subscribed_room("lobby").await;
    for publisher in 0..3 {
        stage.publish(publisher, &topic, &say(&format!("from {publisher}")), None).await;
        for node in 0..3 {
            stage.fence(publisher, node, &topic, None).await;
        }
    }
    for node in 0..3 {
        assert_eq!(stage.said(node, &topic), ["from 0", "from 1", "from 2"], "at node {node}");
    }
}

/// Checks that a node gets nothing of topics to which it did not subscribe.
pub async fn a_node_that_is_not_subscribed_gets_nothing<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    let (lobby, other) = (stage.room("lobby"), stage.subscribed_room("other").await);
    stage.subscribe(0, &lobby).await;
    for history in [None, Some(KEEP)] {
        stage.publish(0, &lobby, &say("x"), history).await;
        stage.fence(0, 0, &lobby, history).await;
        stage.fence(0, 1, &other, history).await;
    }
    assert_eq!(stage.said(0, &lobby), ["x", "x"]);
    assert_eq!(stage.sinks[1].deliveries(&lobby), [], "at a node that never subscribed");
}

/// Checks that what is published after `subscribe` has returned is not missed, whoever publishes it.
pub async fn a_subscription_stands_when_subscribe_returns<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    for n in 0..50 {
        let topic = stage.room(&format!("room {n}"));
        stage.subscribe(0, &topic).await;
        stage.publish(1, &topic, &say("first"), None).await;
        stage.fence(1, 0, &topic, None).await;
        assert_eq!(stage.said(0, &topic), ["first"], "in room {n}");
    }
}

/// Checks that what is published after `unsubscribe` has returned does not arrive, and that others get it.
pub async fn nothing_arrives_after_an_unsubscribe<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    let topic = stage.subscribed_room("lobby").await;
    for round in 0..10 {
        stage.publish(1, &topic, &say(&format!("before {round}")), None).await;
        stage.fence(1, 0, &topic, None).await;
        stage.unsubscribe(0, &topic).await;
        stage.publish(1, &topic, &say(&format!("without {round}")), None).await;
        stage.fence(1, 1, &topic, None).await;
        stage.subscribe(0, &topic).await;
    }
    // Whatever was under way to the node arrives before this.
    stage.fence(1, 0, &topic, None).await;
    let before: Vec<_> = (0..10).map(|round| format!("before {round}")).collect();
    assert_eq!(stage.said(0, &topic), before, "at the node that unsubscribed in between");
    assert_eq!(stage.said(1, &topic).len(), 20, "at the node that stayed");
}

/// Checks that a second `subscribe` to the same topic doubles nothing, and that one `unsubscribe` ends it.
pub async fn subscribing_twice_is_subscribing_once<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    let topic = stage.subscribed_room("lobby").await;
    stage.subscribe(0, &topic).await;
    stage.publish(1, &topic, &say("once"), None).await;
    stage.fence(1, 0, &topic, None).await;
    assert_eq!(stage.said(0, &topic), ["once"]);
    stage.unsubscribe(0, &topic).await;
    stage.publish(1, &topic, &say("never"), None).await;
    stage.fence(1, 1, &topic, None).await;
    stage.subscribe(0, &topic).await;
    stage.fence(1, 0, &topic, None).await;
    assert_eq!(stage.said(0, &topic), ["once"], "one unsubscribe ends two subscribes");
}

/// Checks that every field of a publication of every kind is delivered as it was, and stands in the log as it was.
pub async fn every_field_arrives_intact<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    let topic = stage.subscribed_room("lobby").await;
    let room = |name: &str| RoomName::new(name).expect("a valid name");
    let event = |payload| PublicationKind::Event { name: EventName::new("preço").expect("a valid name"), payload };
    let kinds = [
        event(Payload::new(&serde_json::json!({ "a": [1, null, "\u{1F600}\n"] })).expect("it is JSON")),
        event(Payload::new("not an object").expect("it is JSON")),
        event(Payload::binary((0..=255).collect::<Vec<u8>>())),
        PublicationKind::Raw((0..=255).rev().collect::<Vec<u8>>().into()),
        PublicationKind::Raw(Default::default()),
        PublicationKind::Joined(member("ann")),
        PublicationKind::Left(Member { client_id: SessionId::random(), user: None, info: None }),
    ];
    let mut sent = Vec::new();
    for history in [None, Some(KEEP)] {
        for kind in kinds.clone() {
            for volatile in [false, true] {
                let n = sent.len();
                let publication = Publication {
                    kind: kind.clone(),
                    sender: (n % 2 == 0).then(SessionId::random),
                    timestamp: u64::MAX >> n,
                    except: (0..n % 3).map(|_| SessionId::random()).collect(),
                    except_rooms: (0..n % 4).map(|n| room(&format!("except {n}"))).collect(),
                    rooms: (0..n % 5).map(|n| room(&format!("sala \u{e9} {n}"))).collect(),
                    idempotency_key: (n % 3 == 1).then(|| format!("key * {n}").into()),
                    conflation_key: (n % 4 == 2).then(|| format!("clé {n}").into()),
                    volatile,
                };
                let publication = Arc::new(publication);
                stage.publish(0, &topic, &publication, history).await;
                // One at a time: what stands in the log and what does not may come in another order.
                let what = "a publication arrives with every field as it was";
                let there =
                    |deliveries: &[super::Delivery]| deliveries.iter().any(|one| one.publication == publication);
                stage.sinks[1].deliveries_until(what, &topic, there).await;
                sent.push((publication, history));
            }
        }
    }
    if stage.offers.history {
        let query = HistoryQuery { since: None, max_messages: 100, max_bytes: 1 << 20 };
        let page = stage.history(1, &topic, query).await;
        let logged: Vec<_> = page.entries.into_iter().map(|entry| entry.publication).collect();
        let kept = sent.iter().filter(|(publication, history)| history.is_some() && publication.is_kept());
        let kept: Vec<_> = kept.map(|(publication, _)| publication.clone()).collect();
        assert_eq!(logged, kept, "in the log");
    }
}

/// Checks that a message of 64 KiB, the longest that a client may send by default, arrives as it was.
pub async fn large_messages_arrive_intact<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    let topic = stage.subscribed_room("lobby").await;
    let bytes: Vec<u8> = (0..64 * 1024_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let large = Arc::new(Publication::new(PublicationKind::Raw(bytes.into()), 0));
    for history in [None, Some(KEEP)] {
        stage.publish(0, &topic, &large, history).await;
        stage.fence(0, 1, &topic, history).await;
    }
    let deliveries = stage.sinks[1].deliveries(&topic);
    let arrived = deliveries.iter().filter(|delivery| delivery.publication == large).count();
    assert!(arrived >= 2, "{arrived} of 2 messages of 64 KiB arrived as they were");
}
