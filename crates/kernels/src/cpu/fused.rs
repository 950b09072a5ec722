//! A large matrix product whose only reader is the elementwise cluster after it, such as a weight's gradient and
//! the optimizer's update: each tile of the product is used while it is in the cache, and the product never
//! reaches memory.

use hyperglow_core::op::Op;
use hyperglow_core::plan::{Cluster, Place, Program, SlotId, StepKind};

use super::cluster::{ClusterKernel, may_share};
use super::element::for_float;
use super::exec::{Args, Plain};
use super::gemm::{Product, Tiled, Warm, product_of};
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
    /// [`used_up_by_next`] has seen to.
    pub unsafe fn run(&self, args: &Args<'_>, slots: &[RawBytes], registers: RawBytes) {
        (self.0)(args, slots, registers);
    }
}

/// Operands of the cluster that are asked for ahead.
const STREAMS: usize = 4;

/// The product of step `i`, if it and the cluster of the next step can be run as one.
pub(crate) fn product(program: &Program, i: usize, threads: usize) -> Option<Product> {
    let StepKind::Op {
        op: Op::MatMul { ta, tb },
        inputs,
        ..
    } = &program.steps[i].kind
    else {
        return None;
    };
    let product = product_of(&inputs[0].1, &inputs[1].1, *ta, *tb, threads).in_tiles()?;
    used_up_by_next(program, i)?;
    product.has_room(threads).then_some(product)
}

/// The cluster of the step after `i`, if nothing else reads the result of `i`, it reads that everywhere as it lies, and its
/// own results are apart from whatever `i` reads and writes.
pub(crate) fn used_up_by_next(program: &Program, i: usize) -> Option<&Cluster> {
    let StepKind::Op {
        inputs,
        output,
        scratch,
        ..
    } = &program.steps[i].kind
    else {
        return None;
    };
    let StepKind::Cluster(cluster) = &program.steps.get(i + 1)?.kind else {
        return None;
    };
    let result = &program.slots[*output];
    let in_arena =
        matches!(result.place, Place::Arena(_)) && result.spec.shape.size() == cluster.shape.size();
    let used_up = in_arena && reads_element_for_element(cluster, *output) && readers(program, *output) == 1;
    let clashes = |slot: SlotId| {
        let operand = inputs.iter().any(|(input, _)| may_share(program, *input, slot));
        operand || may_share(program, *output, slot) || in_scratch(program, slot, *scratch)
    };
    let apart = !cluster.stores.iter().any(|(_, slot)| clashes(*slot));
    (used_up && apart).then_some(cluster)
}

/// Whether the cluster reads the slot, and everywhere as it lies.
fn reads_element_for_element(cluster: &Cluster, slot: SlotId) -> bool {
    let mut loads = cluster.loads.iter().filter(|view| view.slot == slot).peekable();
    loads.peek().is_some() && loads.all(|view| view.offset == 0 && view.is_contiguous())
}

/// Number of steps that read the slot.
fn readers(program: &Program, slot: SlotId) -> usize {
    let reads = |kind: &StepKind| match kind {
        StepKind::Op { inputs, .. } => inputs.iter().any(|(input, _)| *input == slot),
        StepKind::Cluster(cluster) => cluster.loads.iter().any(|view| view.slot == slot),
    };
    program.steps.iter().filter(|step| reads(&step.kind)).count()
}

/// Whether a slot lies over scratch `(start, bytes)`.
fn in_scratch(program: &Program, slot: SlotId, (start, bytes): (usize, usize)) -> bool {
    match program.slots[slot].place {
        Place::Arena(at) => at < start + bytes && start < at + program.slots[slot].spec.bytes(),
        Place::Input(_) | Place::Output(_) | Place::Private => false,
    }
}

/// The kernel of a product whose place is `slot` and of the cluster that uses it up.
pub(crate) fn compile(
    program: &Program,
    product: Product,
    cluster: ClusterKernel,
    slot: SlotId,
) -> FusedKernel {
    for_float!(program.slots[slot].spec.dtype, T => kernel::<T>(product, cluster, slot))
}

fn kernel<T: Tiled + Plain>(product: Product, cluster: ClusterKernel, slot: SlotId) -> FusedKernel {
    FusedKernel(Box::new(move |args, slots, registers| {
        let (a, b, room, env) = (
            args.input::<T>(0),
            args.input::<T>(1),
            args.output::<T>(),
            args.env(),
        );
        let mut streams = [0; STREAMS];
        let matrices = cluster.streams(slots, slot, size_of::<T>(), &mut streams);
        let warm = Warm {
            matrices,
            stride: product.columns(),
        };
        product.run_tiles(args, a, b, room, warm, |worker, row, columns, elements| {
            let start = row * product.columns() + columns.start;
            let instead = Some((slot, elements.as_ptr().cast::<u8>()));
            // SAFETY: as the caller of `run` promises; tiles are different parts of the index space, and only the
            // product's slot is read from the tile instead.
            unsafe { cluster.stretch(env, slots, registers, worker, start, elements.len(), instead) };
        });
    }))
}
