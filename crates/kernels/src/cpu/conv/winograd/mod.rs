//! Convolution with 3 x 3 taps that moves in steps of 1, with 16 multiplications where 36 would be expected
//! (Winograd's minimal filtering F(2 x 2, 3 x 3); Lavin and Gray 2016, arXiv 1509.09308). A tile of 4 x 4 elements is
//! transformed, multiplied with the transformed filter, summed over channels as 16 matrix products, and transformed
//! back to 2 x 2 results. A third spatial axis is summed over directly.
//!
//! The transforms of elements and results only add, so the error stays near that of direct summation. The root mean square
//! error by that of the result, of uniformly distributed numbers against float64:
//!
//! | channels | so      | directly |
//! | -------- | ------- | -------- |
//! | 64       | 2.5e-7  | 1.9e-7   |
//! | 128      | 3.5e-7  | 2.0e-7   |
//! | 512      | 3.7e-7  | 2.2e-7   |
//!
//! With the environment variable `HYPERGLOW_CONV` set to `direct` everything is summed directly.

mod division;
mod filters;
mod strip;
mod transform;
mod weight_grad;

pub(super) use weight_grad::WeightGrad;

use super::Pass;
use super::epilogue::Finish;
use super::lanes::Vectors;
use super::padded::Padded;
use super::shape::Meeting;
use crate::cpu::exec::{Args, Env, Plain, scratch_bytes};
use crate::cpu::gemm::{GemmElement, LeftPanel, OutTile, RightPanel, TILE_ROWS};
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;
use crate::cpu::transpose::transpose_raw;
use division::{Division, Part};
use strip::Strip;
use transform::{POSITIONS, Squares, Transform, Way};

/// What channels are rounded up to: the lanes of any register.
const LANES: usize = 16;
/// Channels and outputs of a group from which on it pays, and their product.
const FEW: usize = 16;
const FILTERS: usize = 512;
/// Elements of the transforms of a task's tiles: they stay in the second-level cache.
const CACHE: usize = 1 << 18;
/// Terms summed in registers at a time: the rows of a panel of filters that stay in the first-level cache.
const DEPTH: usize = 128;
/// Between positions, so that they do not compete for the same places of the cache.
const APART: usize = 16;

/// A [`Pass`] done so.
pub(super) struct Winograd {
    geometry: Geometry,
    batch: usize,
    groups: usize,
    outputs: usize,
    /// Whether the weights have outputs and channels exchanged, and taps in reverse.
    exchanged: bool,
    /// Outputs computed together: the width of a tile of the matrix product.
    panel: usize,
    lanes: usize,
    /// How the work is divided.
    division: Division,
}

/// What is convolved: the planes of one sample's group.
#[derive(Clone, Copy)]
struct Geometry {
    channels: usize,
    /// Channels, rounded up.
    stride: usize,
    from: [usize; 3],
    to: [usize; 3],
    /// Zeros before the first element.
    low: [isize; 3],
    /// Taps on the first axis.
    depth: usize,
    /// Rows and columns of tiles of a plane of results.
    tiles: [usize; 2],
}

/// A thread's work space.
struct Work<'a, T> {
    strip: &'a mut [T],
    elements: &'a mut [T],
    products: &'a mut [T],
}

impl Geometry {
    /// Of a convolution that is done so.
    fn new(meeting: &Meeting, channels: usize) -> Option<Geometry> {
        let plain = meeting
            .axes
            .iter()
            .all(|axis| axis.step == 1 && axis.divisor == 1 && axis.tap.abs() == 1);
        let [depth, 3, 3] = meeting.kernel else {
            return None;
        };
        let tiles = [meeting.to[1].div_ceil(2), meeting.to[2].div_ceil(2)];
        // Not where half of the tiles is dropped.
        let places = meeting.to[1] * meeting.to[2];
        if !plain || depth == 0 || channels < FEW || 3 * tiles[0] * tiles[1] > places {
            return None;
        }
        Some(Geometry {
            channels,
            stride: channels.next_multiple_of(LANES),
            from: meeting.from,
            to: meeting.to,
            low: Padded::new(meeting).low,
            depth,
            tiles,
        })
    }

    /// The elements that `rows` rows of tiles meet.
    fn strip(&self, rows: usize) -> Strip {
        Strip {
            channels: self.channels,
            stride: self.stride,
            from: self.from,
            low: self.low,
            extents: [2 * rows + 2, 2 * self.tiles[1] + 2],
        }
    }
}

impl Winograd {
    /// This way, if there is one and it is likely to pay.
    pub fn new<T: GemmElement>(pass: &Pass, env: &Env) -> Option<Winograd> {
        let taps: usize = pass.meeting.kernel.iter().product();
        let geometry = Geometry::new(&pass.meeting, pass.depth / taps.max(1))?;
        if !pass.inexact
            || pass.rows < FEW
            || pass.rows * geometry.channels < FILTERS
            || pass.batch * pass.groups * pass.places == 0
        {
            return None;
        }
        let widths = T::micro_kernels(env.level);
        let mut winograd = Winograd {
            geometry,
            batch: pass.batch,
            groups: pass.groups,
            outputs: pass.rows,
            exchanged: pass.exchanged,
            panel: widths.width(),
            lanes: widths.lanes,
            division: Division::SMALLEST,
        };
        winograd.division = winograd.divide(env.pool.threads());
        Some(winograd)
    }

    /// Elements between the positions of transformed elements, and of products.
    fn apart(&self) -> (usize, usize) {
        let planes = self.division.planes + self.geometry.depth - 1;
        (
            self.tiles() * planes * self.geometry.stride + APART,
            self.tiles() * self.panel + APART,
        )
    }

    /// Elements of a thread's work space: a strip (of elements, then of results), transformed elements, products.
    fn work_lens(&self) -> [usize; 3] {
        let (elements, products) = self.apart();
        let rows = self.division.rows;
        let results = 4 * rows * self.geometry.tiles[1] * self.panel;
        [
            self.geometry.strip(rows).len().max(results).next_multiple_of(64),
            (POSITIONS * elements).next_multiple_of(64),
            (POSITIONS * products).next_multiple_of(64),
        ]
    }

    /// Bytes of scratch that [`Winograd::run`] takes.
    pub fn scratch_bytes<T>(&self, threads: usize) -> usize {
        let work: usize = self.work_lens().iter().sum();
        scratch_bytes::<T>(self.filters_len())
            + scratch_bytes::<T>(self.filter_work_len() * threads)
            + scratch_bytes::<T>(work * threads)
    }

    /// See [`Pass::run`]; the weights are as the operation was given them.
    pub fn run<T: GemmElement + Plain + Vectors>(
        &self,
        args: &Args<'_>,
        x: &[T],
        weights: &[T],
        out: &mut [T],
        finish: Finish<'_, T>,
    ) {
        let filters = self.transform_filters(args, weights);
        let lens = self.work_lens();
        let work_len: usize = lens.iter().sum();
        let work = SharedSlice::new(args.scratch::<T>(work_len * args.pool().threads()));
        let (level, out) = (args.level(), SharedSlice::new(out));
        args.pool().run(self.tasks(), |worker, task| {
            // SAFETY: a worker's own piece of the work space.
            let work = unsafe { work.range(worker * work_len..(worker + 1) * work_len) };
            let (strip, rest) = work.split_at_mut(lens[0]);
            let (elements, products) = rest.split_at_mut(lens[1]);
            let mut work = Work {
                strip,
                elements,
                products,
            };
            let part = self.part(task);
            self.transform_elements(level, x, &part, &mut work);
            for panel in part.panels.clone() {
                for plane in 0..part.planes.len() {
                    self.multiply(level, filters, &part, (panel, plane), &mut work);
                    self.store(level, &part, (panel, plane), &mut work, &out);
                    if let Some(finish) = finish {
                        self.finish(&part, (panel, plane), &out, |start, elements| {
                            finish(worker, start, elements);
                        });
                    }
                }
            }
        });
    }

    /// The transformed elements of a task: (position, tile, plane, channel).
    fn transform_elements<T: GemmElement + Vectors>(
        &self,
        level: Level,
        x: &[T],
        part: &Part,
        work: &mut Work<'_, T>,
    ) {
        let Geometry {
            stride,
            from,
            depth,
            tiles: [_, columns],
            channels,
            ..
        } = self.geometry;
        let planes = part.planes.len() + depth - 1;
        let (apart, _) = self.apart();
        let tiles = part.rows.len() * columns;
        let size = channels * from.iter().product::<usize>();
        let strip = self.geometry.strip(part.rows.len());
        for (i, image) in part.images.clone().enumerate() {
            let x = &x[(image * self.groups + part.group) * size..][..size];
            for plane in 0..planes {
                let place = (part.planes.start + plane, 2 * part.rows.start);
                let first = (i * tiles * planes + plane) * stride;
                if strip.write(level, x, place, work.strip) {
                    let squares = Squares {
                        plane: work.strip,
                        strides: (strip.line(), stride),
                        tiles: (part.rows.len(), columns),
                        channels: stride,
                        transformed: &mut work.elements[first..],
                        apart: (apart, planes * stride),
                    };
                    T::run(level, Transform(squares, Way::Elements));
                } else {
                    for position in 0..POSITIONS {
                        for tile in 0..tiles {
                            let at = position * apart + first + tile * planes * stride;
                            work.elements[at..at + stride].fill(T::ZERO);
                        }
                    }
                }
            }
        }
    }

    /// The products of a panel of outputs in a plane of results: (position, tile, output).
    fn multiply<T: GemmElement>(
        &self,
        level: Level,
        filters: &[T],
        part: &Part,
        (panel, plane): (usize, usize),
        work: &mut Work<'_, T>,
    ) {
        let Geometry {
            stride,
            depth,
            channels,
            ..
        } = self.geometry;
        let width = self.width(panel);
        let kernel = T::micro_kernels(level).of[width / self.lanes - 1];
        let terms = if depth > 1 { depth * stride } else { channels };
        let planes = part.planes.len() + depth - 1;
        let tiles = part.images.len() * part.rows.len() * self.geometry.tiles[1];
        let (elements_apart, products_apart) = self.apart();
        let filters = &filters[self.filters_at(part.group, panel)..];
        for position in 0..POSITIONS {
            let elements = &work.elements[position * elements_apart..][..tiles * planes * stride];
            let products = &mut work.products[position * products_apart..][..tiles * width];
            let filters = &filters[position * depth * stride * width..][..depth * stride * width];
            for k in (0..terms).step_by(DEPTH) {
                let count = DEPTH.min(terms - k);
                let right = RightPanel::Packed(filters[k * width..].as_ptr());
                for (tile, products) in (0..tiles)
                    .step_by(TILE_ROWS)
                    .zip(products.chunks_mut(TILE_ROWS * width))
                {
                    let start = elements[(tile * planes + plane) * stride + k..].as_ptr();
                    let left = LeftPanel::Rows {
                        start,
                        stride: planes * stride,
                        ahead: start.wrapping_add(TILE_ROWS * planes * stride),
                    };
                    let out = OutTile {
                        start: products.as_mut_ptr(),
                        stride: width,
                        rows: products.len() / width,
                        cols: width,
                        add: k > 0,
                    };
                    // SAFETY: the rows are tiles of the elements, of which `plane + depth` planes exist; the filters have
                    // rows of `width` for all their terms; the products are rows of `width`.
                    unsafe { kernel(count, left, right, out) };
                }
            }
        }
    }

    /// Transforms the products of a panel in a plane back and puts the results where they belong.
    fn store<T: GemmElement + Vectors>(
        &self,
        level: Level,
        part: &Part,
        (panel, plane): (usize, usize),
        work: &mut Work<'_, T>,
        out: &SharedSlice<'_, T>,
    ) {
        let Geometry {
            to,
            tiles: [_, columns],
            ..
        } = self.geometry;
        let (width, first) = (self.width(panel), panel * self.panel);
        let (_, apart) = self.apart();
        let valid = self.panel.min(self.outputs - first);
        let tiles = part.rows.len() * columns;
        let places: usize = to.iter().product();
        let rows = 2 * part.rows.start..to[1].min(2 * part.rows.end);
        for (i, image) in part.images.clone().enumerate() {
            let squares = Squares {
                plane: work.strip,
                strides: (2 * columns * width, width),
                tiles: (part.rows.len(), columns),
                channels: width,
                transformed: &mut work.products[i * tiles * width..],
                apart: (apart, width),
            };
            T::run(level, Transform(squares, Way::Results));
            let start = ((image * self.groups + part.group) * self.outputs + first) * places
                + (part.planes.start + plane) * to[1] * to[2];
            // Lines without dropped places are one run.
            let (runs, count) = if 2 * columns == to[2] {
                (1, rows.len() * to[2])
            } else {
                (rows.len(), to[2])
            };
            assert!(start + (valid - 1) * places + rows.end * to[2] <= out.len());
            assert!(((runs - 1) * 2 * columns + count) * width <= work.strip.len());
            for run in 0..runs {
                // SAFETY: rows of some planes of the result, which are no other task's; places of the strip.
                unsafe {
                    transpose_raw(
                        level,
                        work.strip.as_ptr().add(run * 2 * columns * width),
                        (1, width),
                        (valid, count),
                        out.as_mut_ptr().add(start + (rows.start + run) * to[2]),
                        places,
                    );
                }
            }
        }
    }

    /// Calls `each` with the parts of the result that were stored, and where they start.
    fn finish<T>(
        &self,
        part: &Part,
        (panel, plane): (usize, usize),
        out: &SharedSlice<'_, T>,
        each: impl Fn(usize, &[T]),
    ) {
        let [depth, height, width] = self.geometry.to;
        let (rows, places) = (
            2 * part.rows.start..height.min(2 * part.rows.end),
            depth * height * width,
        );
        let outputs = panel * self.panel..self.outputs.min((panel + 1) * self.panel);
        // Whole planes lie one after the other.
        let whole = rows.len() * width == places;
        for image in part.images.clone() {
            let first = (image * self.groups + part.group) * self.outputs;
            for output in outputs.clone().step_by(if whole { outputs.len() } else { 1 }) {
                let start =
                    (first + output) * places + ((part.planes.start + plane) * height + rows.start) * width;
                let len = rows.len() * width * if whole { outputs.len() } else { 1 };
                // SAFETY: these lines of these outputs are no other task's.
                each(start, unsafe { out.range(start..start + len) });
            }
        }
    }

    /// Outputs of a panel, rounded up to whole registers.
    fn width(&self, panel: usize) -> usize {
        self.panel
            .min(self.outputs - panel * self.panel)
            .next_multiple_of(self.lanes)
    }
}
