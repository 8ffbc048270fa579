//! What the machine says: CPU time and memory of a process, on which core it runs, and which machine it is.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// CPU time of all threads of a process since they began: user and kernel, from `/proc/PID/task/*/schedstat`, which counts
/// nanoseconds where `utime` counts ticks.
///
/// On loopback it holds the receivers' TCP work too: the sender's thread does it.
///
/// # Errors
/// When the process is gone, or the kernel keeps no `schedstat`.
pub fn cpu_time(process: u32) -> io::Result<Duration> {
    let mut nanoseconds = 0_u64;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = match fs::read_to_string(task?.path().join("schedstat")) {
            // The thread ended since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text?,
        };
        let running = text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        nanoseconds += running.ok_or_else(|| io::Error::other("schedstat is not readable"))?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Pages that are in memory, shared ones too.
    pub resident: u64,
    /// Pages that it wrote to and shares with nobody: what it costs.
    pub private_dirty: u64,
}

/// Memory of a process, from `/proc/PID/smaps_rollup`, which walks the pages: the counters of `statm` lag behind by up to some
/// hundred KiB.
///
/// # Errors
/// When the process is gone or not ours.
pub fn memory(process: u32) -> io::Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let kilobytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok())
    };
    match (kilobytes("Rss:"), kilobytes("Private_Dirty:")) {
        (Some(resident), Some(dirty)) => Ok(Memory { resident: resident * 1024, private_dirty: dirty * 1024 }),
        _ => Err(io::Error::other("smaps_rollup is not readable")),
    }
}

/// The cores for the server and for the load, and whether they could be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pinning {
    /// The server runs on the first, the load on the second, and nothing holds others off them.
    Cores(u32, u32),
    /// Both run where the kernel likes, for this reason.
    Free(String),
}

impl Pinning {
    /// Puts this process on `load`, and says where servers are to run.
    pub fn apply(server: u32, load: u32) -> Self {
        if server == load {
            return Self::Free("both were given the same core".to_owned());
        }
        let Some(taskset) = tool("taskset") else { return Self::Free("taskset (util-linux) is not there".to_owned()) };
        let own = std::process::id().to_string();
        // That the server's core exists is tried too; then back to the load's.
        for core in [server, load] {
            let moved = Command::new(&taskset)
                .args(["--cpu-list", "--pid", &core.to_string(), &own])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            if !moved.is_ok_and(|status| status.success()) {
                return Self::Free(format!("core {core} is not ours to use"));
            }
        }
        Self::Cores(server, load)
    }
}

impl std::fmt::Display for Pinning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cores(server, load) => write!(f, "server on core {server}, load on core {load}"),
            Self::Free(reason) => write!(f, "NOT PINNED: {reason}"),
        }
    }
}

/// Lets this process, and the servers that it starts, open as many files as its hard limit allows, and returns how many.
///
/// # Errors
/// When the limits cannot be read.
pub fn raise_open_files() -> io::Result<u64> {
    let limits = || -> io::Result<(u64, u64)> {
        let text = fs::read_to_string("/proc/self/limits")?;
        let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
        let mut numbers = line.unwrap_or_default().split_whitespace();
        // "unlimited" is as good as more than anything needs.
        let mut next = || numbers.next().map(|number| number.parse().unwrap_or(u64::MAX));
        next().zip(next()).ok_or_else(|| io::Error::other("/proc/self/limits is not readable"))
    };
    let (soft, hard) = limits()?;
    if soft < hard
        && let Some(prlimit) = tool("prlimit")
    {
        let own = std::process::id().to_string();
        Command::new(prlimit).args(["--pid", &own, &format!("--nofile={hard}:{hard}")]).status()?;
    }
    Ok(limits()?.0)
}

/// Makes short naps short: by default the kernel lets them last 50 µs longer. Where it cannot be had, latencies are as much
/// longer for every contestant.
pub fn make_naps_precise() {
    // A nicety: nothing depends on it.
    let _ = fs::write("/proc/self/timerslack_ns", "1000");
}

/// A program of this name, where the shell would look for it.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// One line about the machine, to stand beside every figure.
pub fn description() -> String {
    let read = |path: &str| fs::read_to_string(Path::new(path)).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown CPU", |(_, model)| model.trim());
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let meminfo = read("/proc/meminfo");
    let kilobytes = meminfo.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    format!("{cores} x {model}, {} GiB, Linux {}", kilobytes >> 20, read("/proc/sys/kernel/osrelease").trim())
}

/// How busy the machine was in the last minute, as `/proc/loadavg` has it: anything else that runs makes figures worse.
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn cpu_time_grows_while_we_work() {
        // A process of its own: the threads of other tests come and go in this one.
        let mut busy = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let (begin, before) = (Instant::now(), cpu_time(busy.id()).unwrap());
        while cpu_time(busy.id()).unwrap() < before + Duration::from_millis(5) {
            assert!(begin.elapsed() < Duration::from_secs(30), "it stands still");
        }
        busy.kill().unwrap();
        busy.wait().unwrap();
    }

    #[test]
    fn memory_holds_what_we_wrote_to() {
        let own = std::process::id();
        let before = memory(own).unwrap();
        let written = vec![1_u8; 16 << 20];
        let after = memory(own).unwrap();
        std::hint::black_box(&written);
        assert!(after.resident >= before.resident + (15 << 20), "{before:?} {after:?}");
        assert!(after.private_dirty >= before.private_dirty + (15 << 20), "{before:?} {after:?}");
    }
}
