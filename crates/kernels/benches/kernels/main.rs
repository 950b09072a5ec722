//! Times the kernels: `cargo bench -p hyperglow-kernels [-- FILTER]`.
//!
//! Prints the best and the median of several runs, and the rate. Threads: `HYPERGLOW_THREADS`.

mod bench;
mod clusters;
mod convolutions;
mod movement;
mod products;
mod reductions;
mod samples;
#[path = "../../tests/support/mod.rs"]
mod support;

use bench::Bench;
use hyperglow_kernels::CpuBackend;

fn main() {
    let backend = CpuBackend::from_environment().unwrap();
    let filter = std::env::args()
        .skip(1)
        .find(|a| !a.starts_with("--"))
        .unwrap_or_default();
    println!("{} threads, {}", backend.threads(), backend.level().name());
    let bench = Bench { backend, filter };
    bench.matmuls();
    bench.convolutions();
    bench.clusters();
    bench.permutes();
    bench.updates();
    bench.others();
    bench.reductions();
    bench.pooling();
    bench.neighbors();
    samples::centered_products(&bench);
    samples::similarity_sums(&bench);
}
