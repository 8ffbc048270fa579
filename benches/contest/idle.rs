//! Idle connections: what each costs in memory while it is silent, and in CPU time until it is in its room.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    LoadError,
    arguments::Arguments,
    client::{AT_ONCE, Clients},
    figures::{median, ratios},
    machine::Pinning,
    server::{Contestant, Server},
};

/// Members before the ones that are measured. Up to 1,000 members are told of each join; beyond it a join costs what it costs
/// alone, and nothing of what was announced waits anywhere.
const WARM_UP: usize = 1100;
/// Files that a server has open beside its connections.
const SPARE_FILES: u64 = 64;
/// How long nothing may have come before memory is read.
const QUIET: Duration = Duration::from_secs(1);

/// What an idle connection costs a server, in user space. The kernel's socket comes on top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Idle {
    /// Bytes of resident memory for each connection.
    pub resident: f64,
    /// Of these, bytes of pages that were written to.
    pub private_dirty: f64,
    /// Bytes and blocks on the heap for each connection, where the server counts them.
    pub heap: Option<(f64, f64)>,
    /// Microseconds of the server's CPU for each connect and join.
    pub cost: f64,
    /// Connects and joins a second.
    pub rate: f64,
}

/// Starts the server, lets `connections` join `rooms` rooms, and reads what they cost.
///
/// # Errors
/// What starting a server and connecting can meet.
pub fn measure_idle(
    contestant: &Contestant,
    pinning: &Pinning,
    connections: usize,
    rooms: usize,
    counts_heap: bool,
) -> Result<Idle, LoadError> {
    let mut server = Server::start(contestant, pinning)?;
    let mut clients = Clients::new()?;
    let room_of = |member: usize| format!("room-{:05}", member % rooms);
    // One after the other, so that what is announced to the others does not heap up: memory that was free once more would
    // make the measured ones look smaller.
    clients.join(server.address, WARM_UP.min(connections), 1, room_of)?;
    clients.settle(QUIET)?;
    let (memory, cpu) = (server.memory()?, server.cpu_time()?);
    let heap = if counts_heap { Some(server.heap()?) } else { None };
    let begin = Instant::now();
    clients.join(server.address, connections, AT_ONCE, room_of)?;
    let (elapsed, cpu_after) = (begin.elapsed(), server.cpu_time()?);
    clients.settle(QUIET)?;
    let memory_after = server.memory()?;
    let heap_after = if counts_heap { Some(server.heap()?) } else { None };
    let each = |after: u64, before: u64| (after as f64 - before as f64) / connections as f64;
    Ok(Idle {
        resident: each(memory_after.resident, memory.resident),
        private_dirty: each(memory_after.private_dirty, memory.private_dirty),
        heap: heap.zip(heap_after).map(|(before, after)| (each(after.0, before.0), each(after.1, before.1))),
        cost: cpu_after.saturating_sub(cpu).as_secs_f64() * 1e6 / connections as f64,
        rate: connections as f64 / elapsed.as_secs_f64(),
    })
}

pub(super) fn run(
    arguments: &Arguments,
    programs: &Path,
    pinning: &Pinning,
    tell: &mut dyn FnMut(&str),
) -> Result<String, LoadError> {
    let files = crate::machine::raise_open_files().map_err(LoadError::system("read the limit of open files"))?;
    let possible = usize::try_from(files.saturating_sub(SPARE_FILES)).unwrap_or(usize::MAX).saturating_sub(WARM_UP);
    let connections = arguments.connections.min(possible);
    if connections < arguments.connections {
        tell(&format!("{connections} connections instead of {}: {files} files may be open", arguments.connections));
    }
    let rooms = arguments.rooms.unwrap_or(1);
    tell(&format!("{connections} connections in {rooms} rooms, after {WARM_UP} that are not counted"));
    let mut contestants = super::contestants(arguments, programs);
    if arguments.only.as_deref().is_none_or(|only| only == "idle-heap") {
        contestants.push(Contestant::idle_heap(programs));
    }
    let mut measured: Vec<Vec<Idle>> = vec![Vec::new(); contestants.len()];
    for round in 0..arguments.rounds {
        for (contestant, rounds) in contestants.iter().zip(&mut measured) {
            let counts_heap = contestant.name == "idle-heap";
            let idle = measure_idle(contestant, pinning, connections, rooms, counts_heap)?;
            tell(&format!("{} idle {:<12} {}", round + 1, contestant.name, line(&idle)));
            rounds.push(idle);
        }
    }
    Ok(table(&contestants, &measured))
}

fn line(idle: &Idle) -> String {
    let heap =
        idle.heap.map_or_else(String::new, |(bytes, blocks)| format!("  heap {bytes:.0} B in {blocks:.1} blocks"));
    format!(
        "resident {:.0} B, dirty {:.0} B each{heap}  {:.1} us/connect+join  {:.0} connects/s",
        idle.resident, idle.private_dirty, idle.cost, idle.rate
    )
}

fn table(contestants: &[Contestant], measured: &[Vec<Idle>]) -> String {
    let mut table = String::from(
        "| server | resident B/connection | private dirty B/connection | heap B/connection | heap blocks/connection | \
         CPU us/connect+join | x floor-write | connects/s |\n|-|-|-|-|-|-|-|-|\n",
    );
    let floors: Vec<f64> = measured.first().into_iter().flatten().map(|idle| idle.cost).collect();
    for (contestant, rounds) in contestants.iter().zip(measured) {
        let of = |figure: fn(&Idle) -> f64| median(rounds.iter().map(figure));
        let counted = |part: fn((f64, f64)) -> f64| match rounds.iter().filter_map(|idle| idle.heap).map(part) {
            parts if rounds.iter().any(|idle| idle.heap.is_some()) => format!("{:.1}", median(parts)),
            _ => "not counted".to_owned(),
        };
        let ratio = match contestants.first() {
            Some(first) if first.name == "floor-write" => {
                ratios(&rounds.iter().map(|idle| idle.cost).collect::<Vec<_>>(), &floors)
            }
            _ => "-".to_owned(),
        };
        writeln!(
            table,
            "| {} | {:.0} | {:.0} | {} | {} | {:.1} | {ratio} | {:.0} |",
            contestant.name,
            of(|idle| idle.resident),
            of(|idle| idle.private_dirty),
            counted(|(bytes, _)| bytes),
            counted(|(_, blocks)| blocks),
            of(|idle| idle.cost),
            of(|idle| idle.rate),
        )
        .expect("a String takes all");
    }
    table
}
