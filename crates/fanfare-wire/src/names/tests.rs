//! A name or an id that was parsed is valid, and has one spelling.

#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn a_name_has_1_byte_to_its_limit_and_no_control_characters() {
    let table = [
        ("a", Ok(())),
        ("général / ☃", Ok(())),
        (" ", Ok(())),
        ("", Err(NameError::Empty)),
        ("a\nb", Err(NameError::ControlCharacter)),
        ("\u{7f}", Err(NameError::ControlCharacter)),
        ("\u{85}", Err(NameError::ControlCharacter)),
        ("\0", Err(NameError::ControlCharacter)),
    ];
    for (name, expected) in table {
        assert_eq!(RoomName::new(name).map(drop), expected, "{name:?}");
        assert_eq!(EventName::new(name).map(drop), expected, "{name:?}");
        assert_eq!(Namespace::new(name).map(drop), expected, "{name:?}");
    }
}

#[test]
fn a_name_is_measured_in_bytes() {
    assert!(RoomName::new("x".repeat(255)).is_ok());
    assert_eq!(RoomName::new("x".repeat(256)), Err(NameError::TooLong(255)));
    assert_eq!(RoomName::new("é".repeat(128)), Err(NameError::TooLong(255)));
    assert!(EventName::new("x".repeat(128)).is_ok());
    assert_eq!(EventName::new("x".repeat(129)), Err(NameError::TooLong(128)));
    assert_eq!(Namespace::new("x".repeat(256)), Err(NameError::TooLong(255)));
}

#[test]
fn a_session_id_is_read_as_it_was_written() {
    let table = [
        ([0; 16], "AAAAAAAAAAAAAAAAAAAAAA"),
        ([0xff; 16], "_____________________w"),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "AAECAwQFBgcICQoLDA0ODw"),
    ];
    for (bytes, text) in table {
        let id = SessionId::from_bytes(bytes);
        assert_eq!(id.to_string(), text);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<SessionId>(&format!("\"{text}\"")).unwrap(), id);
    }
    for _ in 0..100 {
        let id = SessionId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        let token = ResumeToken::random();
        assert_eq!(token.to_string().parse(), Ok(token));
    }
}

#[test]
fn an_id_has_one_spelling() {
    // The last character has four padding bits. `A`, `Q`, `g` and `w` have zeros there, and no other character does.
    for last in ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']) {
        let text = format!("AAAAAAAAAAAAAAAAAAAAA{last}");
        assert_eq!(text.parse::<SessionId>().is_ok(), "AQgw".contains(last), "{text}");
    }
    let wrong = [
        "",
        "A",
        "AAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAA==",
        "AAAAAAAAAAAAAAAAAAAA/A",
        "éAAAAAAAAAAAAAAAAAAAA",
    ];
    for text in wrong {
        assert_eq!(text.parse::<SessionId>(), Err(NameError::NotASessionId), "{text}");
        assert_eq!(text.parse::<ResumeToken>(), Err(NameError::NotASessionId), "{text}");
    }
}

#[test]
fn a_resume_token_is_not_shown_to_a_log() {
    assert_eq!(format!("{:?}", ResumeToken::random()), "ResumeToken(..)");
}

#[test]
fn a_name_that_is_none_does_not_deserialize() {
    assert!(serde_json::from_str::<RoomName>("\"\"").is_err());
    assert_eq!(serde_json::from_str::<RoomName>(r#""l\u00f6b""#).unwrap().as_str(), "löb");
}

#[test]
fn an_epoch_is_never_0_and_is_positive_everywhere() {
    for _ in 0..100 {
        assert!((1..1 << 31).contains(&Epoch::random().0));
    }
}
