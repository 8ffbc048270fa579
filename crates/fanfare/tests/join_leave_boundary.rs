//! C7: nothing of a room reaches a session before its join is acknowledged, and nothing after its leave or its removal is.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fanfare::{CloseCode, EventName, Hub, Payload, Reject, RoomName, Select, Session, Verb};
use fanfare_testkit::{Dial, Heard, TestClient, settle};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use serde_json::{Value, json};

async fn publish(hub: &Hub, content: u64) {
    let payload = Payload::new(&json!({"content": content})).unwrap();
    hub.room("r").unwrap().publish_event(EventName::new("message").unwrap(), payload).await.unwrap();
}

/// The words that a client of version 1 heard: whether every one of the room lies between `joined` and `left`.
fn is_bounded(words: &[Value]) -> bool {
    let mut inside = false;
    words.iter().all(|word| match word["type"].as_str().unwrap() {
        "joined" => !std::mem::replace(&mut inside, true),
        "left" => std::mem::replace(&mut inside, false),
        _ => word["room"] != "r" || inside,
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_published_while_permission_is_asked_comes_after_the_acknowledgement() {
    let hub = Hub::builder()
        .permit(async |_: Session, _: RoomName, _: Verb| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, Reject>(())
        })
        .build()
        .unwrap();
    // Somebody is there already, so that the room lives while the permission is asked.
    let bob = TestClient::connect(&hub).await;
    hub.session(&bob.id()).unwrap().join("r").await.unwrap();
    for dial in Dial::forms() {
        let mut ann = dial.connect(&hub).await;
        ann.send(json!({"type": "join_room", "room": "r", "id": 1}));
        settle().await;
        publish(&hub, 1).await;
        ann.expect_nothing().await;
        let answer = ann.recv().await;
        assert_eq!((&answer["id"], &answer["room"]), (&json!(1), &json!("r")));
        assert_eq!(ann.contents().await, [1]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_published_in_the_turn_of_a_leave_comes_before_its_acknowledgement_or_not_at_all() {
    let hub = Hub::builder().build().unwrap();
    for dial in Dial::forms() {
        let mut ann = dial.connect(&hub).await;
        let mut bob = TestClient::connect(&hub).await;
        ann.join("r").await;
        bob.join("r").await;
        settle().await;
        // All of this is one turn: bob's messages fill a batch, ann leaves in the middle of it.
        bob.say("r", 1);
        bob.say("r", 2);
        ann.send(json!({"type": "leave_room", "room": "r", "id": 99}));
        bob.say("r", 3);
        publish(&hub, 4).await;
        settle().await;
        let words = ann.words().await;
        let place = words.iter().position(|word| word["id"] == 99).unwrap();
        assert!(words[place + 1..].is_empty(), "{words:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_taken_out_of_a_room_hears_nothing_of_it_any_more() {
    let hub = Hub::builder().build().unwrap();
    let mut ann = TestClient::connect_v1(&hub).await;
    ann.join("r").await;
    let session = hub.session(&ann.id()).unwrap();
    publish(&hub, 1).await;
    session.leave(&RoomName::new("r").unwrap()).await;
    publish(&hub, 2).await;
    let words = ann.words().await;
    assert_eq!(words.iter().map(|word| word["type"].as_str().unwrap()).collect::<Vec<_>>(), ["message", "left"]);
    assert!(!session.is_in(&RoomName::new("r").unwrap()));
    assert!(session.rooms().is_empty());
    // The same for all sessions that a selection means.
    ann.join("r").await;
    assert_eq!(hub.leave(&Select::all().in_room(RoomName::new("r").unwrap()), &RoomName::new("r").unwrap()).await, 1);
    publish(&hub, 3).await;
    assert_eq!(ann.words().await, [json!({"type": "left", "room": "r"})]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_closed_hears_nothing_after_its_close() {
    let hub = Hub::builder().build().unwrap();
    let mut ann = TestClient::connect(&hub).await;
    ann.join("r").await;
    publish(&hub, 1).await;
    hub.session(&ann.id()).unwrap().close(CloseCode::Kicked);
    publish(&hub, 2).await;
    let all = ann.all().await;
    let kinds: Vec<_> = all
        .iter()
        .map(|heard| match heard {
            Heard::Word(word) => word["content"].to_string(),
            Heard::Close(code, _) => code.to_string(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["1", "4502", "End"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_to_several_rooms_minds_the_boundary_too() {
    let hub = Hub::builder().build().unwrap();
    let mut ann = TestClient::connect_v1(&hub).await;
    ann.join("r").await;
    ann.join("q").await;
    ann.leave("q").await;
    ann.leave("r").await;
    let payload = Payload::new(&json!({"content": 1})).unwrap();
    let union = hub.room("r").unwrap().to().and("q");
    union.publish_event(EventName::new("message").unwrap(), payload).await.unwrap();
    ann.expect_nothing().await;
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn however_joins_and_leaves_and_messages_fall_together_the_boundary_holds(
        slow in any::<bool>(),
        steps in prop::collection::vec(0..12u8, 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let words = runtime.block_on(async {
            let hub = Hub::builder()
                .permit(move |_: Session, _: RoomName, verb: Verb| async move {
                    if slow && verb == Verb::Join {
                        tokio::time::sleep(Duration::from_millis(3)).await;
                    }
                    Ok::<_, Reject>(())
                })
                .build()
                .unwrap();
            let mut bob = TestClient::connect(&hub).await;
            bob.join("r").await;
            let mut ann = TestClient::connect_v1(&hub).await;
            let session = hub.session(&ann.id()).unwrap();
            for (number, step) in steps.iter().enumerate() {
                match step {
                    0..3 => bob.say("r", number),
                    3..5 => publish(&hub, number as u64).await,
                    5 => ann.send(json!({"type": "join_room", "room": "r"})),
                    6 => ann.send(json!({"type": "leave_room", "room": "r"})),
                    7 => session.join("r").await.unwrap(),
                    8 => session.leave(&RoomName::new("r").unwrap()).await,
                    9 => tokio::task::yield_now().await,
                    _ => settle().await,
                }
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
            ann.words().await
        });
        prop_assert!(is_bounded(&words), "{words:#?}");
    }
}
