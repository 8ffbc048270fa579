//! The floor as a process: one `write` for each delivery.

use std::{env, net::TcpListener, process::ExitCode};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [flag, address] = words.as_slice() else { return usage() };
    if flag != "--bind" {
        return usage();
    }
    let served = TcpListener::bind(address).and_then(|listener| {
        println!("floor: listening on {}", listener.local_addr()?);
        fanfare_benches::floor::serve(listener)
    });
    if let Err(error) = served {
        eprintln!("floor: {address}: {error}");
    }
    ExitCode::FAILURE
}

fn usage() -> ExitCode {
    eprintln!("usage: floor --bind ADDR");
    ExitCode::from(2)
}
