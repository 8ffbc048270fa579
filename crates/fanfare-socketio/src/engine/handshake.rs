//! What the server tells a client first: the JSON of the `open` packet.

use serde::{Deserialize, Serialize};

use crate::Revision;

/// The data of the `open` packet: the session's id and the figures that the client has to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handshake {
    /// Id of the session, which every further request carries.
    pub sid: String,
    /// Transports that the client may change to: `websocket`, or none.
    pub upgrades: Vec<String>,
    /// Time between two pings, in milliseconds.
    pub ping_interval: u64,
    /// How long a ping may stay unanswered, in milliseconds.
    pub ping_timeout: u64,
    /// Longest body of a long poll that the server takes, in bytes. Revision 3 does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_payload: Option<u64>,
}

impl Handshake {
    /// The JSON, with exactly the keys `sid`, `upgrades`, `pingInterval`, `pingTimeout` and, but for revision 3, `maxPayload`.
    pub fn to_json(&self, revision: Revision) -> String {
        let mut shown = self.clone();
        if revision == Revision::V3 {
            shown.max_payload = None;
        }
        serde_json::to_string(&shown).expect("strings and numbers are JSON")
    }

    /// Reads the data of an `open` packet; keys that it does not know are ignored.
    ///
    /// # Errors
    /// [`serde_json::Error`] when it is not such an object.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_handshake_has_exactly_the_keys_of_its_revision() {
        let handshake = Handshake {
            sid: "lv_VI97HAXpY6yYWAAAC".into(),
            upgrades: vec!["websocket".into()],
            ping_interval: 25000,
            ping_timeout: 20000,
            max_payload: Some(1_000_000),
        };
        let json = handshake.to_json(Revision::V4);
        assert_eq!(
            json,
            r#"{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
        );
        assert_eq!(Handshake::from_json(&json).unwrap(), handshake);
        let json = handshake.to_json(Revision::V3);
        assert_eq!(
            json,
            r#"{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}"#
        );
        assert_eq!(Handshake::from_json(&json).unwrap().max_payload, None);
    }
}
