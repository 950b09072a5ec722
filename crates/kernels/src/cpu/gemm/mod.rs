//! Matrix products: `C (m, n) = A (m, k) B (k, n)`, each operand plain or stored transposed, batched.
//!
//! [`micro_kernel`] computes a tile of the result in registers, [`pack`] brings operands into its order,
//! [`macro_kernel`] computes a block of the result on one thread, [`product`] chooses the algorithm and divides the result into such
//! blocks, [`packed_tasks`] computes them. [`small`] computes small products from where their operands lie, with the micro-kernels of [`small_kernel`]; [`amx`]
//! computes large float32 products as three bfloat16 parts (bf16x3) with matrix instructions. An [`epilogue`] follows
//! on each finished part.

#[cfg_attr(not(target_arch = "x86_64"), path = "amx/absent.rs")]
mod amx;
mod epilogue;
mod lanes;
mod macro_kernel;
mod micro_kernel;
mod pack;
mod packed_task;
mod packed_tasks;
mod product;
mod shape;
mod small;
mod small_kernel;

pub(crate) use amx::{
    PANEL_LINES, RECORD_CHANNELS, RECORD_WORDS, RECORDS_PER_TILE, TileMultiplier, pack_columns, pack_records,
    pack_rows, panels_words,
};
pub(crate) use epilogue::Epilogue;
pub(crate) use lanes::{Lanes, Portable};
pub(crate) use macro_kernel::{
    LeftOperand, OutBlock, Prefetch, RightOperand, block_terms, macro_kernel, macro_kernel_with, work_len,
};
pub(crate) use micro_kernel::{
    GemmElement, LeftPanel, OutTile, PanelWidths, RightPanel, TILE_ROWS, prefetch_l2,
};
pub(crate) use pack::{Matrix, PackRight};
pub(crate) use product::Product;

use hyperglow_core::op::Spec;

use super::exec::{Chosen, Env, Plain};

/// The kernel of a product.
pub(crate) fn matmul<T: GemmElement + Plain>(product: Product, env: &Env) -> Chosen {
    Chosen {
        scratch: product.scratch_bytes::<T>(env.level, env.pool.threads()),
        serial: false,
        kernel: Box::new(move |args| {
            product.run(args, args.input::<T>(0), args.input::<T>(1), args.output::<T>());
            Ok(())
        }),
    }
}

/// The product that [`Op::MatMul`](hyperglow_core::Op::MatMul) asks for.
pub(crate) fn product_of(a: &Spec, b: &Spec, ta: bool, tb: bool, threads: usize) -> Product {
    let (a, b) = (a.shape.dims(), b.shape.dims());
    let r = a.len();
    let (m, k) = if ta {
        (a[r - 1], a[r - 2])
    } else {
        (a[r - 2], a[r - 1])
    };
    let n = if tb { b[r - 2] } else { b[r - 1] };
    Product::new(a[..r - 2].iter().product(), (m, n, k), ta, tb, threads)
}
