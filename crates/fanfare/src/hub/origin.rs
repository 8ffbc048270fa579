//! Which pages may connect.

use crate::{Origins, session::Handshake};

/// Whether the handshake's `Origin` is allowed. A client without one is no browser and passes.
pub(super) fn is_allowed(origins: &Origins, handshake: &Handshake) -> bool {
    let Some(origin) = handshake.header("origin") else { return true };
    match origins {
        Origins::Any => true,
        Origins::SameOrigin => is_same(origin, handshake),
        Origins::List(list) => {
            list.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) || is_same(origin, handshake)
        }
    }
}

/// Whether the page comes from the host that it talks to. The scheme is left out: behind a proxy that ends TLS we would see
/// the wrong one. `null`, the origin of sandboxed pages and files, has no host and is refused.
fn is_same(origin: &str, handshake: &Handshake) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |host: &str| host.strip_suffix(default_port).unwrap_or(host).to_ascii_lowercase();
    handshake.header("host").is_some_and(|there| bare(there) == bare(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_pages_are_refused_unless_listed() {
        let list = Origins::List(vec!["https://app.example".into()]);
        let rows = [
            (&Origins::SameOrigin, None, true),
            (&Origins::SameOrigin, Some("https://chat.example"), true),
            (&Origins::SameOrigin, Some("https://CHAT.example:443"), true),
            (&Origins::SameOrigin, Some("https://chat.example:8443"), false),
            (&Origins::SameOrigin, Some("https://evil.example"), false),
            (&Origins::SameOrigin, Some("https://chat.example.evil.example"), false),
            (&Origins::SameOrigin, Some("null"), false),
            (&Origins::SameOrigin, Some("file://"), false),
            (&list, Some("https://app.example"), true),
            (&list, Some("http://app.example"), false),
            (&list, Some("https://app.example.evil.example"), false),
            (&Origins::Any, Some("https://evil.example"), true),
        ];
        for (origins, origin, allowed) in rows {
            let mut handshake = Handshake::new("test").with_header("Host", "chat.example");
            if let Some(origin) = origin {
                handshake = handshake.with_header("Origin", origin);
            }
            assert_eq!(is_allowed(origins, &handshake), allowed, "{origins:?} {origin:?}");
        }
    }
}
