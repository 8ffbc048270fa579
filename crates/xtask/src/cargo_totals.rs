//! The sum of a `cargo test` run: cargo prints a result for each of some dozen test programs, and no total.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::plan::Outcome;
use crate::process::{end, show};

/// Runs `cargo test`, hands its output on as it comes, and prints the total at the end.
///
/// # Errors
/// A test fails, or none ran at all: a run that tested nothing must not look like one that passed.
pub(crate) fn run(command: &mut Command) -> Outcome {
    show(command);
    let mut child = match command.stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return end(command, Err(error)),
    };
    let mut output = child.stdout.take().expect("the output was asked for above");
    let mut totals = Totals::default();
    let mut chunk = [0; 8 * 1024];
    loop {
        match output.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => {
                // Not by whole lines: the name of a test that hangs must be seen.
                let mut screen = std::io::stdout().lock();
                screen.write_all(&chunk[..count]).and_then(|()| screen.flush()).map_err(|error| error.to_string())?;
                totals.feed(&chunk[..count]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("the output of `cargo test` cannot be read: {error}")),
        }
    }
    let status = child.wait();
    totals.end_line();
    println!("\n{} passed, {} failed, {} skipped", totals.passed, totals.failed, totals.ignored);
    end(command, status)?;
    if totals.passed == 0 { Err("no test ran".to_owned()) } else { Ok(()) }
}

/// Sums the lines that begin with `test result:`, fed in pieces of any size.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// The line that has not ended yet; at most [`LONGEST_LINE`] bytes, the rest of a longer one is dropped.
    line: Vec<u8>,
}

/// A result line has about 100 bytes; the bound keeps a test that prints without line ends from filling the memory.
const LONGEST_LINE: usize = 1024;

impl Totals {
    fn feed(&mut self, output: &[u8]) {
        for &byte in output {
            if byte == b'\n' {
                self.end_line();
            } else if self.line.len() < LONGEST_LINE {
                self.line.push(byte);
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let Ok(line) = std::str::from_utf8(&line) else { return };
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                Some((number, "ignored")) => self.ignored += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "running 3 tests\n\
        test one ... ok\n\
        test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.05s\n\
        \n\
        test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.20s\n\
        a test printed: test result: ok. 100 passed; 0 failed\n";

    #[test]
    fn the_results_of_all_programs_are_summed_however_the_output_is_cut() {
        for size in [1, 2, 7, 64, OUTPUT.len()] {
            let mut totals = Totals::default();
            for chunk in OUTPUT.as_bytes().chunks(size) {
                totals.feed(chunk);
            }
            assert_eq!(totals, Totals { passed: 15, failed: 2, ignored: 1, line: Vec::new() }, "pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_an_end_takes_bounded_memory() {
        let mut totals = Totals::default();
        totals.feed(&vec![b'x'; 10 * LONGEST_LINE]);
        assert_eq!(totals.line.len(), LONGEST_LINE);
        totals.feed(b"\ntest result: ok. 1 passed; 0 failed; 0 ignored\n");
        assert_eq!(totals.passed, 1);
    }
}
