//! Times of plans.

use hyperglow_core::engine::{ProfiledPlan, ProfiledStep};
use napi_derive::napi;

use crate::state::engine;

/// Times of a plan's runs since the profile began.
#[napi(object)]
pub struct PlanTimes {
    /// Name of the device.
    pub device: String,
    /// The plan as text, and how the device runs it.
    pub text: String,
    /// Number of successful runs.
    pub runs: f64,
    /// Total time of the runs.
    pub milliseconds: f64,
    /// Steps in the order of the device.
    pub steps: Vec<StepTimes>,
}

/// Times of steps that run as one.
#[napi(object)]
pub struct StepTimes {
    /// Number of the first step in the plan.
    pub first: u32,
    /// Number of the last step.
    pub last: u32,
    /// The operations of the steps, in words.
    pub what: String,
    /// Scopes in which the steps were built; may be empty.
    pub scope: String,
    /// Total time in all runs.
    pub milliseconds: f64,
    /// Bytes read in one run.
    pub bytes_read: f64,
    /// Bytes written in one run.
    pub bytes_written: f64,
    /// Multiplications and additions of products and convolutions in one run; `None` for other steps.
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

/// Begins to time the steps of plans.
#[napi]
pub fn profile_begin() -> napi::Result<()> {
    engine(|e| e.profile_begin())
}

/// Ends the profile; returns the times of the plans, in order of their first run.
#[napi]
pub fn profile_end() -> napi::Result<Vec<PlanTimes>> {
    engine(|e| Ok(e.profile_end()?.into_iter().map(PlanTimes::from).collect()))
}
