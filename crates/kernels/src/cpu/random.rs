//! Random numbers, in parallel: element i depends on the key and i alone.

use hyperglow_core::op::{Distribution, Op, Spec};
use hyperglow_core::{DType, random};

use super::exec::{Args, Kernel};

/// Elements per task.
const CHUNK: usize = 1 << 14;

/// The kernel of `Random`.
pub(crate) fn compile(op: &Op, _inputs: &[&Spec], output: &Spec) -> Kernel {
    let dtype = output.dtype;
    match (op, dtype) {
        (Op::Random(Distribution::Uniform), DType::F64) => Box::new(|args| fill(args, random::fill_uniform_f64)),
        (Op::Random(Distribution::Uniform), _) => Box::new(|args| fill(args, random::fill_uniform_f32)),
        (Op::Random(Distribution::Normal), DType::F64) => Box::new(|args| fill(args, random::fill_normal_f64)),
        (Op::Random(Distribution::Normal), _) => Box::new(|args| fill(args, random::fill_normal_f32)),
        (_, _) => Box::new(|args| fill(args, random::fill_bits)),
    }
}

fn fill<T: super::element::Element>(args: &Args<'_>, draw: fn([u32; 2], u64, &mut [T])) -> hyperglow_core::Result<()> {
    let key = args.input::<u32>(0);
    let key = [key[0], key[1]];
    args.pool().chunks(args.output::<T>(), CHUNK, |_, i, out| draw(key, (i * CHUNK) as u64, out));
    Ok(())
}
