//! One notice or publication into framed bytes.

use bytes::Bytes;

use super::shard::Format;
use crate::{
    Namespace, Notice, Position, RoomName, ServerEvent,
    broker::{Publication, PublicationKind, Topic},
};

/// Appends a publication, framed for `format`.
pub(super) fn encode_publication(
    format: &Format,
    topic: &Topic,
    publication: &Publication,
    position: Option<Position>,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    let room = topic.room_name();
    let namespace = &topic.namespace;
    match (&publication.kind, room) {
        (PublicationKind::Event { .. }, _) => {
            if let Some(event) = server_event(publication, room, position) {
                encode_into(format, namespace, &Notice::Event(event), scratch, out);
            }
        }
        (PublicationKind::Raw(bytes), _) => encode_into(format, namespace, &Notice::Raw(bytes), scratch, out),
        (PublicationKind::Joined(member), Some(room)) => {
            let notice = Notice::UserJoined {
                client_id: member.client_id,
                room,
                user: member.user.as_deref(),
                info: member.info.as_ref(),
            };
            encode_into(format, namespace, &notice, scratch, out);
        }
        (PublicationKind::Left(member), Some(room)) => {
            let notice = Notice::UserLeft {
                client_id: member.client_id,
                room,
                user: member.user.as_deref(),
                info: member.info.as_ref(),
            };
            encode_into(format, namespace, &notice, scratch, out);
        }
        (PublicationKind::Joined(_) | PublicationKind::Left(_), None) => {}
    }
}

/// The event of a publication as it is told to clients; `None` for what is no event.
pub(super) fn server_event<'a>(
    publication: &'a Publication,
    room: Option<&'a RoomName>,
    position: Option<Position>,
) -> Option<ServerEvent<'a>> {
    let PublicationKind::Event { name, payload } = &publication.kind else { return None };
    Some(ServerEvent {
        name,
        payload,
        client_id: publication.sender,
        room,
        timestamp: Some(publication.timestamp),
        position,
    })
}

/// Appends a notice, framed for `format`.
pub(super) fn encode_into(
    format: &Format,
    namespace: &Namespace,
    notice: &Notice<'_>,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    scratch.clear();
    let framing = &format.framing;
    format.encoding.encode(namespace, notice, scratch, &mut |kind, message| framing.frame(kind, message, out));
}

/// A notice as framed bytes of its own.
pub(super) fn encoded(format: &Format, namespace: &Namespace, notice: &Notice<'_>, scratch: &mut Vec<u8>) -> Bytes {
    let mut out = Vec::new();
    encode_into(format, namespace, notice, scratch, &mut out);
    Bytes::from(out)
}
