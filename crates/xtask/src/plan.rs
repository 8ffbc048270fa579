//! Steps in a row: each announced, timed, and named when it fails.

use std::time::{Duration, Instant};

/// What a step ends with; the error is one line for a person.
pub(crate) type Outcome = Result<(), String>;

/// One thing to do, with the name a person reads.
pub(crate) struct Step {
    name: String,
    work: Box<dyn FnOnce() -> Outcome>,
}

impl Step {
    /// A step that is done when `work` returns.
    pub(crate) fn new(name: impl Into<String>, work: impl FnOnce() -> Outcome + 'static) -> Self {
        Self { name: name.into(), work: Box::new(work) }
    }
}

/// Runs the steps until one fails, then prints how long each took; true when all passed.
pub(crate) fn run_in_order(steps: Vec<Step>) -> bool {
    let mut lines = Vec::new();
    let mut failure = None;
    let planned = steps.len();
    for (index, step) in steps.into_iter().enumerate() {
        println!("\n── {} ({} of {planned})", step.name, index + 1);
        let start = Instant::now();
        let outcome = (step.work)();
        lines.push(line(&step.name, start.elapsed(), outcome.is_ok()));
        if let Err(error) = outcome {
            failure = Some((step.name, error));
            break;
        }
    }
    println!("\n── steps");
    for line in &lines {
        println!("{line}");
    }
    match failure {
        None => true,
        Some((name, error)) => {
            let left = planned - lines.len();
            if left > 0 {
                println!("not reached: {left} of {planned} steps");
            }
            eprintln!("step `{name}` failed: {error}");
            false
        }
    }
}

fn line(name: &str, took: Duration, passed: bool) -> String {
    format!("{name:<24} {:>8.1} s  {}", took.as_secs_f64(), if passed { "ok" } else { "FAILED" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn nothing_runs_after_the_first_failure() {
        let ran = Rc::new(RefCell::new(Vec::new()));
        let step = |name: &'static str, outcome: Outcome| {
            let ran = Rc::clone(&ran);
            Step::new(name, move || {
                ran.borrow_mut().push(name);
                outcome
            })
        };
        let passed = run_in_order(vec![
            step("first", Ok(())),
            step("second", Err("it is broken".to_owned())),
            step("third", Ok(())),
        ]);
        assert!(!passed);
        assert_eq!(*ran.borrow(), ["first", "second"]);
    }

    #[test]
    fn a_line_shows_the_seconds_and_the_end() {
        assert_eq!(line("clippy", Duration::from_millis(61_240), true), "clippy                       61.2 s  ok");
        assert!(line("clippy", Duration::ZERO, false).ends_with("FAILED"));
    }
}
