//! The scanner takes what serde_json takes, and refuses what it refuses.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn scan(text: &str) -> Result<&str, DecodeError> {
    let mut scanner = Scanner::new(text);
    let value = scanner.value(0)?;
    scanner.finish().map(|()| value)
}

#[test]
fn every_kind_of_value_is_read_and_nothing_else() {
    let good = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "12",
        "-1.5",
        "1e2",
        "1E+2",
        "1.0e-2",
        "\"\"",
        "\"a\\n\\u00e9\\\"\\/\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        " [1 , 2 ]\n",
        "{\"a\":{\"b\":[{}]}}",
        "\"\\ud83d\\ude00\"",
        "\"😀\"",
        "1e308",
        "\"\u{7f}\"",
        "\"12345678\\\\\"",
        "\"1234567\\\"\"",
        "[[],[[]],{}]",
        "1e-999",
    ];
    for text in good {
        assert_eq!(scan(text), Ok(text.trim()), "{text}");
        serde_json::from_str::<serde_json::Value>(text).unwrap();
    }
    let bad = [
        "",
        " ",
        "nul",
        "True",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "Infinity",
        "\"",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"1234567\u{1f}\"",
        "'a'",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,]",
        "[1 2]",
        "[}",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\":1 \"b\":2}",
        "{]",
        "1 2",
        "{} {}",
        "nullnull",
        "/**/1",
        "\"\\ud800\"",
        "\"\\ude00\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800\\n\"",
        "1e309",
        "-1e400",
        "\u{feff}1",
        "\u{a0}1",
        "é",
    ];
    for text in bad {
        assert!(matches!(scan(text), Err(DecodeError::Malformed { .. })), "{text}");
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
    }
    let long = "9".repeat(309);
    assert!(scan(&long).is_err() && scan(&long[1..]).is_ok());
}

#[test]
fn depth_is_counted_and_never_recursed() {
    let nested = |open: &str, close: &str, depth| open.repeat(depth) + "1" + &close.repeat(depth);
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        let per = open.matches(['[', '{']).count();
        assert!(scan(&nested(open, close, 64 / per)).is_ok());
        assert_eq!(scan(&nested(open, close, 64 / per + 1)), Err(DecodeError::TooDeep));
        assert_eq!(scan(&open.repeat(1_000_000)), Err(DecodeError::TooDeep));
    }
    assert!(scan(&"[],".repeat(1000)).is_err());
    assert!(scan(&format!("[{}[]]", "[],".repeat(1000))).is_ok());
}

#[test]
fn an_error_tells_where_reading_stopped() {
    let table = [("[1,x]", 3), ("{\"a\" 1}", 5), ("\"ab\ncd\"", 3), ("", 0), ("{} x", 3)];
    for (text, at) in table {
        assert_eq!(scan(text), Err(DecodeError::Malformed { at }), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_judged_as_by_serde_json(text in r#"[\[\]{}:,"\\u0-9aftrunlse.eE+\-dD8 \n]{0,24}"#) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        prop_assert_eq!(scan(&text).is_ok(), theirs.is_ok(), "{}", text);
    }

    #[test]
    fn a_string_is_unescaped_as_by_serde_json(meant: String, ascii: bool) {
        let mut json = serde_json::to_string(&meant).unwrap();
        if ascii {
            let mut units = [0; 2];
            json = json.chars().map(|c| match c {
                ' '..='~' => c.to_string(),
                c => c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04X}")).collect(),
            }).collect();
        }
        let mut scanner = Scanner::new(&json);
        let text = scanner.text().unwrap();
        prop_assert_eq!(text.unescape(), meant);
        prop_assert!(scanner.finish().is_ok());
    }

    #[test]
    fn a_plain_prefix_ends_at_the_first_special_byte(bytes: Vec<u8>) {
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
        prop_assert_eq!(plain_prefix(&bytes), bytes.iter().position(special).unwrap_or(bytes.len()));
    }
}
