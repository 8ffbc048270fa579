//! `#[derive(Event)]` gives a type its name on the wire and its acknowledgement.

use std::any::TypeId;

use fanfare::{Event, EventName, NameError};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(name = "message", ack = Sent)]
struct Say {
    content: String,
}

#[derive(Serialize, Deserialize)]
struct Sent {
    id: u64,
}

#[derive(Serialize, Deserialize, Event)]
struct RoomTopic {
    topic: String,
}

#[derive(Serialize, Deserialize, Event)]
struct TypingStopped;

#[derive(Serialize, Deserialize, Event)]
#[event(ack = Result<Vec<(u8, Sent)>, std::string::String>)]
struct Volume(u8);

#[derive(Serialize, Deserialize, Event)]
#[event(name = "Grüße, 世界")]
#[serde(tag = "kind", rename_all = "camelCase")]
enum Greeting {
    Wave,
    Words { text: String },
}

#[allow(non_camel_case_types)]
#[derive(Serialize, Deserialize, Event)]
struct r#move {
    x: i32,
}

mod elsewhere {
    // Names of the macro's output must not depend on what the user has in scope.
    #![allow(dead_code, non_camel_case_types)]
    struct String;
    struct Result;
    mod fanfare {}

    #[derive(serde::Serialize, serde::Deserialize, ::fanfare::Event)]
    pub(crate) struct Hidden {}
}

fn ack_is<E: Event, A: 'static>() -> bool {
    TypeId::of::<E::Ack>() == TypeId::of::<A>()
}

#[test]
fn the_name_is_the_given_one_or_the_types_in_snake_case() -> Result<(), NameError> {
    for (name, expected) in [
        (Say::NAME, "message"),
        (RoomTopic::NAME, "room_topic"),
        (TypingStopped::NAME, "typing_stopped"),
        (Volume::NAME, "volume"),
        (Greeting::NAME, "Grüße, 世界"),
        (r#move::NAME, "move"),
        (elsewhere::Hidden::NAME, "hidden"),
    ] {
        assert_eq!(EventName::new(name)?.as_str(), expected);
    }
    Ok(())
}

#[test]
fn the_acknowledgement_is_the_given_type_or_nothing() {
    assert!(ack_is::<Say, Sent>());
    assert!(ack_is::<Volume, Result<Vec<(u8, Sent)>, String>>());
    assert!(ack_is::<RoomTopic, ()>());
}

#[test]
fn the_macro_refuses_the_same_words_as_the_core() {
    fn words(source: &str) -> Vec<&str> {
        let list = source.split_once("&[\n").and_then(|(_, list)| list.split_once("];"));
        let (list, _) = list.expect("each file has one list");
        let lines = list.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        lines.flat_map(|line| line.split(',')).map(str::trim).filter(|word| !word.is_empty()).collect()
    }
    let core = words(include_str!("../src/handler/reserved.rs"));
    let derive = words(include_str!("../../fanfare-macros/src/reserved.rs"));
    assert!(core.contains(&"\"join_room\""));
    assert_eq!(core, derive);
}
