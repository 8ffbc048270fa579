//! The packets that let a client in, and what they are in each revision.

use bytes::Bytes;
use fanfare_wire::Namespace;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{BuildError, Kind, Packet, json};
use crate::Revision;

/// What revision 4 tells a client about itself.
#[derive(Serialize)]
struct Welcome<'a> {
    sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<&'a str>,
}

/// What revision 4 tells a client that is refused.
#[derive(Serialize)]
struct Refusal<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

impl Packet {
    /// A client asks for `namespace`; `auth` is a JSON object, which revision 3 does not have.
    ///
    /// # Errors
    /// [`BuildError`] by the rule that was broken.
    pub fn connect(namespace: Namespace, auth: Option<Bytes>) -> Result<Self, BuildError> {
        Self::build(Kind::Connect, namespace, None, auth, Vec::new())
    }

    /// A client of revision 3 asks for `namespace` with a query such as `token=1234&uid=abcd`, already percent-encoded.
    ///
    /// # Errors
    /// [`BuildError::Namespace`] for a query with a comma or a control character, or where the namespace itself has a question
    /// mark.
    pub fn connect_with_query(namespace: Namespace, query: &str) -> Result<Self, BuildError> {
        let mut packet = Self::connect(namespace, None)?;
        if query.contains(|char: char| char == ',' || char.is_control()) || packet.namespace.as_str().contains('?') {
            return Err(BuildError::Namespace);
        }
        packet.query = Some(query.into());
        Ok(packet)
    }

    /// The client is in `namespace`. Revision 4 tells it the id of its socket, and where connections can be recovered the
    /// private one too; revision 3 tells nothing.
    ///
    /// # Errors
    /// [`BuildError::Namespace`].
    pub fn welcome(revision: Revision, namespace: Namespace, sid: &str, pid: Option<&str>) -> Result<Self, BuildError> {
        let data = match revision {
            Revision::V3 => None,
            Revision::V4 => Some(to_json(&Welcome { sid, pid })),
        };
        Self::connect(namespace, data)
    }

    /// The client may not enter `namespace`. Revision 4 is told `{"message":…}` and any JSON as `data`; revision 3 the data if
    /// it is an object or a string, otherwise the message as a string.
    ///
    /// # Errors
    /// [`BuildError`] when the namespace is none, or the data no JSON.
    pub fn refusal(
        revision: Revision,
        namespace: Namespace,
        message: &str,
        data: Option<Bytes>,
    ) -> Result<Self, BuildError> {
        let data = data.map(json::check).transpose()?;
        let data = match (revision, data) {
            (Revision::V3, Some(data)) if data.starts_with(b"{") || data.starts_with(b"\"") => data,
            (Revision::V3, _) => to_json(message),
            (Revision::V4, data) => {
                let data = data.as_ref().map(|data| serde_json::from_str(json::text(data)));
                to_json(&Refusal { message, data: data.map(|raw| raw.expect("it was checked")) })
            }
        };
        Self::build(Kind::ConnectError, namespace, None, Some(data), Vec::new())
    }
}

fn to_json(value: &(impl Serialize + ?Sized)) -> Bytes {
    serde_json::to_vec(value).expect("strings and JSON are JSON").into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use Revision::{V3, V4};

    fn admin() -> Namespace {
        Namespace::new("/admin").unwrap()
    }

    #[test]
    fn each_revision_is_let_in_with_its_own_words() {
        let root = Namespace::default;
        let table = [
            (Packet::welcome(V4, root(), "s", None), r#"0{"sid":"s"}"#),
            (Packet::welcome(V4, admin(), "s", Some("p")), r#"0/admin,{"sid":"s","pid":"p"}"#),
            (Packet::welcome(V3, root(), "s", None), "0"),
            (Packet::welcome(V3, admin(), "s", Some("p")), "0/admin,"),
            (Packet::refusal(V4, admin(), "Invalid namespace", None), r#"4/admin,{"message":"Invalid namespace"}"#),
            (Packet::refusal(V4, root(), "no", Some("[1]".into())), r#"4{"message":"no","data":[1]}"#),
            (Packet::refusal(V3, admin(), "Not authorized", None), r#"4/admin,"Not authorized""#),
            (Packet::refusal(V3, root(), "no", Some(r#"{"code":7}"#.into())), r#"4{"code":7}"#),
            (Packet::refusal(V3, root(), "no", Some("false".into())), r#"4"no""#),
            (Packet::connect_with_query(admin(), "token=1234&uid=abcd"), "0/admin?token=1234&uid=abcd,"),
            (Packet::connect_with_query(root(), "a=b"), "0/?a=b,"),
        ];
        for (packet, text) in table {
            assert_eq!(packet.unwrap().encode(), (text.to_owned(), Vec::new()));
        }
    }

    #[test]
    fn a_query_cannot_end_the_namespace() {
        for query in ["a,2[\"x\"]", "a\n"] {
            assert_eq!(Packet::connect_with_query(admin(), query), Err(BuildError::Namespace));
        }
        let asked = Namespace::new("/a?b").unwrap();
        assert_eq!(Packet::connect_with_query(asked, "c"), Err(BuildError::Namespace));
    }
}
