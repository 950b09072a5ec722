//! Epilogue fusion of matrix products: the elementwise cluster after a product runs on each block of the result while the block is
//! in the cache, in one fork of the pool.
//!
//! A large product whose only reader is the cluster, such as a weight's gradient before the optimizer's update, is computed in
//! tiles that are never stored. Any other product is stored, block by block before the cluster.

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
    /// Runs both steps.
    ///
    /// # Safety
    /// As for [`ClusterKernel::run`], and the cluster's stores share no memory with the product's operands:
    /// [`Program::epilogue`] checks that.
    pub unsafe fn run(&self, args: &Args<'_>, slots: &[RawBytes], registers: RawBytes) {
        (self.0)(args, slots, registers);
    }
}

/// Maximal number of operands of the cluster that are prefetched.
const MAX_STREAMS: usize = 4;

/// How a product and the cluster after it are fused.
#[derive(Clone, Copy)]
pub(crate) enum Fusion {
    /// The product is computed in tiles that are not stored.
    ByTiles(Product),
    /// The product is stored; the cluster runs on each block.
    ByBlocks(Product),
}

impl Fusion {
    /// The algorithms of both steps, in words.
    pub fn describe(self, program: &Program, slot: SlotId, cluster: &ClusterKernel, env: &Env) -> String {
        let (product, how) = match self {
            Fusion::ByTiles(product) => (product, "by tiles, product not stored"),
            Fusion::ByBlocks(product) => (product, "by blocks"),
        };
        let algorithm =
            for_float!(program.slots[slot].spec.dtype, T => product.algorithm_name::<T>(env.level));
        format!("gemm: {algorithm}; epilogue {how}: {}", cluster.code_name())
    }
}

/// Minimal number of columns of a block, worth a call of the cluster.
const MIN_COLUMNS: usize = 64;

/// How step `i`, a product, and the next step, whose kernel is `kernel`, are fused; `None` if they cannot be or if fusion would be
/// slower.
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
    let cluster = program.epilogue(i)?;
    let threads = env.pool.threads();
    if let Some(tiles) = product.consumed_in_tiles()
        && program.is_forgotten(*output)
        && tiles.has_room(threads)
    {
        return Some(Fusion::ByTiles(tiles));
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
        (whole && once && busy).then_some(Fusion::ByBlocks(product))
    })
}

/// The cluster after step `i`, if it can be the step's epilogue and is the only reader of the step's result.
pub(crate) fn only_epilogue(program: &Program, i: usize) -> Option<&Cluster> {
    let StepKind::Op { output, .. } = &program.steps[i].kind else {
        return None;
    };
    program.epilogue(i).filter(|_| program.is_forgotten(*output))
}

/// The kernel of a product with result `slot` and of the cluster after it.
pub(crate) fn compile(
    program: &Program,
    fusion: Fusion,
    cluster: ClusterKernel,
    slot: SlotId,
) -> FusedKernel {
    for_float!(program.slots[slot].spec.dtype, T => match fusion {
        Fusion::ByTiles(product) => tiles::<T>(product, cluster, slot),
        Fusion::ByBlocks(product) => parts::<T>(product, cluster, slot),
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
