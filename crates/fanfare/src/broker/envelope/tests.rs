//! What is written is read again; anything else is an error and nothing worse.
#![allow(clippy::unwrap_used)]

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{Member, RoomName, SessionId, broker::Except};

fn room() -> impl Strategy<Value = RoomName> {
    "[^\\pC]{1,40}".prop_map(|name| RoomName::new(name).unwrap())
}

fn session() -> impl Strategy<Value = SessionId> {
    any::<[u8; 16]>().prop_map(SessionId::from_bytes)
}

fn json() -> impl Strategy<Value = Payload> {
    any::<String>().prop_map(|text| Payload::new(&text).unwrap())
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

fn member() -> impl Strategy<Value = Member> {
    (session(), option::of(any::<String>()), option::of(json())).prop_map(|(client_id, user, info)| {
        let user = user.map(Arc::from);
        Member { client_id, user, info }
    })
}

fn kind() -> impl Strategy<Value = PublicationKind> {
    let name = || "[^\\pC]{1,20}".prop_map(|name| EventName::new(name).unwrap());
    let payload = prop_oneof![json(), bytes().prop_map(Payload::Binary)];
    prop_oneof![
        (name(), payload).prop_map(|(name, payload)| PublicationKind::Event { name, payload }),
        bytes().prop_map(PublicationKind::Raw),
        member().prop_map(PublicationKind::Joined),
        member().prop_map(PublicationKind::Left),
    ]
}

prop_compose! {
    fn publication()(
        kind in kind(),
        sender in option::of(session()),
        timestamp in any::<u64>(),
        except in vec(session(), 0..20),
        except_rooms in vec(room(), 0..20),
        rooms in vec(room(), 0..20),
        idempotency_key in option::of(any::<String>()),
        conflation_key in option::of(any::<String>()),
        volatile in any::<bool>(),
    ) -> Publication {
        Publication {
            kind,
            sender,
            timestamp,
            except: Except::from_vec(except),
            except_rooms,
            rooms,
            idempotency_key: idempotency_key.map(Arc::from),
            conflation_key: conflation_key.map(Arc::from),
            volatile,
        }
    }
}

proptest! {
    #[test]
    fn every_publication_comes_back_as_it_was(publication in publication()) {
        prop_assert_eq!(Publication::from_bytes(publication.to_bytes()), Ok(publication));
    }

    #[test]
    fn no_beginning_of_a_publication_is_one(publication in publication(), part in 0.0..1.0) {
        let bytes = publication.to_bytes();
        let part = bytes.slice(..(bytes.len() as f64 * part) as usize);
        prop_assert_eq!(Publication::from_bytes(part), Err(EnvelopeError::Malformed));
    }

    #[test]
    fn a_publication_with_wrong_bytes_in_it_does_no_harm(
        publication in publication(),
        wrong in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = publication.to_bytes().to_vec();
        for (at, byte) in wrong {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        // Whatever is read is something that can be written and read again.
        if let Ok(read) = Publication::from_bytes(bytes.into()) {
            prop_assert_eq!(Publication::from_bytes(read.to_bytes()), Ok(read));
        }
    }

    #[test]
    fn any_bytes_do_no_harm(mut bytes in vec(any::<u8>(), 0..400)) {
        let _ = Publication::from_bytes(bytes.clone().into());
        bytes.splice(0..0, [VERSION, 0x9b]);
        let _ = Publication::from_bytes(bytes.into());
    }
}

fn raw(content: &'static [u8]) -> Publication {
    Publication::new(PublicationKind::Raw(Bytes::from_static(content)), 7)
}

#[test]
fn the_payload_is_a_slice_of_the_bytes() {
    let bytes = raw(&[9; 1000]).to_bytes();
    let read = Publication::from_bytes(bytes.clone()).unwrap();
    let PublicationKind::Raw(content) = read.kind else { panic!("it was raw") };
    assert!(bytes.as_ptr_range().contains(&content.as_ptr()));
}

#[test]
fn fields_that_a_later_node_appends_are_passed_over() {
    let publication = raw(b"x");
    let mut bytes = publication.to_bytes().to_vec();
    assert_eq!(bytes[1], 0x9b, "an array of eleven");
    bytes[1] = 0x9c;
    bytes.extend(b"\xa3new");
    assert_eq!(Publication::from_bytes(bytes.into()), Ok(publication));
}

#[test]
fn what_is_no_publication_is_refused_with_its_reason() {
    let good = raw(b"x").to_bytes();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = byte;
        Publication::from_bytes(bytes.into())
    };
    assert_eq!(with(0, 2), Err(EnvelopeError::Version(2)));
    assert_eq!(with(1, 0x9a), Err(EnvelopeError::Malformed), "a field too few");
    assert_eq!(with(2, 9), Err(EnvelopeError::Malformed), "an unknown kind");
    let longer = [&good[..], b"x"].concat();
    assert_eq!(Publication::from_bytes(longer.into()), Err(EnvelopeError::Malformed));
    // An array that announces four thousand million ids.
    let huge = [&[VERSION, 0xdd][..], &[0xff; 4]].concat();
    assert_eq!(Publication::from_bytes(huge.into()), Err(EnvelopeError::Malformed));
}
