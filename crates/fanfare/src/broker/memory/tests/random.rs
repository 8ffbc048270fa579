//! Whatever is called in whatever order and at whatever time: the books are right, and no log goes back or has a hole.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{Epoch, broker::Receipt};

#[derive(Debug, Clone)]
enum Act {
    Publish { node: usize, room: u8, kept: bool, key: Option<u8> },
    Subscribe { node: usize, room: u8 },
    Unsubscribe { node: usize, room: u8 },
    Read { room: u8 },
    Track { node: usize, room: u8, session: u8, seconds: u8 },
    Untrack { node: usize, room: u8, session: u8 },
    Wait { seconds: u16 },
    CutAndHeal { node: usize },
    Replace { node: usize },
    Lose,
}

fn act() -> impl Strategy<Value = Act> {
    let (node, room, session) = (0..2_usize, 0..6_u8, 0..3_u8);
    prop_oneof![
        8 => (node.clone(), room.clone(), any::<bool>(), prop::option::of(0..4_u8))
            .prop_map(|(node, room, kept, key)| Act::Publish { node, room, kept, key }),
        3 => (node.clone(), room.clone()).prop_map(|(node, room)| Act::Subscribe { node, room }),
        3 => (node.clone(), room.clone()).prop_map(|(node, room)| Act::Unsubscribe { node, room }),
        3 => room.clone().prop_map(|room| Act::Read { room }),
        2 => (node.clone(), room.clone(), session.clone(), 0..50_u8)
            .prop_map(|(node, room, session, seconds)| Act::Track { node, room, session, seconds }),
        1 => (node.clone(), room, session).prop_map(|(node, room, session)| Act::Untrack { node, room, session }),
        4 => prop_oneof![0..70_u16, 0..4000_u16].prop_map(|seconds| Act::Wait { seconds }),
        1 => node.clone().prop_map(|node| Act::CutAndHeal { node }),
        1 => node.prop_map(|node| Act::Replace { node }),
        1 => Just(Act::Lose),
    ]
}

struct World {
    bus: MemoryBus,
    nodes: Vec<MemoryBroker>,
    sink: Arc<dyn Sink>,
    recorder: Arc<Recorder>,
    /// The last offset of each epoch that a receipt told.
    tops: HashMap<(u8, Epoch), u64>,
}

impl World {
    fn new() -> Self {
        let bus = MemoryBus::with_options(MemoryOptions { max_logs: 3, max_idempotency_keys: 5, ..Default::default() });
        let nodes = vec![bus.broker(), bus.broker()];
        let (recorder, sink) = Recorder::new();
        Self { bus, nodes, sink, recorder, tops: HashMap::new() }
    }

    async fn act(&mut self, act: Act) {
        let topic = |number: u8| room(&number.to_string());
        let member = |session: u8| Member { client_id: SessionId::from_bytes([session; 16]), user: None, info: None };
        match act {
            Act::Publish { node, room, kept, key } => {
                let mut publication = Publication::clone(&raw("x"));
                publication.idempotency_key = key.map(|key| key.to_string().into());
                let history = History { messages: 3, ..KEEP };
                let answer = self.nodes[node].publish(&topic(room), publication.into(), kept.then_some(history)).await;
                match answer {
                    Ok(Receipt { position: Some(position), duplicate: false, .. }) => {
                        let before = self.tops.insert((room, position.epoch), position.offset).unwrap_or(0);
                        assert_eq!(position.offset, before + 1, "no offset twice, and none left out");
                    }
                    Ok(_) => {}
                    Err(error) => assert!(error == BrokerError::Full && key.is_some()),
                }
            }
            Act::Subscribe { node, room } => self.nodes[node].subscribe(&topic(room), &self.sink).await.unwrap(),
            Act::Unsubscribe { node, room } => self.nodes[node].unsubscribe(&topic(room)).await.unwrap(),
            Act::Read { room } => {
                let (offsets, top, complete) = read(&self.nodes[0], &room.to_string(), None).await;
                assert!(complete && offsets.len() <= 3);
                assert!(offsets.iter().copied().eq(top.offset + 1 - offsets.len() as u64..=top.offset));
                assert_eq!(self.tops.get(&(room, top.epoch)).copied().unwrap_or(0), top.offset);
            }
            Act::Track { node, room, session, seconds } => {
                let lease = SECOND * seconds.into();
                self.nodes[node].track(&topic(room), &member(session), lease).await.unwrap();
            }
            Act::Untrack { node, room, session } => {
                self.nodes[node].untrack(&topic(room), member(session).client_id).await.unwrap();
            }
            Act::Wait { seconds } => advance(SECOND * seconds.into()).await,
            Act::CutAndHeal { node } => {
                self.bus.cut(&self.nodes[node]);
                self.bus.heal(&self.nodes[node]);
            }
            Act::Replace { node } => self.nodes[node] = self.bus.broker(),
            Act::Lose => self.bus.lose(),
        }
    }
}

proptest! {
    #[test]
    fn the_books_are_right_after_every_call(acts in vec(act(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for act in acts {
                world.act(act).await;
                world.bus.audit();
                world.recorder.take();
            }
            world.nodes.clear();
            advance(SECOND * 8000).await;
            let last = world.bus.broker();
            for _ in 0..10 {
                last.presence(&room("any"), 1).await.unwrap();
            }
            assert_eq!(world.bus.sizes().0, 0, "nothing stays when nobody is there");
        });
    }
}
