//! C6: presence is the set of live sessions: nobody who is there is missing, and no ghost stays behind, however a session ended.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use fanfare::{
    CloseCode, Config, Handshake, Hub, Identity, Payload, Refusal, Reject, RoomChange, RoomName, RoomPolicy, Session,
    SessionId, Verb, broker::Topic,
};
use fanfare_testkit::{Dial, TestClient, settle};
use serde_json::{Value, json};

/// A hub whose users log in by a token that is their name.
fn hub() -> Hub {
    let name = async |handshake: Arc<Handshake>| {
        let name = handshake.token().ok_or_else(|| Refusal::unauthorized("a name is wanted"))?;
        let info = Payload::new(&json!({"colour": "red"})).unwrap();
        Ok(Identity::user(name).with_info(info))
    };
    let config = Config { jitter_pings: false, ..Config::default() };
    Hub::builder().config(config).authenticate(name).build().unwrap()
}

async fn login(hub: &Hub, name: &str) -> TestClient {
    Dial::v1().token(name).connect(hub).await
}

/// The ids that `presence` tells, in order.
async fn present(client: &mut TestClient, room: &str) -> Vec<String> {
    let answer = client.ask(json!({"type": "presence", "room": room})).await;
    let members = answer["members"].as_array().unwrap();
    assert_eq!(answer["total"], members.len());
    let mut ids: Vec<String> = members.iter().map(|member| member["clientId"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn ids(clients: &[&TestClient]) -> Vec<String> {
    let mut ids: Vec<String> = clients.iter().map(|client| client.id().to_string()).collect();
    ids.sort();
    ids
}

#[tokio::test(start_paused = true)]
async fn several_sessions_of_one_user_stand_side_by_side() {
    let hub = hub();
    let mut ann = login(&hub, "ann").await;
    let mut ann2 = login(&hub, "ann").await;
    let mut bob = login(&hub, "bob").await;
    for client in [&mut ann, &mut ann2, &mut bob] {
        client.join("r").await;
    }
    assert_eq!(present(&mut bob, "r").await, ids(&[&ann, &ann2, &bob]));
    let answer = bob.ask(json!({"type": "presence", "room": "r"})).await;
    let users: Vec<&Value> = answer["members"].as_array().unwrap().iter().map(|member| &member["user"]).collect();
    assert_eq!(users.iter().filter(|user| **user == "ann").count(), 2);
    assert!(answer["members"].as_array().unwrap().iter().all(|member| member["info"] == json!({"colour": "red"})));
    // One of the two goes; the user is still there by the other.
    ann.leave("r").await;
    assert_eq!(present(&mut bob, "r").await, ids(&[&ann2, &bob]));
    // From outside of the room, and of a room that nobody is in.
    assert_eq!(present(&mut ann, "r").await, ids(&[&ann2, &bob]));
    assert_eq!(present(&mut ann, "nobody").await, [""; 0]);
    let (members, total) = hub.room("r").unwrap().members(1).await.unwrap();
    assert_eq!((members.len(), total), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn everyone_else_is_told_who_comes_and_who_goes() {
    let hub = hub();
    let mut bob = login(&hub, "bob").await;
    bob.join("r").await;
    let mut ann = login(&hub, "ann").await;
    ann.join("r").await;
    let who = json!({"clientId": ann.id().to_string(), "room": "r", "user": "ann", "info": {"colour": "red"}});
    for (kind, leave) in [("user_joined", true), ("user_left", false)] {
        let mut told = bob.expect(kind).await;
        told.as_object_mut().unwrap().remove("type");
        assert_eq!(told, who);
        if leave {
            ann.leave("r").await;
        }
    }
    // Nobody is told of itself, and the plain form says no more than the id and the room.
    ann.expect_nothing().await;
    let mut eve = Dial::plain().token("eve").connect(&hub).await;
    eve.join("r").await;
    ann.join("r").await;
    let told = json!({"type": "user_joined", "clientId": ann.id().to_string(), "room": "r"});
    assert_eq!(eve.expect("user_joined").await, told);
}

#[tokio::test(start_paused = true)]
async fn no_ghost_stays_behind_however_a_session_ended() {
    type Ending = fn(&Hub, &mut TestClient);
    let endings: [(&str, Ending); 6] = [
        ("close", |_, client| client.close(1000)),
        ("cut", |_, client| client.cut()),
        ("end", |_, client| client.end()),
        ("kick", |hub, client| hub.session(&client.id()).unwrap().close(CloseCode::Kicked)),
        ("silence", |_, client| client.vanish()),
        ("nonsense", |_, client| (0..200).for_each(|_| client.send_text("?"))),
    ];
    for (ending, end) in endings {
        let hub = hub();
        let mut bob = login(&hub, "bob").await;
        bob.join("r").await;
        let mut ann = login(&hub, "ann").await;
        ann.join("r").await;
        let id = ann.id().to_string();
        end(&hub, &mut ann);
        // The silent one is found by the heartbeat; all others at once.
        let within = Duration::from_secs(if ending == "silence" { 46 } else { 1 });
        tokio::time::sleep(within).await;
        let left = bob.find("user_left", |word| word["type"] == "user_left").await;
        assert_eq!(left["clientId"], id, "{ending}");
        assert_eq!(present(&mut bob, "r").await, ids(&[&bob]), "{ending}");
        assert_eq!(hub.stats().sessions, 1, "{ending}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_room_does_not_announce_and_still_answers() {
    let hub = Hub::builder().rooms(|_, _| RoomPolicy { announce_up_to: 3, ..RoomPolicy::default() }).build().unwrap();
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = TestClient::connect_v1(&hub).await;
        client.join("r").await;
        clients.push(client);
    }
    settle().await;
    let told = clients[0].words().await;
    assert_eq!(told.iter().filter(|word| word["type"] == "user_joined").count(), 2);
    assert_eq!(present(&mut clients[0], "r").await.len(), 5);
}

type Changes = Arc<Mutex<Vec<(String, RoomChange)>>>;

fn observed(slow: bool) -> (Hub, Changes) {
    let changes = Changes::default();
    let noted = changes.clone();
    let hub = Hub::builder()
        .on_room(move |topic: &Topic, change: &RoomChange| {
            noted.lock().unwrap().push((topic.to_string(), change.clone()));
        })
        .permit(move |_: Session, _: RoomName, _: Verb| async move {
            if slow {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok::<_, Reject>(())
        })
        .build()
        .unwrap();
    (hub, changes)
}

/// Checks that a room was occupied and vacated in turn, and that sessions came and went within.
fn are_in_turn(changes: &[(String, RoomChange)]) {
    let (mut members, mut occupied) = (Vec::<SessionId>::new(), false);
    for (topic, change) in changes {
        assert_eq!(topic, "/#r");
        match change {
            RoomChange::Occupied => {
                assert!(!occupied && members.is_empty(), "{changes:?}");
                occupied = true;
            }
            RoomChange::Joined(id) => {
                assert!(occupied && !members.contains(id), "{changes:?}");
                members.push(*id);
            }
            RoomChange::Left(id) => {
                assert!(occupied && members.contains(id), "{changes:?}");
                members.retain(|there| there != id);
            }
            RoomChange::Vacated => {
                assert!(occupied && members.is_empty(), "{changes:?}");
                occupied = false;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(!occupied && members.is_empty(), "{changes:?}");
}

#[tokio::test(start_paused = true)]
async fn the_application_is_told_when_a_room_is_occupied_and_vacated() {
    for slow in [false, true] {
        let (hub, changes) = observed(slow);
        let mut ann = TestClient::connect_v1(&hub).await;
        let mut bob = TestClient::connect_v1(&hub).await;
        // Both on their way in at once.
        for client in [&mut ann, &mut bob] {
            client.send(json!({"type": "join_room", "room": "r"}));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        bob.leave("r").await;
        // One on its way in while the last one goes.
        bob.send(json!({"type": "join_room", "room": "r"}));
        settle().await;
        ann.cut();
        tokio::time::sleep(Duration::from_secs(2)).await;
        bob.cut();
        settle().await;
        let changes = changes.lock().unwrap().clone();
        assert!(changes.len() >= 8, "{changes:?}");
        are_in_turn(&changes);
    }
}
