//! The load runs against both kinds of server, small and short: the figures mean nothing here, that they can be had does.
#![allow(clippy::unwrap_used)]

use std::{path::PathBuf, time::Duration};

use fanfare_benches::{
    contest::{measure_idle, measure_once},
    figures::Measured,
    machine::Pinning,
    server::Contestant,
    traffic::{Layout, Pace, Phase},
};

fn servers() -> [Contestant; 2] {
    let contestant =
        |name: &str, path: &str| Contestant { name: name.to_owned(), path: PathBuf::from(path), arguments: Vec::new() };
    [contestant("floor-write", env!("CARGO_BIN_EXE_floor")), contestant("idle-heap", env!("CARGO_BIN_EXE_idle-heap"))]
}

fn free() -> Pinning {
    Pinning::Free("a test".to_owned())
}

fn measured(layout: Layout, paces: &[Pace]) -> Vec<(String, Vec<Measured>)> {
    let phases: Vec<Phase> =
        paces.iter().map(|&pace| Phase { name: "small", pace, lasts: Duration::from_millis(200) }).collect();
    let measure = |server: &Contestant| {
        let figures = measure_once(server, &free(), layout, 64, &phases, &mut |_| ()).unwrap();
        (server.name.clone(), figures)
    };
    servers().iter().map(measure).collect()
}

#[test]
fn a_fan_out_is_counted_in_full_paced_and_saturated() {
    let layout = Layout { rooms: 1, members: 21, talkers: 1 };
    for (name, figures) in measured(layout, &[Pace::PerSecond(50), Pace::Window(8)]) {
        // At 0, 20, 40 … 180 ms. A message that a busy machine delays beyond the end is not sent.
        assert!((1..=10).contains(&(figures[0].deliveries / 20)), "{name}: {:?}", figures[0]);
        assert!(figures[1].deliveries > figures[0].deliveries, "{name}: {figures:?}");
        for figures in figures {
            assert_eq!(figures.deliveries % 20, 0, "{name}");
            assert!(figures.cost() > 0.0 && figures.latencies.median > Duration::ZERO, "{name}: {figures:?}");
        }
    }
}

#[test]
fn both_servers_send_the_same_bytes() {
    let layout = Layout { rooms: 1, members: 2, talkers: 1 };
    let figures = measured(layout, &[Pace::Window(1)]);
    let bytes: Vec<f64> = figures.iter().map(|(_, figures)| figures[0].bytes_per_delivery()).collect();
    assert_eq!(bytes[0], bytes[1]);
    assert!(bytes[0] > 64.0, "{bytes:?}");
}

#[test]
fn small_rooms_talk_and_pairs_answer() {
    let rooms = Layout { rooms: 3, members: 4, talkers: 4 };
    let pairs = Layout { rooms: 5, members: 2, talkers: 2 };
    for (layout, pace) in [(rooms, Pace::Window(1)), (pairs, Pace::Answer)] {
        for (name, figures) in measured(layout, &[pace]) {
            assert!(figures[0].deliveries > layout.everyone() as u64, "{name}: {figures:?}");
        }
    }
}

#[test]
fn an_idle_connection_has_a_price() {
    let [floor, counted] = servers();
    let floor = measure_idle(&floor, &free(), 50, 1, false).unwrap();
    assert!(floor.cost > 0.0 && floor.heap.is_none(), "{floor:?}");
    let counted = measure_idle(&counted, &free(), 50, 7, true).unwrap();
    let (bytes, blocks) = counted.heap.unwrap();
    // A connection of the hub is some hundred bytes in more than one block; ten times as much is a mistake of the count.
    assert!((100.0..10_000.0).contains(&bytes) && (1.0..100.0).contains(&blocks), "{counted:?}");
}
