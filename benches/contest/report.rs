//! The closing table: medians over the rounds, and ratios to the floor of the same round.

use std::fmt::Write as _;

use crate::{
    figures::{Measured, median, milliseconds, ratios},
    server::Contestant,
    traffic::Phase,
};

/// The contestant that ratios are taken to.
const FLOOR: &str = "floor-write";

pub(super) struct Report<'a> {
    contestants: &'a [Contestant],
    phases: &'a [Phase],
    /// By phase and contestant, a figure of each round.
    measured: Vec<Vec<Vec<Measured>>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(contestants: &'a [Contestant], phases: &'a [Phase]) -> Self {
        Self { contestants, phases, measured: vec![vec![Vec::new(); contestants.len()]; phases.len()] }
    }

    pub(super) fn add(&mut self, phase: usize, contestant: usize, measured: Measured) {
        self.measured[phase][contestant].push(measured);
    }

    /// The table in Markdown.
    pub(super) fn table(&self) -> String {
        let mut table = String::from(
            "| phase | server | CPU us/delivery | x floor-write, same round | deliveries/s | messages/recv | bytes each | \
             last receiver p50 / p99 ms | p99 x floor | server / load busy |\n|-|-|-|-|-|-|-|-|-|-|\n",
        );
        let floor = self.contestants.iter().position(|contestant| contestant.name == FLOOR);
        for (phase, measured) in self.phases.iter().zip(&self.measured) {
            for (contestant, rounds) in self.contestants.iter().zip(measured) {
                let of = |figure: fn(&Measured) -> f64| median(rounds.iter().map(figure));
                let against = |figure: fn(&Measured) -> f64| match floor {
                    Some(floor) => {
                        let floors: Vec<f64> = measured[floor].iter().map(figure).collect();
                        ratios(&rounds.iter().map(figure).collect::<Vec<_>>(), &floors)
                    }
                    None => "-".to_owned(),
                };
                let p99 = |measured: &Measured| milliseconds(measured.latencies.p99);
                writeln!(
                    table,
                    "| {} | {} | {:.3} | {} | {:.0} | {:.1} | {:.0} | {:.2} / {:.2} | {} | {:.0} % / {:.0} % |",
                    phase.name,
                    contestant.name,
                    of(Measured::cost),
                    against(Measured::cost),
                    of(Measured::rate),
                    of(Measured::messages_per_receive),
                    of(Measured::bytes_per_delivery),
                    of(|measured| milliseconds(measured.latencies.median)),
                    of(p99),
                    against(p99),
                    of(Measured::server_busy) * 100.0,
                    of(Measured::load_busy) * 100.0,
                )
                .expect("a String takes all");
            }
        }
        table
    }
}
