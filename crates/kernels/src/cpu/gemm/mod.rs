//! Matrix products: `C (m, n) = A (m, k) B (k, n)`, each operand plain or stored transposed, batched.
//!
//! [`tile`] is the innermost kernel, [`pack`] brings operands into its order, [`region`] computes a part of the
//! result on one thread, [`product`] divides the result into such parts. [`direct`] computes small products from
//! where their operands lie, with the tiles of [`strip`], [`amx`] large ones with matrix instructions.

#[cfg_attr(not(target_arch = "x86_64"), path = "amx/absent.rs")]
mod amx;
mod direct;
mod lanes;
mod pack;
mod product;
mod region;
mod result;
mod strip;
mod tile;

pub(crate) use amx::{
    Multiplier, PLACES, RECORD, RECORD_CHANNELS, SIDE, pack_columns, pack_places, pack_rows, panels_len,
};
pub(crate) use lanes::{Lanes, Portable};
pub(crate) use pack::{Matrix, Right, Widths};
pub(crate) use product::Product;
pub(crate) use region::{DEPTH, Left, Source, Target, Warm, region, region_of, work_len};
pub(crate) use tile::{LeftTile, OutTile, ROWS, RightTile, Tiled, prefetch_far};

use hyperglow_core::op::Spec;

use super::exec::{Chosen, Env, Plain};

/// The kernel of a product.
pub(crate) fn matmul<T: Tiled + Plain>(product: Product, env: &Env) -> Chosen {
    Chosen {
        scratch: product.scratch_bytes::<T>(env.level, env.pool.threads()),
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
