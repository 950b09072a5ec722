//! Times of the steps of plans, measured by the device. A run is timed only if it has a [`Recorder`].

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Steps that are run together, and their time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lap {
    /// Their numbers in the program.
    pub steps: Range<usize>,
    /// Time of all runs.
    pub took: Duration,
}

/// Times of the runs of one plan, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Runs that ended well.
    pub runs: u64,
    /// Time of all runs, at least the sum of the laps.
    pub took: Duration,
    /// In the order in which the device runs them. Empty for a device that does not time its steps.
    pub laps: Vec<Lap>,
}

/// Adds up the times of the runs of one plan.
#[derive(Debug, Default)]
pub struct Recorder {
    times: Mutex<Times>,
}

impl Recorder {
    /// Adds a run that ended now.
    pub fn add(&self, watch: Stopwatch) {
        let took = watch.start.elapsed();
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.runs += 1;
        times.took += took;
        if times.laps.is_empty() {
            times.laps = watch.laps;
            return;
        }
        for (sum, lap) in times.laps.iter_mut().zip(watch.laps) {
            sum.took += lap.took;
        }
    }

    /// What was added so far.
    pub fn times(&self) -> Times {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.clone()
    }
}

/// Times one run.
#[derive(Debug)]
pub struct Stopwatch {
    start: Instant,
    last: Instant,
    laps: Vec<Lap>,
}

impl Stopwatch {
    /// Begins a run of about so many laps.
    pub fn start(laps: usize) -> Stopwatch {
        let laps = Vec::with_capacity(laps);
        let start = Instant::now();
        Stopwatch {
            start,
            last: start,
            laps,
        }
    }

    /// The next lap begins now: the time before belongs to no lap.
    pub fn begin(&mut self) {
        self.last = Instant::now();
    }

    /// Ends a lap of `steps`, which began at the end of the previous lap.
    pub fn lap(&mut self, steps: Range<usize>) {
        let now = Instant::now();
        let took = now - self.last;
        self.last = now;
        self.laps.push(Lap { steps, took });
    }
}
