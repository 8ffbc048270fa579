//! C8: a lost session goes on in a new connection: with a token that works once, after its credentials and permissions were asked again, at a bounded cost.
#![allow(clippy::unwrap_used)]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use fanfare::{
    EventName, Handshake, History, Hub, HubBuilder, Identity, Payload, Refusal, Reject, RoomName, RoomPolicy, Session,
    Verb,
};
use fanfare_testkit::{Dial, TestClient, settle};
use serde_json::{Value, json};

fn builder() -> HubBuilder {
    Hub::builder().rooms(|_, room| match room.as_str() {
        "fleeting" => RoomPolicy::default(),
        _ => RoomPolicy { announce_up_to: 0, ..RoomPolicy::with_history(History::last(1000)) },
    })
}

async fn publish(hub: &Hub, room: &str, content: u64) {
    let payload = Payload::new(&json!({"content": content})).unwrap();
    hub.room(room).unwrap().publish_event(EventName::new("message").unwrap(), payload).await.unwrap();
}

async fn direct(session: &Session, content: u64) {
    let payload = Payload::new(&json!({"content": content})).unwrap();
    session.send_event(EventName::new("direct").unwrap(), payload).await.unwrap();
}

/// The contents of a room's messages, or of direct ones where `room` is null.
fn contents(words: &[Value], room: Value) -> Vec<u64> {
    words.iter().filter(|word| word["room"] == room).filter_map(|word| word["content"].as_u64()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_goes_on_with_its_id_its_rooms_and_what_it_missed() {
    for dial in [Dial::v1(), Dial::v1_binary()] {
        let hub = builder().build().unwrap();
        let mut ann = dial.clone().connect(&hub).await;
        assert_eq!(ann.connected.get("resumed"), None);
        ann.join("a").await;
        ann.join("b").await;
        publish(&hub, "a", 1).await;
        direct(&hub.session(&ann.id()).unwrap(), 1).await;
        ann.words().await;
        ann.cut();
        settle().await;
        assert_eq!((hub.stats().sessions, hub.stats().resumable), (0, 1));
        for content in 2..=5 {
            publish(&hub, "a", content).await;
            publish(&hub, "b", content).await;
        }
        let mut again = dial.resuming(&ann).connect(&hub).await;
        assert_eq!((&again.connected["resumed"], again.id()), (&json!(true), ann.id()));
        assert_ne!(again.connected["resume"], ann.connected["resume"]);
        publish(&hub, "a", 6).await;
        let words = again.words().await;
        let joined: Vec<&Value> = words.iter().filter(|word| word["type"] == "joined").collect();
        assert!(joined.len() == 2 && joined.iter().all(|word| word["recovered"] == true), "{words:?}");
        assert_eq!(contents(&words, "a".into()), [2, 3, 4, 5, 6]);
        assert_eq!(contents(&words, "b".into()), [2, 3, 4, 5]);
        assert_eq!(hub.session(&ann.id()).unwrap().rooms().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_to_a_session_that_had_vanished_is_there_when_it_comes_back() {
    let hub = builder().build().unwrap();
    for known in [0, 3] {
        let mut ann = TestClient::connect_v1(&hub).await;
        let session = hub.session(&ann.id()).unwrap();
        for content in 0..known {
            direct(&session, content).await;
        }
        ann.words().await;
        ann.vanish();
        for content in known..known + 10 {
            direct(&session, content).await;
        }
        settle().await;
        let mut again = Dial::v1().resuming(&ann).connect(&hub).await;
        assert_eq!(contents(&again.words().await, Value::Null), (known..known + 10).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_that_come_with_one_token_exactly_one_goes_on() {
    // With the old connection gone, and with it still there.
    for gone in [true, false] {
        let hub = builder().build().unwrap();
        let mut ann = TestClient::connect_v1(&hub).await;
        ann.join("a").await;
        if gone {
            ann.cut();
            settle().await;
        }
        let mut both = Vec::new();
        for _ in 0..2 {
            both.push(Dial::v1().resuming(&ann).greet(&hub).await.unwrap());
        }
        let mut resumed = Vec::new();
        for client in &mut both {
            let connected = client.await_connected().await;
            resumed.push((connected["resumed"].clone(), connected.get("reason").cloned()));
        }
        resumed.sort_by_key(|(resumed, _)| resumed.to_string());
        assert_eq!(resumed, [(json!(false), Some(json!("unknown_token"))), (json!(true), None)]);
        assert_ne!(both[0].id(), both[1].id());
        assert_eq!(hub.stats().sessions, 2);
        if !gone {
            assert_eq!(ann.closed().await.0, 4003);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_old_connection_is_still_open_moves_to_the_new_one() {
    let hub = builder().build().unwrap();
    let mut ann = TestClient::connect_v1(&hub).await;
    ann.join("a").await;
    let mut again = Dial::v1().resuming(&ann).connect(&hub).await;
    assert_eq!((again.id(), ann.closed().await), (ann.id(), (4003, "resumed elsewhere".to_owned())));
    again.expect("joined").await;
    publish(&hub, "a", 1).await;
    assert_eq!(again.expect("message").await["content"], 1);
    ann.ended().await;
    assert_eq!((hub.stats().sessions, hub.stats().resumable), (1, 0));
}

fn by_token(builder: HubBuilder) -> Hub {
    let user = async |handshake: Arc<Handshake>| {
        handshake.token().map(Identity::user).ok_or_else(|| Refusal::unauthorized("a name is wanted"))
    };
    builder.authenticate(user).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_token_in_the_wrong_hands_is_refused_and_harms_nobody() {
    for gone in [false, true] {
        let hub = by_token(builder());
        let mut ann = Dial::v1().token("ann").connect(&hub).await;
        if gone {
            ann.cut();
            settle().await;
        }
        let eve = Dial::v1().token("eve").resuming(&ann).connect(&hub).await;
        // Not even that there is such a token.
        assert_eq!((&eve.connected["resumed"], &eve.connected["reason"]), (&json!(false), &json!("unknown_token")));
        assert_ne!(eve.id(), ann.id());
        if !gone {
            ann.expect_nothing().await;
        }
        let again = Dial::v1().token("ann").resuming(&ann).connect(&hub).await;
        assert_eq!((&again.connected["resumed"], again.id()), (&json!(true), ann.id()));
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_are_asked_again_and_a_wrong_one_does_not_burn_the_token() {
    let hub = by_token(builder());
    let mut ann = Dial::v1().token("ann").connect(&hub).await;
    ann.cut();
    settle().await;
    assert!(matches!(Dial::v1().resuming(&ann).greet(&hub).await.map(drop), Err(Refusal::Unauthorized(_))));
    let again = Dial::v1().token("ann").resuming(&ann).connect(&hub).await;
    assert_eq!(again.connected["resumed"], true);
}

#[tokio::test(start_paused = true)]
async fn the_permission_for_each_room_is_asked_again() {
    let allowed = Arc::new(AtomicBool::new(true));
    let now = allowed.clone();
    let hub = builder()
        .permit(move |_: Session, room: RoomName, _: Verb| {
            let refused = room.as_str() == "a" && !now.load(Ordering::Relaxed);
            async move { if refused { Err(Reject::forbidden("not any more")) } else { Ok(()) } }
        })
        .build()
        .unwrap();
    let mut ann = TestClient::connect_v1(&hub).await;
    ann.join("a").await;
    ann.join("b").await;
    ann.cut();
    settle().await;
    allowed.store(false, Ordering::Relaxed);
    publish(&hub, "a", 1).await;
    publish(&hub, "b", 2).await;
    let mut again = Dial::v1().resuming(&ann).connect(&hub).await;
    let words = again.words().await;
    assert_eq!(contents(&words, "a".into()), [0; 0]);
    assert_eq!(contents(&words, "b".into()), [2]);
    // The client believes that it is in the room, so it is told that it is not.
    assert!(words.iter().any(|word| word["type"] == "left" && word["room"] == "a"), "{words:?}");
    assert_eq!(hub.session(&ann.id()).unwrap().rooms(), [RoomName::new("b").unwrap()]);
}
