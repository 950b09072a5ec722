//! The kernel of a cluster: a loop over the grid, of several neighboring elements at a time, then the elements that are left.

use hyperglow_core::Result;
use hyperglow_core::plan::{Cluster, Program, SlotId};

use super::KernelText;
use super::body::Body;
use super::emitter::{Class, Emitter, Reg};
use super::place::{Access, Place, Positions};
use crate::steps::check::readings;
use crate::steps::walk::Reading;

/// Threads of a block.
const THREADS: u32 = 256;
/// Elements below which each thread computes one, so that all processors are busy.
const FEW_ELEMENTS: usize = 1 << 16;
/// Instructions for an element above which a thread computes two, or one, so that its values fit the registers.
const LONG_INSTRUCTIONS: usize = 64;
const VERY_LONG_INSTRUCTIONS: usize = 200;

/// The kernel of a cluster.
///
/// # Errors
/// Internal ones, for an invalid plan.
pub fn cluster(cluster: &Cluster, program: &Program, name: &str) -> Result<KernelText> {
    let readings = readings(cluster, program)?;
    let width = width(cluster, program, &readings);
    Ok(write(cluster, program, &readings, name, width))
}

/// How many elements a thread computes at a time.
fn width(cluster: &Cluster, program: &Program, readings: &[Reading]) -> usize {
    if cluster.shape.size() < FEW_ELEMENTS {
        return 1;
    }
    let loads = cluster
        .loads
        .iter()
        .map(|view| program.slots[view.slot].spec.dtype);
    let stores = cluster
        .stores
        .iter()
        .map(|&(register, _)| cluster.code[register].dtype);
    let widest = loads.chain(stores).map(|dtype| dtype.size()).max().unwrap_or(1);
    let (_, instructions) = write_counting(cluster, program, readings, "measure", 1);
    match instructions {
        VERY_LONG_INSTRUCTIONS.. => 1,
        LONG_INSTRUCTIONS.. => 2,
        _ if widest > 4 => 2,
        _ => 4,
    }
}

/// Whether some position does not fit in 31 bits.
pub(super) fn needs_wide_positions(size: usize, readings: &[Reading]) -> bool {
    let most = i32::MAX as usize;
    let reaches = |reading: &Reading| match reading {
        Reading::Same(_) => false,
        Reading::Straight(at) => at + size > most,
        Reading::Strided(walker) => {
            let (low, high) = walker.bounds();
            // Sums on the way may be larger than the position.
            let reach: usize = walker
                .parts()
                .0
                .iter()
                .map(|axis| (axis.extent - 1) * axis.stride.unsigned_abs())
                .sum();
            low < 0 || high as usize > most || reach > most
        }
    };
    size > most || size > 0 && readings.iter().any(reaches)
}

/// The kernel in which a thread computes `width` elements at a time.
pub(super) fn write(
    cluster: &Cluster,
    program: &Program,
    readings: &[Reading],
    name: &str,
    width: usize,
) -> KernelText {
    write_counting(cluster, program, readings, name, width).0
}

/// The slots of the kernel's parameters.
fn slots_of(cluster: &Cluster) -> Vec<SlotId> {
    let mut slots: Vec<SlotId> = Vec::new();
    let touched = cluster
        .loads
        .iter()
        .map(|view| view.slot)
        .chain(cluster.stores.iter().map(|store| store.1));
    for slot in touched {
        if !slots.contains(&slot) {
            slots.push(slot);
        }
    }
    slots
}

/// The address in parameter `i`.
pub(super) fn parameter(to: &Emitter, i: usize) -> Reg {
    let address = to.op(Class::B64, "ld.param.u64", &[&format!("[p{i}]")]);
    to.op(Class::B64, "cvta.to.global.u64", &[&address])
}

fn write_counting(
    cluster: &Cluster,
    program: &Program,
    readings: &[Reading],
    name: &str,
    width: usize,
) -> (KernelText, usize) {
    let emitter = Emitter::default();
    let size = cluster.shape.size();
    let slots = slots_of(cluster);
    let places: Vec<Place> = slots
        .iter()
        .enumerate()
        .map(|(i, &slot)| Place::Global {
            base: parameter(&emitter, i),
            is_constant: !cluster
                .stores
                .iter()
                .any(|&(_, written)| program.may_share(slot, written)),
        })
        .collect();
    let positions = Positions {
        to: &emitter,
        is_wide: needs_wide_positions(size, readings),
    };
    let place = |slot: SlotId| {
        let i = slots.iter().position(|&known| known == slot);
        places[i.expect("a slot of the cluster")]
    };
    let body = Body {
        cluster,
        program,
        readings,
        place: &place,
        access: Access { positions, row: None },
    };
    if size > 0 {
        elements(&body, size, width);
    }
    let instructions = emitter.instructions();
    let reads_two_over_pi = emitter.reads_two_over_pi();
    let kernel = KernelText {
        name: name.to_string(),
        text: emitter.finish(name, slots.len()),
        blocks: size.div_ceil(width).div_ceil(THREADS as usize),
        slots,
        threads: THREADS,
        scratch: 0,
        reads_two_over_pi,
    };
    (kernel, instructions)
}

/// The loop, and what it leaves.
fn elements(body: &Body<'_>, size: usize, width: usize) {
    let positions = body.access.positions;
    let to = positions.to;
    let special = |name: &str| to.op(Class::B32, "mov.u32", &[&name]);
    let (block, threads) = (special("%ctaid.x"), special("%ntid.x"));
    let (thread, blocks) = (special("%tid.x"), special("%nctaid.x"));
    let (id, all) = if positions.is_wide {
        let thread = to.op(Class::B64, "cvt.u64.u32", &[&thread]);
        (
            to.op(Class::B64, "mad.wide.u32", &[&block, &threads, &thread]),
            to.op(Class::B64, "mul.wide.u32", &[&blocks, &threads]),
        )
    } else {
        (
            to.op(Class::B32, "mad.lo.s32", &[&block, &threads, &thread]),
            to.op(Class::B32, "mul.lo.s32", &[&blocks, &threads]),
        )
    };
    let uniforms = body.uniforms();
    let whole = size / width * width;
    let scaled = |x: Reg| {
        if width == 1 {
            x
        } else {
            positions.op("mul.lo.s", x, width)
        }
    };
    if whole > 0 {
        let (first, step) = (scaled(id), scaled(all));
        to.count(first, whole, step, positions.class(), |index| {
            body.write(index, width, &uniforms);
        });
    }
    if whole < size {
        let is_left = positions.is_less(id, size - whole);
        to.when(is_left, true, || {
            let index = positions.op("add.s", id, whole);
            body.write(index, 1, &uniforms);
        });
    }
}
