//! Random numbers: blocks of one counter-based stream, computed in parallel.

use hyperglow_core::{DType, random};

use super::element::Element;
use super::exec::Kernel;

/// Elements that one task draws: a multiple of the generator's block.
const TASK_ELEMENTS: usize = 4096;

/// Random bits.
pub(crate) fn bits() -> Kernel {
    drawn::<u32>(random::fill_bits)
}

/// Uniform on [0, 1).
pub(crate) fn uniform(dtype: DType) -> Kernel {
    match dtype {
        DType::F64 => drawn::<f64>(random::fill_uniform_f64),
        _ => drawn::<f32>(random::fill_uniform_f32),
    }
}

/// Standard normal.
pub(crate) fn normal(dtype: DType) -> Kernel {
    match dtype {
        DType::F64 => drawn::<f64>(random::fill_normal_f64),
        _ => drawn::<f32>(random::fill_normal_f32),
    }
}

/// Equal parts of the output, each from its key; long parts are divided among tasks, short ones share a task.
fn drawn<T: Element>(draw: fn([u32; 2], u64, &mut [T])) -> Kernel {
    Box::new(move |args| {
        let (keys, pool) = (args.input::<u32>(0), args.pool());
        let out = args.output::<T>();
        if out.is_empty() {
            return Ok(());
        }
        let part = out.len() / (keys.len() / 2);
        let key = |i: usize| [keys[2 * i], keys[2 * i + 1]];
        if part >= TASK_ELEMENTS {
            for (i, part) in out.chunks_exact_mut(part).enumerate() {
                let fill =
                    |_, task: usize, piece: &mut [T]| draw(key(i), (task * TASK_ELEMENTS) as u64, piece);
                pool.chunks(part, TASK_ELEMENTS, fill);
            }
            return Ok(());
        }
        let parts = TASK_ELEMENTS / part;
        let fill = |_, task: usize, piece: &mut [T]| {
            for (i, part) in piece.chunks_exact_mut(part).enumerate() {
                draw(key(task * parts + i), 0, part);
            }
        };
        pool.chunks(out, parts * part, fill);
        Ok(())
    })
}
