//! Profiles: times of the plans that an engine runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::Engine;
use crate::engine::cache::Plan;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::FastMap;
use crate::placement::DeviceId;
use crate::plan::cost::{Cost, cost};
use crate::plan::print::{print, scopes, summary};
use crate::profile::Recorder;

/// The plans that ran since a profile began, in order of their first run.
#[derive(Default)]
pub(super) struct Profile {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    plans: Vec<(DeviceId, Plan, Arc<Recorder>)>,
    /// Indices into `plans`, by the addresses of their programs, which `plans` keeps alive.
    index_of: FastMap<usize, usize>,
}

impl Profile {
    /// The recorder of a plan.
    pub fn recorder(&self, device: DeviceId, plan: &Plan) -> Arc<Recorder> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { plans, index_of } = &mut *seen;
        let index = *index_of
            .entry(Arc::as_ptr(&plan.program) as usize)
            .or_insert_with(|| {
                plans.push((device, plan.clone(), Arc::default()));
                plans.len() - 1
            });
        plans[index].2.clone()
    }
}

/// Times of the runs of a plan.
#[derive(Clone, Debug)]
pub struct ProfiledPlan {
    /// Name of the device.
    pub device: String,
    /// The plan as text, and how the device runs it.
    pub text: String,
    /// Runs that ended well.
    pub runs: u64,
    /// Time of all runs.
    pub took: Duration,
    /// In the order in which the device runs them.
    pub steps: Vec<ProfiledStep>,
}

/// Time of steps that are run together.
#[derive(Clone, Debug)]
pub struct ProfiledStep {
    /// Number in the plan of the first step.
    pub first: usize,
    /// Number in the plan of the last step.
    pub last: usize,
    /// Their operations, in words.
    pub what: String,
    /// Their scopes; may be empty.
    pub scope: String,
    /// Time of all runs.
    pub took: Duration,
    /// Memory traffic and arithmetic of one run.
    pub cost: Cost,
}

impl Engine {
    /// Begins a profile: from now on the steps of plans are timed.
    ///
    /// # Errors
    /// While another profile is under way, and while a function is being compiled.
    pub fn profile_begin(&mut self) -> Result<()> {
        self.not_tracing("profile")?;
        if self.profile.is_some() {
            return Err(Error::new(
                ErrorKind::State,
                "profile",
                "another profile is under way, and each would count the other's runs",
                "wait for the promise of the one before the next begins",
            ));
        }
        self.profile = Some(Profile::default());
        Ok(())
    }

    /// Ends a profile: the times of runs that have ended, plan by plan, in order of their first run.
    ///
    /// # Errors
    /// While no profile is under way.
    pub fn profile_end(&mut self) -> Result<Vec<ProfiledPlan>> {
        let profile = self.profile.take();
        let profile = profile.ok_or_else(|| Error::internal("profile", "none is under way"))?;
        let seen = profile.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let plans = seen.plans.iter();
        plans
            .map(|(device, plan, recorder)| self.profiled(*device, plan, recorder))
            .collect()
    }

    fn profiled(&self, device: DeviceId, plan: &Plan, recorder: &Recorder) -> Result<ProfiledPlan> {
        let times = recorder.times();
        let program = &plan.program;
        let step = |lap: &crate::profile::Lap| ProfiledStep {
            first: lap.steps.start,
            last: lap.steps.end - 1,
            what: summary(program, lap.steps.clone()),
            scope: scopes(program, lap.steps.clone()),
            took: lap.took,
            cost: cost(program, lap.steps.clone()),
        };
        Ok(ProfiledPlan {
            device: self.graph.device_name(device).to_string(),
            text: print(program) + &self.described(device, plan)?,
            runs: times.runs,
            took: times.took,
            steps: times.laps.iter().map(step).collect(),
        })
    }
}
