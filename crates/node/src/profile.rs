//! What plans take.

use hyperglow_core::engine::{ProfiledPlan, ProfiledStep};
use napi_derive::napi;

use crate::state::engine;

/// What the runs of a plan took since the profile began.
#[napi(object)]
pub struct PlanTimes {
    /// Name of the device.
    pub device: String,
    /// The plan as text, and how the device runs it.
    pub text: String,
    /// Runs that ended well.
    pub runs: f64,
    /// What they took together.
    pub milliseconds: f64,
    /// In the order in which the device goes through them.
    pub steps: Vec<StepTimes>,
}

/// What steps that go together took.
#[napi(object)]
pub struct StepTimes {
    /// The first of them, by its number in the plan.
    pub first: u32,
    /// The last of them.
    pub last: u32,
    /// What they do, in words.
    pub what: String,
    /// Where in the model they were made; may be empty.
    pub scope: String,
    /// What they took in all runs together.
    pub milliseconds: f64,
    /// Bytes that they read in one run.
    pub bytes_read: f64,
    /// Bytes that they write in one run.
    pub bytes_written: f64,
    /// Multiplications and additions of products and convolutions in one run; left out where there are none.
    pub flops: Option<f64>,
}

impl From<ProfiledStep> for StepTimes {
    fn from(step: ProfiledStep) -> StepTimes {
        StepTimes {
            first: step.first as u32,
            last: step.last as u32,
            what: step.what,
            scope: step.scope,
            milliseconds: step.took.as_secs_f64() * 1e3,
            bytes_read: step.cost.read as f64,
            bytes_written: step.cost.written as f64,
            flops: step.cost.flops,
        }
    }
}

impl From<ProfiledPlan> for PlanTimes {
    fn from(plan: ProfiledPlan) -> PlanTimes {
        PlanTimes {
            device: plan.device,
            text: plan.text,
            runs: plan.runs as f64,
            milliseconds: plan.took.as_secs_f64() * 1e3,
            steps: plan.steps.into_iter().map(StepTimes::from).collect(),
        }
    }
}

/// From now on the steps of plans are timed.
#[napi]
pub fn profile_begin() -> napi::Result<()> {
    engine(|e| e.profile_begin())
}

/// Ends that; gives what the plans took, in order of their first run.
#[napi]
pub fn profile_end() -> napi::Result<Vec<PlanTimes>> {
    engine(|e| Ok(e.profile_end()?.into_iter().map(PlanTimes::from).collect()))
}
