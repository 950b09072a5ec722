//! What the plans of an engine take while a profile is under way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::Engine;
use crate::engine::cache::Plan;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::FastMap;
use crate::home::DeviceId;
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
    /// Places in `plans`, by the addresses of their programs, which live as long.
    places: FastMap<usize, usize>,
}

impl Profile {
    /// What adds up the times of a plan.
    pub fn recorder(&self, device: DeviceId, plan: &Plan) -> Arc<Recorder> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { plans, places } = &mut *seen;
        let place = *places
            .entry(Arc::as_ptr(&plan.program) as usize)
            .or_insert_with(|| {
                plans.push((device, plan.clone(), Arc::default()));
                plans.len() - 1
            });
        plans[place].2.clone()
    }
}

/// What the runs of a plan took.
#[derive(Clone, Debug)]
pub struct ProfiledPlan {
    /// Name of the device.
    pub device: String,
    /// The plan as text, and how the device runs it.
    pub text: String,
    /// Runs that ended well.
    pub runs: u64,
    /// What they took together.
    pub took: Duration,
    /// In the order in which the device goes through them.
    pub steps: Vec<ProfiledStep>,
}

/// What steps that go together took.
#[derive(Clone, Debug)]
pub struct ProfiledStep {
    /// The first of them and the last, by their numbers in the plan.
    pub first: usize,
    /// See `first`.
    pub last: usize,
    /// What they do, in words.
    pub what: String,
    /// Where in the model they were made; may be empty.
    pub scope: String,
    /// What they took in all runs together.
    pub took: Duration,
    /// What they move and compute in one run.
    pub cost: Cost,
}

impl Engine {
    /// From now on the steps of plans are timed.
    ///
    /// # Errors
    /// Where they are already, and while a function is being compiled.
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

    /// Ends a profile: what the plans took whose runs have ended, in order of their first run.
    ///
    /// # Errors
    /// Where none is under way.
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
