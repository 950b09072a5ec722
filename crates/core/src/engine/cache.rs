//! The plan cache: prepared plans by trace, at most [`CACHED_PLANS`], the least recently used evicted.

use std::sync::{Arc, OnceLock};

use crate::completion::Completion;
use crate::error::Result;
use crate::hash::FastMap;
use crate::plan::Program;
use crate::plan::trace::Trace;
use crate::prepared::Shared;

/// Capacity of the cache.
pub const CACHED_PLANS: usize = 64;

/// A plan, prepared.
#[derive(Clone)]
pub struct Plan {
    /// Its steps.
    pub program: Arc<Program>,
    /// Its executable.
    pub executable: Shared,
    /// Its first run.
    pub first: Arc<OnceLock<Arc<Completion>>>,
}

impl Plan {
    /// Whether a run may fail: a step may refuse its values or, until a run has ended well, the device may be out of memory.
    pub fn can_fail(&self) -> bool {
        self.program.can_fail || !self.first.get().is_some_and(|run| run.is_done())
    }
}

/// Plans by trace.
#[derive(Default)]
pub struct PlanCache {
    plans: FastMap<Arc<Trace>, (Plan, u64)>,
    clock: u64,
    /// Look-ups that found their plan.
    pub hits: u64,
    /// Look-ups that had to make the plan.
    pub misses: u64,
}

impl PlanCache {
    /// The plan of `trace`, made by `make` if it is not cached.
    pub fn get(&mut self, trace: &Trace, make: impl FnOnce(&Trace) -> Result<Plan>) -> Result<Plan> {
        self.clock += 1;
        if let Some((plan, used)) = self.plans.get_mut(trace) {
            *used = self.clock;
            self.hits += 1;
            return Ok(plan.clone());
        }
        self.misses += 1;
        let plan = make(trace)?;
        if self.plans.len() >= CACHED_PLANS {
            let oldest = self
                .plans
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(t, _)| t.clone());
            if let Some(oldest) = oldest {
                self.plans.remove(&oldest);
            }
        }
        self.plans
            .insert(Arc::new(trace.clone()), (plan.clone(), self.clock));
        Ok(plan)
    }
    /// Plans in the cache.
    pub fn len(&self) -> usize {
        self.plans.len()
    }
    /// The plans, most recently used first.
    pub fn list(&self) -> Vec<Arc<Program>> {
        let mut plans: Vec<_> = self.plans.values().collect();
        plans.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
        plans.into_iter().map(|(plan, _)| plan.program.clone()).collect()
    }
}
