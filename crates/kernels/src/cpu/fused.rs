//! A matrix product and the elementwise cluster after it as one step: each part of the product is used while it is in
//! the cache, and the threads are called once.
//!
//! A large product whose only reader is the cluster, such as a weight's gradient and the optimizer's update, is made
//! tile by tile and never reaches memory. Any other one is stored, and the cluster follows on each finished part.

use hyperglow_core::plan::{Cluster, Program, SlotId, StepKind};

use super::cluster::ClusterKernel;
use super::element::for_float;
use super::exec::{Args, Env, Plain};
use super::gemm::{GemmElement, Prefetch, Product};
use super::storage::RawBytes;

/// A kernel that runs both steps.
pub(crate) struct FusedKernel(Box<Run>);

impl FusedKernel {
    pub fn new(run: impl Fn(&Args<'_>, &[RawBytes], RawBytes) + Send + 'static) -> FusedKernel {
        FusedKernel(Box::new(run))
    }
}

type Run = dyn Fn(&Args<'_>, &[RawBytes], RawBytes) + Send;

impl FusedKernel {
    /// Runs both, given the product's operands and what the cluster wants.
    ///
    /// # Safety
    /// As for [`ClusterKernel::run`], and the cluster's stores share no memory with the product's operands, which
    /// [`Program::follower`] has seen to.
    pub unsafe fn run(&self, args: &Args<'_>, slots: &[RawBytes], registers: RawBytes) {
        (self.0)(args, slots, registers);
    }
}

/// Operands of the cluster that are asked for ahead.
const MAX_STREAMS: usize = 4;

/// How a product and the cluster after it go together.
#[derive(Clone, Copy)]
pub(crate) enum Fusion {
    /// In tiles that are forgotten.
    Tiles(Product),
    /// The cluster on each part of the product, which is stored.
    Parts(Product),
}

impl Fusion {
    /// How both steps are done, in words.
    pub fn describe(self, program: &Program, slot: SlotId, cluster: &ClusterKernel, env: &Env) -> String {
        let (product, how) = match self {
            Fusion::Tiles(product) => (product, "not stored, each tile"),
            Fusion::Parts(product) => (product, "each part"),
        };
        let algorithm =
            for_float!(program.slots[slot].spec.dtype, T => product.algorithm_name::<T>(env.level));
        format!(
            "product: {algorithm}; {how} used at once by the cluster behind it: {}",
            cluster.way()
        )
    }
}

/// Columns from which on a part of a row is worth a call of the cluster.
const MIN_COLUMNS: usize = 64;

/// How a product, which is step `i`, and the next step, which `kernel` is for, are run as one; `None` if they cannot or
/// better are not.
pub(crate) fn fusion(
    program: &Program,
    i: usize,
    product: Product,
    kernel: &ClusterKernel,
    env: &Env,
) -> Option<Fusion> {
    let StepKind::Op { output, .. } = &program.steps[i].kind else {
        return None;
    };
    let cluster = program.follower(i)?;
    let threads = env.pool.threads();
    if let Some(tiles) = product.consumed_in_tiles()
        && program.is_forgotten(*output)
        && tiles.has_room(threads)
    {
        return Some(Fusion::Tiles(tiles));
    }
    let overwrites = cluster.stores.iter().any(|(_, slot)| {
        let mut loads = cluster.loads.iter();
        loads.any(|view| program.may_share(view.slot, *slot))
    });
    for_float!(program.slots[*output].spec.dtype, T => {
        let (tasks, columns) = product.tasks::<T>(env.level);
        let whole = columns >= MIN_COLUMNS.min(product.columns());
        let once = !overwrites || !product.epilogue_may_repeat::<T>(env.level);
        let busy = tasks >= kernel.tasks().min(threads);
        (whole && once && busy).then_some(Fusion::Parts(product))
    })
}

/// The cluster of the step after `i`, if nothing else reads the result of `i`, and it may follow part by part.
pub(crate) fn used_up_by_next(program: &Program, i: usize) -> Option<&Cluster> {
    let StepKind::Op { output, .. } = &program.steps[i].kind else {
        return None;
    };
    program.follower(i).filter(|_| program.is_forgotten(*output))
}

/// The kernel of a product whose place is `slot` and of the cluster after it.
pub(crate) fn compile(
    program: &Program,
    fusion: Fusion,
    cluster: ClusterKernel,
    slot: SlotId,
) -> FusedKernel {
    for_float!(program.slots[slot].spec.dtype, T => match fusion {
        Fusion::Tiles(product) => tiles::<T>(product, cluster, slot),
        Fusion::Parts(product) => parts::<T>(product, cluster, slot),
    })
}

fn parts<T: GemmElement + Plain>(product: Product, cluster: ClusterKernel, slot: SlotId) -> FusedKernel {
    FusedKernel(Box::new(move |args, slots, registers| {
        let (a, b, c, env) = (
            args.input::<T>(0),
            args.input::<T>(1),
            args.output::<T>(),
            args.env(),
        );
        let epilogue = |worker: usize, start: usize, elements: &[T]| {
            let instead = Some((slot, elements.as_ptr().cast::<u8>()));
            // SAFETY: as the caller of `run` promises; parts are different ones of the index space, and the product's
            // slot is read where the part was just written.
            unsafe { cluster.stretch(env, slots, registers, worker, start, elements.len(), instead) };
        };
        product.run_with_epilogue(args, (a, b), c, Some(&epilogue));
    }))
}

fn tiles<T: GemmElement + Plain>(product: Product, cluster: ClusterKernel, slot: SlotId) -> FusedKernel {
    FusedKernel(Box::new(move |args, slots, registers| {
        let (a, b, room, env) = (
            args.input::<T>(0),
            args.input::<T>(1),
            args.output::<T>(),
            args.env(),
        );
        let mut streams = [0; MAX_STREAMS];
        let matrices = cluster.streams(slots, slot, size_of::<T>(), &mut streams);
        let prefetch = Prefetch {
            matrices,
            stride: product.columns(),
        };
        product.run_tiles(args, a, b, room, prefetch, |worker, start, elements| {
            let instead = Some((slot, elements.as_ptr().cast::<u8>()));
            // SAFETY: as the caller of `run` promises; tiles are different parts of the index space, and only the
            // product's slot is read from the tile instead.
            unsafe { cluster.stretch(env, slots, registers, worker, start, elements.len(), instead) };
        });
    }))
}
