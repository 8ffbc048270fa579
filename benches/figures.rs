//! Figures: what a phase measured, medians, and how they stand in a report.

use std::{fmt, time::Duration};

/// What one phase of traffic measured on one server.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Messages that reached one receiver each.
    pub deliveries: u64,
    /// From the first message to the last delivery.
    pub elapsed: Duration,
    /// CPU time of the server's threads.
    pub server_cpu: Duration,
    /// CPU time of the load generator.
    pub load_cpu: Duration,
    /// Calls of `recv` by the clients that brought something.
    pub receives: u64,
    /// Bytes that they brought.
    pub bytes: u64,
    /// From sending a message until its last receiver had it.
    pub latencies: Latencies,
}

impl Measured {
    /// Microseconds of the server's CPU that one delivery cost: the headline.
    pub fn cost(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.deliveries.max(1) as f64
    }

    /// Deliveries a second.
    pub fn rate(&self) -> f64 {
        self.deliveries as f64 / self.elapsed.as_secs_f64()
    }

    /// Messages that one `recv` brought: a hint at how many rode on one `send` of the server, but a client that looks
    /// seldom finds several sends at once.
    pub fn messages_per_receive(&self) -> f64 {
        self.deliveries as f64 / self.receives.max(1) as f64
    }

    /// Bytes of one delivery on the wire, the frame's header too: the same from every server, or the ratio compares apples
    /// with pears.
    pub fn bytes_per_delivery(&self) -> f64 {
        self.bytes as f64 / self.deliveries.max(1) as f64
    }

    /// Which part of a core the server used.
    pub fn server_busy(&self) -> f64 {
        self.server_cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    /// Which part of a core the load generator used. Near 1 it, and not the server, is what was measured.
    pub fn load_busy(&self) -> f64 {
        self.load_cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:7.3} us/delivery  {:>9.0} deliveries/s  {:5.1} messages/recv  last p50 {:6.2} p99 {:6.2} ms  \
             server {:3.0} % load {:3.0} %",
            self.cost(),
            self.rate(),
            self.messages_per_receive(),
            milliseconds(self.latencies.median),
            milliseconds(self.latencies.p99),
            self.server_busy() * 100.0,
            self.load_busy() * 100.0,
        )
    }
}

/// How long messages took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Half of them took no longer.
    pub median: Duration,
    /// All but one in a hundred took no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Latencies {
    /// From each message's time; all zero without any.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        // The nearest rank: of 100 times the 99th, and a time that was measured, not one between two.
        let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Self {
            median: at(50).unwrap_or_default(),
            p99: at(99).unwrap_or_default(),
            max: times.last().copied().unwrap_or_default(),
        }
    }
}

/// Milliseconds, with their fraction.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The middle one, or the mean of the two in the middle; `NaN` of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The ratios of the same rounds, as their median and their range: how far to trust it.
pub fn ratios(values: &[f64], floors: &[f64]) -> String {
    let ratios: Vec<f64> = values.iter().zip(floors).map(|(value, floor)| value / floor).collect();
    let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let high = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match ratios.len() {
        0 => "-".to_owned(),
        _ => format!("{:.3} ({low:.3} to {high:.3})", median(ratios)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times = |count: u64| (1..=count).rev().map(Duration::from_millis).collect::<Vec<_>>();
        for (count, median, p99) in [(1, 1, 1), (2, 1, 2), (3, 2, 3), (100, 50, 99), (200, 100, 198)] {
            let found = Latencies::of(times(count));
            let expected = Latencies {
                median: Duration::from_millis(median),
                p99: Duration::from_millis(p99),
                max: Duration::from_millis(count),
            };
            assert_eq!(found, expected, "{count}");
        }
        assert_eq!(Latencies::of(Vec::new()), Latencies::default());
    }

    #[test]
    fn a_ratio_is_within_its_round() {
        // The machine was twice as slow in the second round: the ratio is the same.
        assert_eq!(ratios(&[3.0, 6.0, 5.0], &[2.0, 4.0, 2.0]), "1.500 (1.500 to 2.500)");
        assert_eq!(ratios(&[], &[1.0]), "-");
        assert_eq!(median([4.0, 1.0]), 2.5);
        assert!(median([]).is_nan());
    }
}
