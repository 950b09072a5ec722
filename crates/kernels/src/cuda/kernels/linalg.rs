//! `cu/linalg.cu`: decompositions and solvers.

use hyperglow_core::op::Spec;

use super::suffix;
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{CudaKernel, Launch};
use crate::cuda::refusal::Refusal;

/// Threads of a block.
const THREADS: u32 = 128;
/// Bytes of `struct Status`.
const STATUS: usize = 24;
/// Sweeps after which Jacobi's method gives up, as the reference does.
const MAX_SWEEPS: usize = 60;

/// Matrices of a stack, and the rows and columns of one.
fn stack(spec: &Spec) -> (usize, usize, usize) {
    let (batch, &[rows, columns]) = spec
        .shape
        .dims()
        .split_last_chunk::<2>()
        .unwrap_or((&[], &[1, 1]));
    (batch.iter().product(), rows, columns)
}

fn launch(name: &str, spec: &Spec, blocks: usize) -> Launch {
    Launch::new(
        File::Linalg,
        format!("{name}_{}", suffix(spec.dtype)),
        blocks,
        THREADS,
    )
}

/// Launches, after which the first refused matrix is reported. The statuses are at `status` in the scratch.
fn reported(
    launches: Vec<Launch>,
    matrices: usize,
    status: usize,
    scratch: usize,
    refusal: Refusal,
) -> CudaKernel {
    let mut launches = launches;
    if matrices > 0 {
        let pick = Launch::new(File::Linalg, "pick_refusal", 1, 1).scratch(status);
        launches.push(pick.ints([matrices]).refusal());
    } else {
        launches.clear();
    }
    CudaKernel::of(launches).scratch(scratch).refuses(refusal)
}

/// The lower Cholesky factor.
pub(super) fn cholesky(a: &Spec) -> CudaKernel {
    let (matrices, n, _) = stack(a);
    let factor = launch("cholesky", a, matrices)
        .input(0)
        .output()
        .ints([n])
        .scratch(0);
    reported(
        vec![factor],
        matrices,
        0,
        matrices * STATUS,
        Refusal::NotPositiveDefinite,
    )
}

/// The inverse of positive definite matrices: L' x = L^-1.
pub(super) fn positive_inverse(a: &Spec) -> CudaKernel {
    let (matrices, n, _) = stack(a);
    let statuses = (matrices * STATUS).next_multiple_of(256);
    let bytes = a.bytes().next_multiple_of(256);
    // Two lists of statuses: the solves refuse nothing that the factorization has not refused.
    let (factor, half) = (2 * statuses, 2 * statuses + bytes);
    let chunks = matrices * n.div_ceil(THREADS as usize).max(1);
    let launches = vec![
        launch("cholesky", a, matrices)
            .input(0)
            .scratch(factor)
            .ints([n])
            .scratch(0),
        launch("invert_lower", a, chunks)
            .scratch(factor)
            .scratch(half)
            .ints([n])
            .scratch(statuses),
        launch("triangular_solve", a, chunks)
            .scratch(factor)
            .scratch(half)
            .output()
            .ints([n, n])
            .flag(true)
            .flag(true)
            .scratch(statuses),
    ];
    reported(launches, matrices, 0, half + bytes, Refusal::NotPositiveDefinite)
}

/// x with op(a) x = b.
pub(super) fn triangular_solve(b: &Spec, lower: bool, transpose: bool) -> CudaKernel {
    let (matrices, n, columns) = stack(b);
    let chunks = matrices * columns.div_ceil(THREADS as usize).max(1);
    let solve = launch("triangular_solve", b, chunks).input(0).input(1).output();
    let solve = solve.ints([n, columns]).flag(lower).flag(transpose).scratch(0);
    let refusal = Refusal::Singular {
        op: "triangularSolve",
    };
    reported(vec![solve], matrices, 0, matrices * STATUS, refusal)
}

/// x with a x = b.
pub(super) fn solve(a: &Spec, b: &Spec) -> CudaKernel {
    let (matrices, n, columns) = stack(b);
    let statuses = (matrices * STATUS).next_multiple_of(256);
    let solve = launch("solve", a, matrices)
        .shared(8)
        .input(0)
        .input(1)
        .scratch(statuses)
        .output();
    let solve = solve.ints([n, columns]).scratch(0);
    reported(
        vec![solve],
        matrices,
        0,
        statuses + a.bytes(),
        Refusal::Singular { op: "solve" },
    )
}

/// Eigenvalues and eigenvectors of symmetric matrices.
pub(super) fn eigh(a: &Spec) -> CudaKernel {
    let (matrices, n, _) = stack(a);
    let statuses = (matrices * STATUS).next_multiple_of(256);
    let doubles = (matrices * n * n * 8).next_multiple_of(256);
    let decompose = launch("eigh", a, matrices)
        .shared(THREADS as usize * 8)
        .input(0)
        .output()
        .scratch(statuses)
        .scratch(statuses + doubles)
        .scratch(statuses + 2 * doubles)
        .ints([n, MAX_SWEEPS])
        .scratch(0);
    let refusal = Refusal::Eigenvalues {
        op: "eigh",
        sweeps: MAX_SWEEPS,
    };
    reported(
        vec![decompose],
        matrices,
        0,
        statuses + 2 * doubles + matrices * n * 4,
        refusal,
    )
}
