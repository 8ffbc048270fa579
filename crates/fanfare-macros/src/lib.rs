//! The derive macro of fanfare: `#[derive(Event)]`. Use it as `fanfare::Event`; its examples stand there.

mod event;
mod reserved;

/// Makes a type an event: `impl fanfare::Event`.
///
/// `#[event(name = "…", ack = Type)]` sets its name on the wire and what the receiver answers. Without `name` it is the
/// type's name in snake case; without `ack` the answer is empty. The type must be `Serialize`, `Deserialize`, `Send` and own
/// what it holds; structs and enums may be events, types with generics may not.
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    event::expand(&input).unwrap_or_else(|error| error.into_compile_error()).into()
}
