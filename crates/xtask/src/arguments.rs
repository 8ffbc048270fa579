//! The words after `cargo xtask`, and what they ask for.

/// What `cargo xtask help` prints.
pub(crate) const HELP: &str = "\
cargo xtask test [--fast]
    Everything that must pass. Installs through the system's package manager what the tests need and the machine does
    not have (and says so), installs the Node packages of the browser tests, runs every unit, promise, contract and
    documentation test of the workspace. Needs root or `sudo -n` only if something is missing.
    --fast   the inner loop: installs nothing and leaves out the `chat` example with its browser tests

cargo xtask lint [--quick]
    Formatting, clippy, documentation and dependencies (licences, bans, sources), each with warnings as errors.
    Installs cargo-deny into target/tools if it is missing.
    --quick  formatting and clippy only

cargo xtask fuzz [TARGET] [--seconds N]
    Runs the fuzz targets of crates/*/fuzz, or the one named, for N seconds each (60 by default), on the stable
    toolchain. Installs cargo-fuzz into target/tools if it is missing.

cargo xtask help
    Prints this.

Exit code: 0 all steps passed, 1 a step failed (its name is printed), 2 the command line was not understood.";

/// How long a fuzz target runs when nobody says: long enough to find shallow bugs, short enough to wait for.
const DEFAULT_FUZZ_SECONDS: u32 = 60;

/// One of the chores, with its options.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chore {
    /// Print the help.
    Help,
    /// Run the tests.
    Test {
        /// Leave out installation and the browser.
        fast: bool,
    },
    /// Check form, not behaviour.
    Lint {
        /// Only formatting and clippy.
        quick: bool,
    },
    /// Run fuzz targets for a bounded time.
    Fuzz {
        /// The one to run; all of them if absent.
        target: Option<String>,
        /// For each target.
        seconds: u32,
    },
}

/// Reads the command line, without the program's own name.
///
/// # Errors
/// One line that says which word was not understood.
pub(crate) fn parse(words: &[String]) -> Result<Chore, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help" | "--help" | "-h"] | [_, "--help" | "-h"] => Ok(Chore::Help),
        ["test"] => Ok(Chore::Test { fast: false }),
        ["test", "--fast"] => Ok(Chore::Test { fast: true }),
        ["lint"] => Ok(Chore::Lint { quick: false }),
        ["lint", "--quick"] => Ok(Chore::Lint { quick: true }),
        ["fuzz", rest @ ..] => parse_fuzz(rest),
        ["test" | "lint", option, ..] => Err(format!("`{}` has no option `{option}`", words[0])),
        [chore, ..] => Err(format!("there is no chore `{chore}`")),
    }
}

fn parse_fuzz(mut words: &[&str]) -> Result<Chore, String> {
    let mut target = None;
    let mut seconds = DEFAULT_FUZZ_SECONDS;
    while let [word, rest @ ..] = words {
        words = rest;
        if *word == "--seconds" {
            let [number, rest @ ..] = rest else {
                return Err("`--seconds` needs a number".to_owned());
            };
            words = rest;
            seconds = match number.parse() {
                // libFuzzer takes 0 for "for ever", and this chore promises an end.
                Ok(0) | Err(_) => return Err(format!("`--seconds` needs a whole number above 0, not `{number}`")),
                Ok(seconds) => seconds,
            };
        } else if word.starts_with('-') {
            return Err(format!("`fuzz` has no option `{word}`"));
        } else if target.replace((*word).to_owned()).is_some() {
            return Err(format!("`fuzz` takes one target: `{word}` is a second one"));
        }
    }
    Ok(Chore::Fuzz { target, seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Chore, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn every_documented_form_is_understood() {
        let fuzz = |target: Option<&str>, seconds| Chore::Fuzz { target: target.map(str::to_owned), seconds };
        for (line, chore) in [
            ("", Chore::Help),
            ("help", Chore::Help),
            ("test --help", Chore::Help),
            ("test", Chore::Test { fast: false }),
            ("test --fast", Chore::Test { fast: true }),
            ("lint", Chore::Lint { quick: false }),
            ("lint --quick", Chore::Lint { quick: true }),
            ("fuzz", fuzz(None, 60)),
            ("fuzz command", fuzz(Some("command"), 60)),
            ("fuzz --seconds 5", fuzz(None, 5)),
            ("fuzz --seconds 5 command", fuzz(Some("command"), 5)),
            ("fuzz command --seconds 5", fuzz(Some("command"), 5)),
        ] {
            assert_eq!(parsed(line), Ok(chore), "{line}");
        }
    }

    #[test]
    fn a_word_that_is_not_understood_is_named() {
        for (line, named) in [
            ("tset", "`tset`"),
            ("test --quick", "`--quick`"),
            ("lint --fast", "`--fast`"),
            ("fuzz --minutes 1", "`--minutes`"),
            ("fuzz --seconds", "`--seconds`"),
            ("fuzz --seconds soon", "`soon`"),
            ("fuzz --seconds 0", "`0`"),
            ("fuzz one two", "`two`"),
        ] {
            let complaint = parsed(line).expect_err(line);
            assert!(complaint.contains(named), "{line}: {complaint}");
        }
    }
}
