//! The clockwork driven by hand.

use super::*;

const TIMING: Timing =
    Timing { handshake: 10_000, ping_interval: 25_000, ping_timeout: 20_000, close: 1_000, refresh_notice: 30_000 };

/// Runs to `end` as a shard does, from deadline to deadline, and notes what was due when.
fn run(state: &mut SessionState, from: Millis, end: Millis) -> Vec<(Millis, Due)> {
    let mut seen = Vec::new();
    let mut now = from;
    loop {
        while let Some(due) = state.poll_due(now, &TIMING) {
            seen.push((now, due));
        }
        let next = state.deadline(&TIMING);
        if next > end {
            return seen;
        }
        assert!(next > now, "a deadline that is over must not come again");
        now = next;
    }
}

fn open(now: Millis) -> SessionState {
    let mut state = SessionState::new(now, &TIMING);
    state.handle_open(now, &TIMING, true, 0);
    state
}

#[test]
fn a_handshake_that_takes_too_long_ends_once() {
    let mut state = SessionState::new(5, &TIMING);
    assert_eq!(run(&mut state, 5, 1_000_000), [(10_005, Due::HandshakeTimeout)]);
}

#[test]
fn a_mute_peer_is_gone_after_interval_and_timeout() {
    let mut state = open(0);
    assert_eq!(run(&mut state, 0, 1_000_000), [(25_000, Due::Ping), (45_000, Due::PingTimeout)]);
}

#[test]
fn the_first_ping_comes_one_interval_after_the_opening_less_the_jitter() {
    let mut state = SessionState::new(0, &TIMING);
    state.handle_open(1_000, &TIMING, true, 6_000);
    assert_eq!(run(&mut state, 1_000, 30_000), [(20_000, Due::Ping)]);
}

#[test]
fn a_peer_that_answers_is_pinged_again_one_interval_after_its_answer() {
    let mut state = open(0);
    assert_eq!(run(&mut state, 0, 25_000), [(25_000, Due::Ping)]);
    state.handle_heard(26_000);
    assert_eq!(run(&mut state, 26_000, 60_000), [(51_000, Due::Ping)]);
}

#[test]
fn what_came_before_the_ping_is_no_answer_to_it() {
    let mut state = open(0);
    state.handle_heard(24_999);
    assert_eq!(run(&mut state, 24_999, 100_000), [(25_000, Due::Ping), (45_000, Due::PingTimeout)]);
}

#[test]
fn where_liveness_is_the_transports_nobody_is_pinged() {
    let mut state = SessionState::new(0, &TIMING);
    state.handle_open(0, &TIMING, false, 0);
    assert_eq!(run(&mut state, 0, 10_000_000), []);
}

#[test]
fn an_identity_is_announced_to_end_and_then_ends() {
    let mut state = SessionState::new(0, &TIMING);
    state.handle_open(0, &TIMING, false, 0);
    state.handle_identity(0, Some(100_000));
    assert_eq!(run(&mut state, 0, 1_000_000), [(70_000, Due::RefreshNotice), (100_000, Due::Expired)]);
}

#[test]
fn a_refreshed_identity_lives_on() {
    let mut state = SessionState::new(0, &TIMING);
    state.handle_open(0, &TIMING, false, 0);
    state.handle_identity(0, Some(100_000));
    assert_eq!(run(&mut state, 0, 80_000), [(70_000, Due::RefreshNotice)]);
    state.handle_identity(80_000, Some(100_000));
    assert_eq!(run(&mut state, 80_000, 160_000), [(150_000, Due::RefreshNotice)]);
}

#[test]
fn a_close_is_bounded_and_nothing_else_is_due_meanwhile() {
    let mut state = open(0);
    state.handle_identity(0, Some(24_500));
    state.handle_close(24_000, &TIMING);
    assert_eq!(state.phase(), Phase::Closing);
    assert_eq!(run(&mut state, 24_000, 1_000_000), [(25_000, Due::CloseTimeout)]);
}
