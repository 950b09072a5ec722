//! The kernels of a program's clusters and row groups: one text, which the driver compiles as one module.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use hyperglow_core::plan::{Program, StepKind};
use hyperglow_core::{Error, Result};

use super::bound::{Addresses, BoundLaunch};
use super::gpu::Gpu;
use super::gpu::modules::TextModule;
use super::ptx::{self, KernelText};

/// Blocks for each multiprocessor: enough that some compute while others wait for memory. A block takes the work of several.
const BLOCKS_OF_PROCESSOR: usize = 32;
/// The same where a block has scratch of its own.
const BLOCKS_WITH_SCRATCH: usize = 4;

/// The kernels of a program, by their first step.
pub(super) struct Texts {
    pub kernels: HashMap<usize, StepsText>,
    /// `None`: the program has neither clusters nor groups.
    pub module: Option<Arc<TextModule>>,
    /// Bytes of scratch, for any one of them.
    pub scratch: usize,
}

/// The kernel of a cluster or a row group.
pub(super) struct StepsText {
    pub steps: Range<usize>,
    pub text: KernelText,
    blocks: usize,
}

impl Texts {
    /// Writes and loads the kernels.
    ///
    /// # Errors
    /// Internal ones, for an invalid plan; those of the driver.
    pub fn of(program: &Program, gpu: &Arc<Gpu>) -> Result<Texts> {
        let mut kernels = HashMap::new();
        let mut grouped = vec![false; program.steps.len()];
        let processors = gpu.processors as usize;
        let mut add = |steps: Range<usize>, text: KernelText| {
            let of_processor = if text.scratch > 0 {
                BLOCKS_WITH_SCRATCH
            } else {
                BLOCKS_OF_PROCESSOR
            };
            let blocks = text.blocks.min(processors * of_processor);
            kernels.insert(steps.start, StepsText { steps, text, blocks });
        };
        for group in &program.groups {
            let name = format!("steps_{}_to_{}", group.steps.start, group.steps.end - 1);
            let scope = &program.steps[group.steps.start].scope;
            let text = ptx::rows(program, group, &name).map_err(|e| e.within(scope))?;
            grouped[group.steps.clone()].fill(true);
            add(group.steps.clone(), text);
        }
        for (at, step) in program.steps.iter().enumerate() {
            if let StepKind::Cluster(cluster) = &step.kind
                && !grouped[at]
            {
                let text = ptx::cluster(cluster, program, &format!("step_{at}"));
                add(at..at + 1, text.map_err(|e| e.within(&step.scope))?);
            }
        }
        let mut texts: Vec<(usize, KernelText)> = kernels
            .iter()
            .filter(|(_, kernel)| kernel.blocks > 0)
            .map(|(&at, kernel)| (at, kernel.text.clone()))
            .collect();
        texts.sort_by_key(|(at, _)| *at);
        let texts: Vec<KernelText> = texts.into_iter().map(|(_, text)| text).collect();
        let module = (!texts.is_empty()).then(|| TextModule::of(gpu, ptx::module(&texts)));
        Ok(Texts {
            scratch: kernels
                .values()
                .map(|kernel| kernel.blocks * kernel.text.scratch)
                .max()
                .unwrap_or(0),
            kernels,
            module: module.transpose()?,
        })
    }
}

impl StepsText {
    /// The launch; `None` where there is nothing to compute.
    pub fn bind(&self, program: &Program, texts: &Texts, memory: &Addresses) -> Result<Option<BoundLaunch>> {
        if self.blocks == 0 {
            return Ok(None);
        }
        let module = texts.module.as_ref();
        let module = module.ok_or_else(|| Error::internal("prepare", "a kernel without a module"))?;
        let function = module.function(&self.text.name)?;
        let shape = ([self.blocks as u32, 1, 1], [self.text.threads, 1, 1], 0);
        let mut bound = BoundLaunch::new(function, shape, self.steps.clone());
        for &slot in &self.text.slots {
            bound.slot(program, slot, memory)?;
        }
        if self.text.scratch > 0 {
            bound.word(memory.scratch);
        }
        Ok(Some(bound))
    }
}
