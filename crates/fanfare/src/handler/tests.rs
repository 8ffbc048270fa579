//! What is promised of handlers, extractors, middleware and their registration.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    Config, Event, EventName, Payload, RoomName, SessionId,
    broker::MemoryBroker,
    error::{DisconnectReason, Reject},
    node::{Node, NodeParts, Outcome, Slot},
    session::{Handshake, Identity, Session},
};

#[derive(Serialize, Deserialize)]
struct Say {
    content: String,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Sent {
    length: usize,
}

impl Event for Say {
    const NAME: &'static str = "say";
    type Ack = Sent;
}

#[derive(Serialize, Deserialize)]
struct Typing;

impl Event for Typing {
    const NAME: &'static str = "typing";
    type Ack = ();
}

#[derive(Serialize, Deserialize)]
struct Volume(u8);

impl Event for Volume {
    const NAME: &'static str = "volume";
    type Ack = u8;
}

#[derive(Clone)]
struct App {
    name: &'static str,
}

struct User {
    name: &'static str,
}

/// What handlers did, in their order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn session(identity: Identity) -> Session {
    let parts = NodeParts {
        config: Config::default(),
        broker: Arc::new(MemoryBroker::default()),
        runtime: tokio::runtime::Handle::current(),
        permit: None,
        policy_of: Box::new(|_, _| crate::RoomPolicy::default()),
        observer: None,
    };
    let slot = Slot { shard: 0, index: 0, generation: 0 };
    Session::new(
        SessionId::random(),
        Node::new(parts, 1),
        slot,
        identity,
        Arc::new(Handshake::new("test")),
        None,
        false,
    )
}

fn guest() -> Session {
    session(Identity::guest())
}

fn incoming(name: &str, json: &'static str) -> Incoming {
    Incoming {
        name: EventName::new(name).unwrap(),
        room: None,
        payload: Payload::from_json(json).unwrap(),
        wants_reply: true,
        key: None,
    }
}

fn built(register: impl FnOnce(&mut DispatchBuilder)) -> Arc<Dispatch> {
    with_states(StateMap::default(), register).unwrap()
}

fn with_states(
    states: StateMap,
    register: impl FnOnce(&mut DispatchBuilder),
) -> Result<Arc<Dispatch>, Vec<RegistrationError>> {
    let mut builder = DispatchBuilder::default();
    register(&mut builder);
    builder.build(Arc::new(states)).map(Arc::new)
}

/// Runs one event as the engine does. What nobody handles is answered `unhandled` with its name.
async fn run(dispatch: &Arc<Dispatch>, session: &Session, incoming: Incoming) -> Result<Payload, Reject> {
    let mut dispatched = dispatch.event(session, incoming);
    loop {
        dispatched = match dispatched {
            Dispatched::Handled(future) => return future.await,
            Dispatched::Unhandled(incoming) => return Err(Reject::new("unhandled", incoming.name.as_str().to_owned())),
            Dispatched::Filtered(future) => future.await?,
        };
    }
}

/// Runs one event on a guest's session and returns the answer's JSON, or the refusal's code.
async fn answer(dispatch: &Arc<Dispatch>, name: &str, json: &'static str) -> String {
    match run(dispatch, &guest(), incoming(name, json)).await {
        Ok(payload) => payload.as_json().unwrap().to_owned(),
        Err(reject) => reject.code().to_owned(),
    }
}

fn echo(what: &str) -> Payload {
    Payload::new(what).unwrap()
}

#[tokio::test]
async fn what_a_handler_returns_is_the_acknowledgement() {
    struct Full;
    impl From<Full> for Reject {
        fn from(_: Full) -> Self {
            Reject::new("full", "no room left")
        }
    }
    async fn say(say: Say) -> Result<Sent, Full> {
        if say.content.is_empty() { Err(Full) } else { Ok(Sent { length: say.content.len() }) }
    }
    let dispatch = built(|builder| {
        builder.on(say);
        builder.on(|_: Typing| async {});
        builder.on(|Volume(volume): Volume| std::future::ready(volume + 1));
        builder.on_event("nothing", async |_: Payload| {});
        builder.on_event("same", async |payload: Payload| payload);
        builder.on_event("refused", |_: Payload| async { Err::<(), _>(Reject::forbidden("no")) });
    });
    for (name, json, expected) in [
        ("say", r#"{"content":"hello"}"#, r#"{"length":5}"#),
        ("say", r#"{"content":""}"#, "full"),
        ("typing", "{}", "{}"),
        ("volume", r#"{"data":7}"#, "8"),
        ("nothing", r#"{"a":1}"#, "{}"),
        ("same", r#"{"a":1}"#, r#"{"a":1}"#),
        ("refused", "{}", "forbidden"),
        ("unknown", "{}", "unhandled"),
    ] {
        assert_eq!(answer(&dispatch, name, json).await, expected, "{name} {json}");
    }
}

#[tokio::test]
async fn an_event_that_does_not_fit_its_type_is_refused_without_words_of_its_content() {
    let dispatch = built(|builder| {
        builder.on(|_: Say| async { Sent { length: 0 } });
        builder.on(|_: Typing| async {});
        builder.on(|Volume(volume): Volume| async move { volume });
    });
    for (name, json, message) in [
        ("say", r#"{"text":"secret"}"#, r#"the field "content" is missing"#),
        ("say", r#"{"content":["secret"]}"#, "the fields do not fit"),
        ("say", r#"{"data":{"content":"secret"}}"#, r#"the field "content" is missing"#),
        ("volume", r#"{"data":"secret"}"#, "the fields do not fit"),
        ("volume", r#"{"data":256}"#, "the fields do not fit"),
        ("typing", r#"{"data":"secret"}"#, "the fields do not fit"),
    ] {
        let reject = run(&dispatch, &guest(), incoming(name, json)).await.unwrap_err();
        assert_eq!((reject.code(), reject.message()), ("bad_payload", message), "{name} {json}");
    }
    let bytes = Incoming { payload: Payload::binary("secret"), ..incoming("say", "{}") };
    assert_eq!(run(&dispatch, &guest(), bytes).await.unwrap_err().code(), "bad_payload");
    // A unit struct has no fields of its own, and those of the envelope beside it do not matter.
    assert_eq!(answer(&dispatch, "typing", r#"{"room":"lobby"}"#).await, "{}");
}

#[tokio::test]
async fn extractors_give_what_their_type_says() {
    let mut states = StateMap::default();
    states.insert(App { name: "chat" }).unwrap();
    states.insert(7_u64).unwrap();
    type Guest = Option<Auth<u8>>;
    let dispatch = with_states(states, |builder| {
        builder.on_event(
            "all",
            async |session: Session,
                   id: SessionId,
                   identity: Arc<Identity>,
                   State(app): State<App>,
                   (State(number), Auth(user)): (State<u64>, Auth<User>),
                   InRoom(room): InRoom,
                   (whole, other, lobby): (Incoming, Guest, Option<InRoom>),
                   handshake: Arc<Handshake>,
                   payload: Payload| {
                assert_eq!((session.id(), identity.value::<User>().is_some()), (id, true));
                assert_eq!((whole.payload, whole.room), (payload, lobby.map(|InRoom(room)| room)));
                assert!(other.is_none() && session.handshake().is_some_and(|kept| Arc::ptr_eq(&handshake, &kept)));
                echo(&format!("{} {number} {} {room}", app.name, user.name))
            },
        );
    })
    .unwrap();
    let session = session(Identity::user("1").with_value(User { name: "ada" }));
    let event = Incoming { room: Some(RoomName::new("lobby").unwrap()), ..incoming("all", "{}") };
    assert_eq!(run(&dispatch, &session, event).await, Ok(echo("chat 7 ada lobby")));
}

#[tokio::test]
async fn an_extractor_that_refuses_keeps_the_handler_from_running() {
    let dispatch = built(|builder| {
        builder.on_event("auth", async |_: Auth<User>, _: Payload| -> Payload { unreachable!() });
        builder.on_event("room", async |_: InRoom, _: Payload| -> Payload { unreachable!() });
        builder.on(async |_: InRoom, _: Say| -> Sent { unreachable!() });
    });
    assert_eq!(answer(&dispatch, "auth", "{}").await, "unauthorized");
    assert_eq!(answer(&dispatch, "room", "{}").await, "missing_field");
    assert_eq!(answer(&dispatch, "say", r#"{"content":""}"#).await, "missing_field");
}

#[tokio::test]
async fn the_catch_all_takes_only_events_without_a_handler_of_their_own() {
    let dispatch = built(|builder| {
        builder.on(|_: Typing| async {});
        builder.on_any(async |incoming: Incoming| echo(incoming.name.as_str()));
    });
    assert_eq!(answer(&dispatch, "typing", "{}").await, "{}");
    assert_eq!(answer(&dispatch, "other", "{}").await, r#""other""#);
}

#[tokio::test]
async fn middleware_runs_in_order_and_may_change_or_refuse_every_event() {
    let log = Log::default();
    let (first, second, handler) = (log.clone(), log.clone(), log.clone());
    let dispatch = built(|builder| {
        builder.before_event(move |_: Session, incoming: Incoming| {
            first.note(format!("first {}", incoming.name));
            std::future::ready(Ok::<_, Reject>(Incoming { name: EventName::new("renamed").unwrap(), ..incoming }))
        });
        builder.before_event(move |seen: Incoming, incoming: Incoming| {
            second.note(format!("second {}", incoming.name));
            let verdict =
                if seen.payload == Payload::empty() { Ok(incoming) } else { Err(Reject::forbidden("no fields")) };
            std::future::ready(verdict)
        });
        builder.on_event("renamed", move |_: Payload| {
            handler.note("handler");
            std::future::ready(())
        });
    });
    assert_eq!(answer(&dispatch, "any", "{}").await, "{}");
    assert_eq!(log.taken(), ["first any", "second renamed", "handler"]);
    assert_eq!(answer(&dispatch, "any", r#"{"a":1}"#).await, "forbidden");
    assert_eq!(log.taken(), ["first any", "second renamed"]);
}

#[tokio::test]
async fn middleware_stands_before_the_built_in_events_too() {
    let dispatch = built(|builder| builder.before_event(async |incoming: Incoming| incoming));
    assert_eq!(answer(&dispatch, "message", "{}").await, "unhandled");
    let strict = built(|builder| builder.before_event(async |_: Incoming| Err::<Incoming, _>(Reject::forbidden("no"))));
    assert_eq!(answer(&strict, "message", "{}").await, "forbidden");
}

#[tokio::test]
async fn connect_handlers_run_in_order_until_one_refuses() {
    let log = Log::default();
    let note = |what: &'static str, allow: bool| {
        let log = log.clone();
        move |_: Session| {
            log.note(what);
            std::future::ready(if allow { Ok(()) } else { Err(Reject::forbidden("no")) })
        }
    };
    let dispatch = built(|builder| {
        builder.before_connect(note("before 1", true));
        builder.before_connect(note("before 2", true));
        builder.on_connect(note("on 1", true));
        builder.on_connect(note("on 2", false));
        builder.on_connect(note("on 3", true));
    });
    assert_eq!(dispatch.connecting(&guest()).unwrap().await, Ok(()));
    assert_eq!(log.taken(), ["before 1", "before 2"]);
    assert_eq!(dispatch.connected(&guest()).unwrap().await.unwrap_err().code(), "forbidden");
    assert_eq!(log.taken(), ["on 1", "on 2"]);
    let empty = built(|_| ());
    assert!(empty.connecting(&guest()).is_none() && empty.connected(&guest()).is_none());
}

#[tokio::test]
async fn every_disconnect_handler_runs_whatever_the_others_do() {
    let log = Log::default();
    let last = log.clone();
    let dispatch = built(|builder| {
        builder.on_disconnect(async |_: DisconnectReason| -> () { panic!("first") });
        builder.on_disconnect(async |_: Auth<User>, _: DisconnectReason| {});
        builder.on_disconnect(move |_: SessionId, reason: DisconnectReason| {
            last.note(format!("{reason:?}"));
            std::future::ready(())
        });
    });
    dispatch.disconnected(&guest(), DisconnectReason::Client).unwrap().await;
    assert_eq!(log.taken(), ["Client"]);
    assert!(built(|_| ()).disconnected(&guest(), DisconnectReason::Client).is_none());
}

#[tokio::test]
async fn raw_bytes_reach_their_handler() {
    let log = Log::default();
    let note = log.clone();
    let dispatch = built(|builder| {
        builder.on_raw(move |_: Session, bytes: Bytes| {
            note.note(format!("{bytes:?}"));
            std::future::ready(if bytes.is_empty() { Err(Reject::bad_request("empty")) } else { Ok(()) })
        });
    });
    assert_eq!(dispatch.raw(&guest(), Bytes::from_static(b"ab")).unwrap().await, Ok(()));
    assert_eq!(dispatch.raw(&guest(), Bytes::new()).unwrap().await.unwrap_err().code(), "bad_request");
    assert_eq!(log.taken(), [r#"b"ab""#, r#"b"""#]);
    assert!(built(|_| ()).raw(&guest(), Bytes::new()).is_none());
}

#[test]
fn everything_that_is_wrong_with_a_registration_is_told_at_once() {
    let errors = with_states(StateMap::default(), |builder| {
        builder.on(async |_: State<App>, _: Say| Sent { length: 0 });
        builder.on(async |_: Say| Sent { length: 0 });
        builder.on_event("", async |_: Payload| {});
        builder.on_event("join_room", async |_: Payload| {});
        builder.on_any(async |_: Incoming| {});
        builder.on_any(async |_: Incoming| {});
        builder.on_connect(async |_: Session, _: InRoom| {});
        builder.on_event("fine", async |_: Option<State<App>>, _: Payload| {});
    })
    .unwrap_err();
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    let app = std::any::type_name::<App>();
    assert_eq!(
        told,
        [
            "the event \"say\" is registered twice",
            "the event \"\": a name must not be empty",
            "the event \"join_room\": this word belongs to the protocol",
            "on_any is registered twice",
            &format!("the event \"say\": the state `{app}` is missing; give it to the builder by `.state(…)`"),
            "on_connect: `InRoom` needs an event, and there is none here",
        ]
    );
}

#[test]
fn a_second_state_of_one_type_is_refused_and_the_first_stays() {
    let mut states = StateMap::default();
    states.insert(App { name: "first" }).unwrap();
    assert!(matches!(states.insert(App { name: "second" }), Err(RegistrationError::RepeatedState { .. })));
    assert_eq!(states.get::<App>().unwrap().name, "first");
}

#[tokio::test]
async fn a_panic_in_a_handler_ends_in_an_outcome() {
    let dispatch = built(|builder| {
        builder.on(async |_: Typing| -> () {
            tokio::task::yield_now().await;
            panic!("in the handler")
        });
        // Before its future exists.
        builder.on(|_: Volume| -> std::future::Ready<u8> { panic!("in the closure") });
        builder.on_event("fine", async |_: Payload| {});
    });
    let outcome = async |name: &str, json| guard(name, Box::pin(run(&dispatch, &guest(), incoming(name, json)))).await;
    assert_eq!(outcome("typing", "{}").await, Outcome::Panicked);
    assert_eq!(outcome("volume", r#"{"data":1}"#).await, Outcome::Panicked);
    assert_eq!(outcome("fine", "{}").await, Outcome::Reply(Ok(Payload::empty())));
}
