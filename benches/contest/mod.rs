//! Contests: every server in every round, one after the other, so that a ratio is taken while the machine is the same.

mod idle;
mod report;

use std::{path::Path, time::Duration};

pub use idle::{Idle, measure_idle};
use report::Report;

use crate::{
    LoadError,
    arguments::{Arguments, Scenario},
    figures::Measured,
    machine::Pinning,
    server::{Contestant, Server},
    traffic::{Layout, Pace, Party, Phase},
};

/// Measures what the arguments say, tells each figure as soon as it is there, and returns the closing tables in Markdown.
///
/// # Errors
/// The first figure that could not be had ends the contest.
pub fn run(
    arguments: &Arguments,
    programs: &Path,
    pinning: &Pinning,
    tell: &mut dyn FnMut(&str),
) -> Result<String, LoadError> {
    if arguments.scenario == Scenario::Idle {
        return idle::run(arguments, programs, pinning, tell);
    }
    let contestants = contestants(arguments, programs);
    let (layout, phases) = plan(arguments);
    let mut report = Report::new(&contestants, &phases);
    for round in 0..arguments.rounds {
        // Every other round backwards: a machine that slows down slows both ends.
        let mut order: Vec<usize> = (0..contestants.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let contestant = &contestants[at];
            let figures = measure_once(contestant, pinning, layout, arguments.payload, &phases, tell)?;
            for (phase, measured) in figures.into_iter().enumerate() {
                tell(&format!("{} {:<9} {:<12} {measured}", round + 1, phases[phase].name, contestant.name));
                report.add(phase, at, measured);
            }
        }
    }
    Ok(report.table())
}

/// Starts one server, sends it the phases' traffic, and ends it.
///
/// # Errors
/// When it lost, repeated or reordered a message, or anything else went wrong.
pub fn measure_once(
    contestant: &Contestant,
    pinning: &Pinning,
    layout: Layout,
    payload: usize,
    phases: &[Phase],
    tell: &mut dyn FnMut(&str),
) -> Result<Vec<Measured>, LoadError> {
    let server = Server::start(contestant, pinning)?;
    tell(&format!("  {}: process {}, {} members", contestant.name, server.process(), layout.everyone()));
    let mut party = Party::gather(&server, layout, payload)?;
    phases.iter().map(|phase| party.measure(phase)).collect()
}

/// The servers of the contest, the floor first.
fn contestants(arguments: &Arguments, programs: &Path) -> Vec<Contestant> {
    let mut all = vec![Contestant::floor(programs), Contestant::rooms("fanfare", programs.join("rooms"))];
    all.extend(arguments.also.iter().map(|(name, path)| Contestant::rooms(name, path.clone())));
    if let Some(only) = &arguments.only {
        all.retain(|contestant| contestant.name == *only);
    }
    all
}

fn plan(arguments: &Arguments) -> (Layout, Vec<Phase>) {
    let phase =
        |name, pace, seconds| Phase { name, pace, lasts: arguments.lasts.unwrap_or(Duration::from_secs(seconds)) };
    let paced = phase("paced", Pace::PerSecond(arguments.rate), 10);
    let saturated = phase("saturated", Pace::Window(arguments.window), 5);
    let one_room = Layout { rooms: 1, members: arguments.members + 1, talkers: 1 };
    let rooms = |default, members| Layout { rooms: arguments.rooms.unwrap_or(default), members, talkers: members };
    match arguments.scenario {
        Scenario::Fanout => (one_room, vec![paced, saturated]),
        Scenario::Paced => (one_room, vec![paced]),
        Scenario::Saturated | Scenario::Idle => (one_room, vec![saturated]),
        Scenario::Chat => (rooms(100, 10), vec![phase("chat", Pace::Window(1), 5)]),
        Scenario::Pingpong => (rooms(50, 2), vec![phase("pingpong", Pace::Answer, 5)]),
    }
}
