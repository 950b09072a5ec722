//! `cu/similarity.cu`: sums over matrices of similarities, which are never stored whole.

use hyperglow_core::op::Spec;
use hyperglow_core::similarity::{Products, Similarity};

use super::suffix;
use super::tiles::{Tiles, pairs_of};
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{Arg, BLOCK, CudaKernel, Launch};

/// Words of `struct Set`, and the most groups and members of groups that `struct Groups` has.
const SET: usize = 5;
const MAX_GROUPS: usize = 32;
const MAX_MEMBERS: usize = 64;
/// Parameters that a launch takes.
const PARAMETERS: usize = 4;
/// Blocks that share tiles, and the bytes of their similarities.
const MAX_BLOCKS: usize = 512;
const SLOTS: usize = 32 << 20;
/// Bytes of the weights of a panel of rows.
const PANEL: usize = 32 << 20;
/// The most terms of a sum in the samples' precision.
const TERMS: usize = 1024;

/// Memory that is handed out from the start of the scratch.
#[derive(Default)]
struct Room(usize);

impl Room {
    fn take(&mut self, bytes: usize) -> usize {
        let at = self.0;
        self.0 += bytes.next_multiple_of(256);
        at
    }
}

/// What the kernels know of the sets of samples, and where the scratch has it.
struct Sets<'a> {
    products: &'a Products,
    inputs: &'a [&'a Spec],
    tiles: Tiles,
    /// Samples.
    m: usize,
    /// The most parameters of a set.
    most: usize,
    descriptions: usize,
    factors: usize,
}

impl<'a> Sets<'a> {
    fn new(products: &'a Products, inputs: &'a [&'a Spec], room: &mut Room) -> Sets<'a> {
        let (sets, m) = (products.sets(), inputs[0].shape[0]);
        let parameters = products
            .similarities
            .iter()
            .map(|similarity| similarity.parameters());
        let most = parameters.max().unwrap_or(0).max(1);
        Sets {
            products,
            inputs,
            tiles: Tiles::of_pairs(m, inputs[0].dtype),
            m,
            most,
            descriptions: room.take(sets * SET * 8),
            factors: room.take(sets * most * 8),
        }
    }

    fn count(&self) -> usize {
        self.products.sets()
    }

    /// The launches that write the descriptions.
    fn describe(&self) -> Vec<Launch> {
        let mut launches = Vec::new();
        for (number, &similarity) in self.products.similarities.iter().enumerate() {
            let parameters: Vec<usize> = self.products.parameters(number).collect();
            for first in (0..parameters.len().max(1)).step_by(PARAMETERS) {
                let name = format!("similarity_set_{}", suffix(self.tiles.dtype));
                let mut launch = Launch::new(File::Similarity, name, 1, 1)
                    .scratch(self.descriptions)
                    .scratch(self.factors)
                    .ints([self.most, number])
                    .input(number)
                    .ints([self.inputs[number].shape[1]])
                    .arg(Arg::Int(kind(similarity)))
                    .arg(Arg::Int(degree(similarity)))
                    .ints([parameters.len(), first]);
                for i in first..first + PARAMETERS {
                    // What stands for a missing parameter is not read.
                    launch = launch.input(parameters.get(i).copied().unwrap_or(number));
                }
                launches.push(launch);
            }
        }
        launches
    }

    /// The arguments that every kernel of tiles begins with.
    fn arguments(&self, launch: Launch) -> Launch {
        let launch = launch.scratch(self.descriptions).scratch(self.factors);
        let launch = launch.ints([self.most, self.count(), self.m]);
        launch.flag(self.products.hollow)
    }

    /// The pass over all tiles: sums of rows into `out`, and of products of two sets' similarities, if there are `pairs`, into a
    /// number per block and pair.
    fn pass(&self, groups: &[Box<[usize]>], plain: bool, pairs: usize, out: Arg, room: &mut Room) -> Pass {
        let tiles = self.tiles;
        let each = self.count() * tiles.lines * tiles.lines * BLOCK as usize * tiles.dtype.size();
        let blocks = pairs_of(tiles.across(self.m)).min(MAX_BLOCKS);
        let blocks = blocks.min((SLOTS / each).max(64));
        let slots = room.take(blocks * each);
        let products = room.take(blocks * pairs * BLOCK as usize * 8);
        let (across, length) = (tiles.across(self.m), tiles.across(self.m) * tiles.side());
        let rows = room.take(groups.len() * across * length * 8);
        let partial = room.take(blocks * pairs * 8);
        let tile = tiles.launch(File::Similarity, "similarity_tiles", blocks, 0);
        let tile = self.arguments(tile).arg(words_of(groups)).flag(plain);
        let tile = tile.ints([pairs]).scratch(slots).scratch(products);
        let sum = Launch::over(File::Similarity, "similarity_rows", groups.len() * self.m);
        Pass {
            launches: [
                tile.scratch(rows).scratch(partial),
                sum.scratch(rows)
                    .arg(out)
                    .ints([groups.len(), across, length, self.m]),
            ],
            blocks,
            partial,
        }
    }
}

/// The launches of [`Sets::pass`].
struct Pass {
    launches: [Launch; 2],
    blocks: usize,
    partial: usize,
}

/// `enum Kind`.
fn kind(similarity: Similarity) -> i64 {
    match similarity {
        Similarity::Gaussian { .. } => 0,
        Similarity::Laplacian { .. } => 1,
        Similarity::Linear => 2,
        Similarity::Polynomial { .. } => 3,
        Similarity::InverseMultiquadric => 4,
        Similarity::Equal => 5,
    }
}

fn degree(similarity: Similarity) -> i64 {
    match similarity {
        Similarity::Polynomial { degree } => i64::from(degree),
        _ => 1,
    }
}

/// Whether `struct Groups` has room for them.
fn fits(groups: &[Box<[usize]>]) -> bool {
    let members: usize = groups.iter().map(|group| group.len()).sum();
    groups.len() <= MAX_GROUPS && members <= MAX_MEMBERS
}

/// `struct Groups`.
fn words_of(groups: &[Box<[usize]>]) -> Arg {
    let mut words = vec![0; 1 + MAX_GROUPS + MAX_MEMBERS];
    words[0] = groups.len() as i64;
    let mut end = 0;
    for (number, group) in groups.iter().enumerate() {
        for &member in group {
            words[1 + MAX_GROUPS + end] = member as i64;
            end += 1;
        }
        words[1 + number] = end as i64;
    }
    Arg::Ints(words)
}

/// Each set as a group of its own.
fn alone(sets: usize) -> Vec<Box<[usize]>> {
    (0..sets).map(|set| [set].into()).collect()
}

/// Sums of rows of products of similarities; `None` for more groups than a launch takes.
pub(super) fn sums(products: &Products, groups: &[Box<[usize]>], inputs: &[&Spec]) -> Option<CudaKernel> {
    if !fits(groups) {
        return None;
    }
    if inputs[0].shape[0] == 0 {
        return Some(CudaKernel::default());
    }
    let mut room = Room::default();
    let sets = Sets::new(products, inputs, &mut room);
    let mut launches = sets.describe();
    launches.extend(sets.pass(groups, true, 0, Arg::Output, &mut room).launches);
    Some(CudaKernel::of(launches).scratch(room.0))
}

/// Inner products of centered similarities; `None` for more sets than a launch takes.
pub(super) fn centered_products(products: &Products, inputs: &[&Spec]) -> Option<CudaKernel> {
    let groups = alone(products.sets());
    if !fits(&groups) {
        return None;
    }
    let mut room = Room::default();
    let sets = Sets::new(products, inputs, &mut room);
    let count = sets.count();
    let rows = room.take(count * sets.m * 8);
    let pass = sets.pass(&groups, false, pairs_of(count), Arg::Scratch(rows), &mut room);
    let mut launches = sets.describe();
    launches.extend(pass.launches);
    let last = Launch::new(File::Similarity, "similarity_products", count * count, BLOCK)
        .shared(BLOCK as usize * 8)
        .scratch(rows)
        .scratch(pass.partial)
        .output();
    launches.push(
        last.ints([count, sets.m])
            .flag(products.hollow)
            .ints([pass.blocks]),
    );
    Some(CudaKernel::of(launches).scratch(room.0))
}

/// The cotangent of the samples of set `of`; `None` for more sets than a launch takes.
pub(super) fn centered_products_grad(products: &Products, of: usize, inputs: &[&Spec]) -> Option<CudaKernel> {
    let groups = alone(products.sets());
    if !fits(&groups) {
        return None;
    }
    if inputs[of].shape.size() == 0 {
        return Some(CudaKernel::default());
    }
    let mut room = Room::default();
    let sets = Sets::new(products, inputs, &mut room);
    let (count, m) = (sets.count(), sets.m);
    let [rows, totals, shifts] = [count * m, count, m].map(|numbers| room.take(numbers * 8));
    let mut launches = sets.describe();
    launches.extend(
        sets.pass(&groups, false, 0, Arg::Scratch(rows), &mut room)
            .launches,
    );
    let total = Launch::new(File::Similarity, "similarity_totals", count, BLOCK);
    let total = total.shared(BLOCK as usize * 8).scratch(rows).scratch(totals);
    launches.push(total.ints([m]));
    let cotangent = inputs.len() - 1;
    let shift = Launch::over(File::Similarity, "similarity_shifts", m)
        .scratch(rows)
        .scratch(totals)
        .input(cotangent)
        .scratch(shifts);
    launches.push(shift.ints([of, count, m]).flag(products.hollow));
    launches.extend(panels(&sets, of, shifts, cotangent, &mut room));
    Some(CudaKernel::of(launches).scratch(room.0))
}

/// For panels of rows: their weights, and the sums that the weights are applied in.
fn panels(sets: &Sets<'_>, of: usize, shifts: usize, cotangent: usize, room: &mut Room) -> Vec<Launch> {
    let (m, tiles, width) = (sets.m, sets.tiles, sets.inputs[of].shape[1]);
    let side = tiles.side();
    let panel = (PANEL / (m * tiles.dtype.size()) / side * side).clamp(side, tiles.across(m) * side);
    let splits_of = |results: usize| m.div_ceil(TERMS).max((MAX_BLOCKS / results).min(m / 64));
    let results_of = |count: usize| tiles.across(count) * tiles.across(width);
    let most = (0..m).step_by(panel).map(|from| {
        let count = panel.min(m - from);
        count * splits_of(results_of(count)) * width
    });
    let weights = room.take(panel.min(m) * m * tiles.dtype.size());
    let partial = room.take(most.max().unwrap_or(0) * tiles.dtype.size());
    let mut launches = Vec::new();
    for from in (0..m).step_by(panel) {
        let count = panel.min(m - from);
        let results = results_of(count);
        let splits = splits_of(results);
        let blocks = tiles.across(count) * tiles.across(m);
        let weigh = tiles.launch(File::Similarity, "similarity_weights", blocks, 0);
        let weigh = sets.arguments(weigh).ints([of]).input(cotangent).scratch(shifts);
        launches.push(weigh.ints([from, count]).scratch(weights));
        let apply = tiles.launch(File::Similarity, "similarity_apply", results * splits, 0);
        let apply = apply.scratch(weights).input(of);
        let apply = if splits == 1 {
            apply.output().ints([from * width])
        } else {
            apply.scratch(partial).ints([0])
        };
        let apply = apply.arg(Arg::Int(kind(sets.products.similarities[of])));
        launches.push(apply.ints([m, width, from, count, splits]));
        if splits > 1 {
            launches.push(tiles.add_splits(partial, from * width, count * width, splits));
        }
    }
    launches
}
