//! Measures servers of the native protocol: many clients, one report.

use std::{env, io::Write as _, process::ExitCode};

use fanfare_benches::{
    arguments::{Arguments, HELP},
    contest, machine,
};

fn main() -> ExitCode {
    let arguments = match Arguments::parse(env::args_os().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("load: {error}");
            return ExitCode::from(2);
        }
    };
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            eprintln!("load: cannot tell where the servers are: {error}");
            return ExitCode::FAILURE;
        }
    };
    let programs = program.parent().unwrap_or(&program);
    let pinning = machine::Pinning::apply(arguments.server_core, arguments.load_core);
    machine::make_naps_precise();
    println!("{}; load average {}; {pinning}", machine::description(), machine::load_average());
    if cfg!(debug_assertions) {
        println!("A DEBUG BUILD: its figures mean nothing. Use --release.");
    }
    let mut tell = |line: &str| {
        println!("{line}");
        // Behind a pipe too, each figure is told when it is there.
        drop(std::io::stdout().flush());
    };
    match contest::run(&arguments, programs, &pinning, &mut tell) {
        Ok(table) => {
            println!("\n{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
