//! `#[derive(Event)]`, from the type to its `impl`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Data, DeriveInput, Error, LitStr, Result, Type, parse_quote, spanned::Spanned};

use crate::reserved::RESERVED;

/// Longest name, in bytes; as in `fanfare_wire::limits::MAX_EVENT_NAME_BYTES`.
const MAX_NAME_BYTES: usize = 128;

/// The `impl` of the trait.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    if let Data::Union(data) = &input.data {
        return Err(Error::new(
            data.union_token.span,
            "a union cannot be an event: derive `Event` on a struct or an enum",
        ));
    }
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &input.generics,
            "an event has one name and one shape: derive `Event` on a type without generics and lifetimes",
        ));
    }
    refuse_type_field(input)?;
    let Attributes { name, ack } = Attributes::read(input)?;
    let (name, span) = match name {
        Some(name) => (name.value(), name.span()),
        None => (snake_case(&unraw(&input.ident)), input.ident.span()),
    };
    check_name(&name, span)?;
    let ident = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::fanfare::Event for #ident {
            const NAME: &'static ::core::primitive::str = #name;
            type Ack = #ack;
        }
    })
}

/// What `#[event(…)]` says.
struct Attributes {
    name: Option<LitStr>,
    ack: Type,
}

impl Attributes {
    fn read(input: &DeriveInput) -> Result<Self> {
        let (mut name, mut ack) = (None, None);
        for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("event")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    set(&mut name, meta.value()?.parse()?, meta.path.span())
                } else if meta.path.is_ident("ack") {
                    set(&mut ack, meta.value()?.parse()?, meta.path.span())
                } else {
                    Err(meta.error("unknown setting: `#[event(…)]` knows `name = \"…\"` and `ack = Type`"))
                }
            })?;
        }
        Ok(Self { name, ack: ack.unwrap_or_else(|| parse_quote!(())) })
    }
}

fn set<T>(place: &mut Option<T>, value: T, span: Span) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::new(span, "this is set twice")),
    }
}

fn check_name(name: &str, span: Span) -> Result<()> {
    let rule = if name.is_empty() {
        "an event's name must not be empty".to_owned()
    } else if name.len() > MAX_NAME_BYTES {
        format!("an event's name must not be longer than {MAX_NAME_BYTES} bytes, and this one has {}", name.len())
    } else if name.chars().any(char::is_control) {
        "an event's name must not contain control characters".to_owned()
    } else if RESERVED.contains(&name) {
        format!(
            "`{name}` is a word of the protocol and cannot be an event's name: choose another by `#[event(name = \"…\")]`"
        )
    } else {
        return Ok(());
    };
    Err(Error::new(span, rule))
}

/// Refuses the field `type` and the tag `type` of serde: on the wire that field is the event's name, and what the
/// application puts there is lost.
fn refuse_type_field(input: &DeriveInput) -> Result<()> {
    const RULE: &str =
        "the field `type` of a message is the event's name and cannot be a field of the event: rename it";
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        if let Some(tag) = serde_text(attribute, "tag").filter(|tag| tag.value() == "type") {
            return Err(Error::new(tag.span(), RULE));
        }
    }
    let Data::Struct(data) = &input.data else { return Ok(()) };
    for field in &data.fields {
        let serde = || field.attrs.iter().filter(|attribute| attribute.path().is_ident("serde"));
        let renamed = serde().find_map(|attribute| serde_text(attribute, "rename"));
        match (renamed, &field.ident) {
            (Some(name), _) if name.value() == "type" => return Err(Error::new(name.span(), RULE)),
            (None, Some(ident)) if unraw(ident) == "type" => return Err(Error::new(ident.span(), RULE)),
            _ => {}
        }
    }
    Ok(())
}

/// The text of `key = "text"` in an attribute of serde. Whatever else stands there is serde's business.
fn serde_text(attribute: &syn::Attribute, key: &str) -> Option<LitStr> {
    let mut found = None;
    let parsed = attribute.parse_nested_meta(|meta| {
        if meta.path.is_ident(key) && meta.input.peek(syn::Token![=]) {
            found = Some(meta.value()?.parse()?);
        } else if meta.input.peek(syn::Token![=]) {
            meta.value()?.parse::<syn::Expr>()?;
        } else if meta.input.peek(syn::token::Paren) {
            let content;
            syn::parenthesized!(content in meta.input);
            content.parse::<TokenStream>()?;
        }
        Ok(())
    });
    // What serde cannot read either, it reports itself.
    parsed.ok().and(found)
}

fn unraw(ident: &syn::Ident) -> String {
    syn::ext::IdentExt::unraw(ident).to_string()
}

/// `JoinedLobby` as `joined_lobby`, `HTTPReply` as `http_reply`, `Move2D` as `move2_d`: a capital begins a word after a
/// small letter or a digit, and before a small letter.
fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let begins = letter.is_uppercase()
            && before.is_some_and(|before| before != '_')
            && (!before.is_some_and(char::is_uppercase) || letters.get(at + 1).is_some_and(|next| next.is_lowercase()));
        if begins {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refusal(input: &str) -> String {
        expand(&syn::parse_str(input).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn a_type_without_a_name_is_named_in_snake_case() {
        for (name, snake) in [
            ("Say", "say"),
            ("RoomTopic", "room_topic"),
            ("HTTPReply", "http_reply"),
            ("Move2D", "move2_d"),
            ("already_snake", "already_snake"),
            ("With_Score", "with_score"),
        ] {
            assert_eq!(snake_case(name), snake);
        }
    }

    #[test]
    fn a_name_that_cannot_be_on_the_wire_is_refused_with_its_rule() {
        assert!(refusal("#[event(name = \"\")] struct A {}").contains("must not be empty"));
        assert!(
            refusal(&format!("#[event(name = \"{}\")] struct A {{}}", "é".repeat(65))).contains("and this one has 130")
        );
        assert!(refusal("#[event(name = \"a\\nb\")] struct A {}").contains("control characters"));
        for word in RESERVED {
            assert!(
                refusal(&format!("#[event(name = \"{word}\")] struct A {{}}")).contains("word of the protocol"),
                "{word}"
            );
        }
        assert!(refusal("struct Ping {}").contains("`ping` is a word of the protocol"));
    }

    #[test]
    fn a_shape_that_cannot_be_an_event_is_refused() {
        assert!(refusal("struct A<T> { a: T }").contains("without generics"));
        assert!(refusal("struct A<'a> { a: &'a str }").contains("without generics"));
        assert!(refusal("union A { a: u8 }").contains("union"));
    }

    #[test]
    fn a_field_that_the_envelope_would_swallow_is_refused() {
        assert!(refusal("struct A { r#type: u8 }").contains("`type`"));
        assert!(refusal("struct A { #[serde(default, rename = \"type\")] kind: u8 }").contains("`type`"));
        assert!(refusal("#[serde(rename_all(serialize = \"x\"), tag = \"type\")] enum A { B }").contains("`type`"));
        assert!(expand(&syn::parse_str("struct A { #[serde(rename = \"kind\")] r#type: u8 }").unwrap()).is_ok());
        assert!(expand(&syn::parse_str("#[serde(tag = \"kind\", bound = \"\")] enum A { B }").unwrap()).is_ok());
    }

    #[test]
    fn a_setting_that_is_unknown_or_repeated_is_refused() {
        assert!(refusal("#[event(nam = \"a\")] struct A {}").contains("knows `name"));
        assert!(refusal("#[event(name = \"a\", name = \"b\")] struct A {}").contains("twice"));
        assert!(refusal("#[event(ack = u8)] #[event(ack = u8)] struct A {}").contains("twice"));
    }
}
