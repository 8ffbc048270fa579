//! Nobody is let in before the credentials are good, nobody does what is not permitted, and nobody stays when the credentials end.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use fanfare::{
    CloseCode, Config, Handshake, History, Hub, HubBuilder, Identity, Refusal, Reject, RoomName, RoomPolicy, Session,
    Verb,
};
use fanfare_testkit::{Dial, Heard, TestClient, settle};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

/// Lets in whose token is a name in lower case; `later` where no token came with the handshake.
fn builder(later: bool) -> HubBuilder {
    Hub::builder().authenticate(move |handshake: Arc<Handshake>| async move {
        match handshake.token() {
            Some(name) if name.chars().all(char::is_lowercase) => Ok(Identity::user(name)),
            Some(_) => Err(Refusal::unauthorized("no such user")),
            None if later => Err(Refusal::CredentialsRequired),
            None => Err(Refusal::unauthorized("a token is wanted")),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_refused_before_any_state_exists() {
    let hub = builder(false).build().unwrap();
    for dial in [Dial::plain(), Dial::plain().token("EVE"), Dial::v1().token("EVE")] {
        let refusal = dial.open(&hub).await.map(drop).unwrap_err();
        assert!(matches!(refusal, Refusal::Unauthorized(_)));
        assert_eq!((refusal.http_status(), refusal.close_code()), (401, CloseCode::Unauthorized));
    }
    let stats = hub.stats();
    assert_eq!((stats.accepted, stats.sessions, stats.refused), (0, 0, 3));
    let ann = Dial::plain().token("ann").connect(&hub).await;
    assert_eq!(hub.session(&ann.id()).unwrap().user_id().as_deref(), Some("ann"));
}

#[tokio::test(start_paused = true)]
async fn credentials_may_come_with_the_first_message() {
    let hub = builder(true).build().unwrap();
    for dial in Dial::forms() {
        let mut ann = dial.clone().hello("token", "ann").greet(&hub).await.unwrap();
        ann.await_connected().await;
        assert_eq!(hub.session(&ann.id()).unwrap().user_id().as_deref(), Some("ann"));
        let mut eve = dial.hello("token", "EVE").greet(&hub).await.unwrap();
        let error = eve.expect("error").await;
        assert_eq!((&error["code"], &error["message"]), (&json!("unauthorized"), &json!("no such user")));
        assert_eq!(eve.closed().await.0, 4500);
    }
    settle().await;
    assert_eq!(hub.stats().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_something_before_its_hello_is_closed() {
    for (dial, hub) in [(Dial::plain(), builder(true).build().unwrap()), (Dial::v1(), Hub::builder().build().unwrap())]
    {
        let mut ann = dial.open(&hub).await.unwrap();
        ann.send(json!({"type": "join_room", "room": "r"}));
        assert_eq!(ann.closed().await.0, 4500);
        assert_eq!(hub.stats().rooms, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_hello_is_out_of_place_even_while_the_first_is_being_checked() {
    let checks = Arc::new(AtomicUsize::new(0));
    let count = checks.clone();
    let hub = Hub::builder()
        .authenticate(|handshake: Arc<Handshake>| async move {
            let name = handshake.token().ok_or(Refusal::CredentialsRequired)?;
            sleep(Duration::from_millis(10)).await;
            Ok(Identity::user(name))
        })
        .before_connect(move |session: Session| {
            count.fetch_add(1, Ordering::Relaxed);
            async move {
                sleep(Duration::from_millis(50)).await;
                if session.user_id().as_deref() == Some("eve") { Err(Reject::forbidden("not you")) } else { Ok(()) }
            }
        })
        .build()
        .unwrap();
    let mut ann = Dial::plain().open(&hub).await.unwrap();
    ann.send(json!({"type": "hello", "token": "ann"}));
    sleep(Duration::from_millis(5)).await;
    ann.send(json!({"type": "hello", "token": "eve"}));
    sleep(Duration::from_secs(1)).await;
    let all = ann.all().await;
    assert!(all.iter().any(|heard| matches!(heard, Heard::Close(4504, _))), "{all:?}");
    assert!(checks.load(Ordering::Relaxed) <= 1);
    assert_eq!(hub.stats().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_or_panics_says_no_in_time() {
    let hub = Hub::builder()
        .authenticate(async |handshake: Arc<Handshake>| match handshake.token().as_deref() {
            Some("hang") => std::future::pending().await,
            _ => panic!("the check is broken"),
        })
        .build()
        .unwrap();
    let begin = Instant::now();
    assert_eq!(Dial::plain().token("hang").open(&hub).await.map(drop), Err(Refusal::Internal));
    assert_eq!(begin.elapsed().as_secs(), 5);
    assert_eq!(Dial::plain().token("panic").open(&hub).await.map(drop), Err(Refusal::Internal));
}

#[tokio::test(start_paused = true)]
async fn a_connect_handler_may_turn_a_session_away_before_it_is_told_anything() {
    let hub = builder(false)
        .before_connect(async |session: Session| match session.user_id().as_deref() {
            Some("eve") => Err(Reject::new("banned", "not you")),
            _ => Ok(()),
        })
        .build()
        .unwrap();
    let mut eve = Dial::plain().token("eve").open(&hub).await.unwrap();
    assert_eq!(eve.recv().await["code"], "banned");
    assert_eq!(eve.closed().await.0, 4500);
    Dial::plain().token("ann").connect(&hub).await;
}

type Asked = Arc<Mutex<Vec<(String, Verb)>>>;

#[tokio::test(start_paused = true)]
async fn permission_is_asked_for_each_verb_and_room() {
    let asked = Asked::default();
    let noted = asked.clone();
    let hub = Hub::builder()
        .rooms(|_, _| RoomPolicy::with_history(History::last(10)))
        .permit(move |_: Session, room: RoomName, verb: Verb| {
            noted.lock().unwrap().push((room.to_string(), verb));
            let refused = room.as_str() == format!("no {verb:?}");
            async move { if refused { Err(Reject::forbidden("no")) } else { Ok(()) } }
        })
        .build()
        .unwrap();
    let mut ann = TestClient::connect_v1(&hub).await;
    let words = |room: &str| {
        [
            (Verb::Join, json!({"type": "join_room", "room": room})),
            (Verb::Publish, json!({"type": "message", "room": room, "content": 1})),
            (Verb::History, json!({"type": "history", "room": room})),
            (Verb::Presence, json!({"type": "presence", "room": room})),
        ]
    };
    for verb in [Verb::Join, Verb::Publish, Verb::History, Verb::Presence] {
        let room = format!("no {verb:?}");
        for (asks, word) in words(&room) {
            let answer = ann.ask(word).await;
            let refused = answer["type"] == "error";
            let expected = asks == verb || (verb == Verb::Join && asks == Verb::Publish);
            assert_eq!(refused, expected, "{asks:?} in {room}: {answer}");
            if asks == verb {
                assert_eq!(answer["code"], "forbidden");
            }
        }
    }
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 15, "each once, but for publishing where the join was refused: {asked:?}");
    // The application's own verbs do not ask.
    hub.session(&ann.id()).unwrap().join("no Join").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn credentials_that_end_are_announced_and_then_end_the_session() {
    let hub = Hub::builder()
        .config(Config { jitter_pings: false, ..Config::default() })
        .authenticate(async |handshake: Arc<Handshake>| {
            let user = handshake.token().unwrap_or_default();
            if user == "wrong" {
                return Err(Refusal::unauthorized("wrong"));
            }
            Ok(Identity::user(user).expires_at(SystemTime::now() + Duration::from_secs(100)))
        })
        .build()
        .unwrap();
    let begin = Instant::now();
    let mut ann = Dial::v1().token("ann").connect(&hub).await;
    sleep(Duration::from_secs(69)).await;
    ann.expect_nothing().await;
    let refresh = ann.expect("refresh").await;
    let left = refresh["expiresIn"].as_u64().unwrap();
    assert!((29_000..=30_000).contains(&left), "{left}");
    // Credentials of somebody else, and wrong ones, change nothing.
    for (token, code) in [("bob", "forbidden"), ("wrong", "unauthorized")] {
        let answer = ann.ask(json!({"type": "refresh", "token": token})).await;
        assert_eq!(answer["code"], code);
    }
    assert_eq!(ann.ask(json!({"type": "refresh", "token": "ann"})).await["type"], "ack");
    // Another 100 s from the refresh at 70 s on, to which the wall clock of the machine adds next to nothing.
    sleep_until(begin + Duration::from_secs(168)).await;
    assert_eq!(hub.stats().sessions, 1);
    assert_eq!(ann.closed().await.0, 4002);
    assert!((168..=171).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    assert_eq!(hub.stats().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn an_identity_may_be_replaced_on_a_live_session() {
    let hub = builder(false).build().unwrap();
    let mut ann = Dial::v1().token("ann").connect(&hub).await;
    ann.join("r").await;
    let session = hub.session(&ann.id()).unwrap();
    session.set_identity(Identity::user("ann").expires_at(SystemTime::now() + Duration::from_secs(5)));
    let told: Value = ann.expect("refresh").await;
    assert!(told["expiresIn"].as_u64().unwrap() <= 5000);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(ann.closed().await.0, 4002);
}
