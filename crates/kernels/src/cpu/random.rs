//! Random numbers: blocks of one counter-based stream, computed in parallel.

use hyperglow_core::{DType, random};

use super::exec::Kernel;

/// Elements that one task draws: a multiple of the generator's block.
const TASK_ELEMENTS: usize = 4096;

/// Random bits.
pub(crate) fn bits() -> Kernel {
    Box::new(|args| {
        let key = args.input::<u32>(0);
        let fill = |_, i: usize, piece: &mut [u32]| {
            random::fill_bits([key[0], key[1]], (i * TASK_ELEMENTS) as u64, piece)
        };
        args.pool().chunks(args.output::<u32>(), TASK_ELEMENTS, fill);
        Ok(())
    })
}

/// Uniform on [0, 1).
pub(crate) fn uniform(dtype: DType) -> Kernel {
    match dtype {
        DType::F64 => floats::<f64>(random::fill_uniform_f64),
        _ => floats::<f32>(random::fill_uniform_f32),
    }
}

/// Standard normal.
pub(crate) fn normal(dtype: DType) -> Kernel {
    match dtype {
        DType::F64 => floats::<f64>(random::fill_normal_f64),
        _ => floats::<f32>(random::fill_normal_f32),
    }
}

fn floats<T: super::element::Float>(draw: fn([u32; 2], u64, &mut [T])) -> Kernel {
    Box::new(move |args| {
        let key = args.input::<u32>(0);
        let fill = |_, i: usize, piece: &mut [T]| draw([key[0], key[1]], (i * TASK_ELEMENTS) as u64, piece);
        args.pool().chunks(args.output::<T>(), TASK_ELEMENTS, fill);
        Ok(())
    })
}
