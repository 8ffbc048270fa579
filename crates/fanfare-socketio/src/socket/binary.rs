//! The placeholders that stand in JSON for attachments: `{"_placeholder":true,"num":0}`.

use super::{
    BuildError,
    json::{Token, Tokens, unescape},
};

/// Checks that the placeholders of a checked JSON value name each of `attachments` exactly once.
pub(super) fn check(json: &str, attachments: usize) -> Result<(), BuildError> {
    let mut named = vec![false; attachments];
    let mut tokens = Tokens::new(json);
    while let Some(token) = tokens.next() {
        match token {
            Token::BeginObject => {
                if let Some(number) = take(&mut tokens) {
                    match named.get_mut(number) {
                        Some(named) if !*named => *named = true,
                        _ => return Err(BuildError::Placeholders),
                    }
                }
            }
            // The original takes every object for a placeholder that has this field, whatever else is in it.
            Token::Key(key) if unescape(key) == MARK && tokens.clone().next() == Some(Token::Literal("true")) => {
                return Err(BuildError::Placeholders);
            }
            _ => {}
        }
    }
    if named.iter().all(|&named| named) { Ok(()) } else { Err(BuildError::Placeholders) }
}

const MARK: &str = "_placeholder";

/// Takes the rest of an object that has just begun, if it is exactly a placeholder, and returns the number of its attachment.
pub(super) fn take(tokens: &mut Tokens<'_>) -> Option<usize> {
    let mut ahead = tokens.clone();
    let mut marked = false;
    let mut number = None;
    for _ in 0..2 {
        let Token::Key(key) = ahead.next()? else { return None };
        match (&*unescape(key), ahead.next()?) {
            (MARK, Token::Literal("true")) if !marked => marked = true,
            ("num", Token::Number(digits)) if number.is_none() => number = Some(digits.parse().ok()?),
            _ => return None,
        }
    }
    if ahead.next()? != Token::End {
        return None;
    }
    *tokens = ahead;
    number
}

/// Appends the placeholder of an attachment.
pub(super) fn write(number: usize, json: &mut Vec<u8>) {
    json.extend_from_slice(br#"{"_placeholder":true,"num":"#);
    json.extend_from_slice(number.to_string().as_bytes());
    json.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attachment_is_named_exactly_once() {
        let table = [
            (r#"["a",{"_placeholder":true,"num":0}]"#, 1, true),
            (r#"["a",{"x":[{"num":1,"_placeholder":true}]},{ "_placeholder" : true , "num" : 0 }]"#, 2, true),
            (r#"["a",{"\u005fplaceholder":true,"num":0}]"#, 1, true),
            (r#"["a",{"_placeholder":false,"num":7},{"_placeholder":true,"num":0}]"#, 1, true),
            (r#"["_placeholder",true,{"num":0},{"_placeholder":true,"num":0}]"#, 1, true),
            // None, another, twice, one too few.
            (r#"["a"]"#, 1, false),
            (r#"["a",{"_placeholder":true,"num":1}]"#, 1, false),
            (r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#, 1, false),
            (r#"["a",{"_placeholder":true,"num":0}]"#, 2, false),
            // No number, or none that counts.
            (r#"["a",{"_placeholder":true}]"#, 1, false),
            (r#"["a",{"_placeholder":true,"num":-1}]"#, 1, false),
            (r#"["a",{"_placeholder":true,"num":0.5}]"#, 1, false),
            (r#"["a",{"_placeholder":true,"num":"0"}]"#, 1, false),
            (r#"["a",{"_placeholder":true,"num":99999999999999999999999}]"#, 1, false),
            // More than a placeholder.
            (r#"["a",{"_placeholder":true,"num":0,"x":1}]"#, 1, false),
            (r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true}]"#, 1, false),
            (r#"["a",{"_placeholder":true,"num":0},{"x":1,"_placeholder":true}]"#, 1, false),
            (r#"["a",{"_placeholder":true,"num":0,"num":0}]"#, 1, false),
        ];
        for (json, attachments, right) in table {
            let expected = if right { Ok(()) } else { Err(BuildError::Placeholders) };
            assert_eq!(check(json, attachments), expected, "{json} of {attachments}");
        }
    }

    #[test]
    fn a_placeholder_is_written_as_the_original_writes_it() {
        let mut json = Vec::new();
        write(10, &mut json);
        assert_eq!(json, br#"{"_placeholder":true,"num":10}"#);
    }
}
