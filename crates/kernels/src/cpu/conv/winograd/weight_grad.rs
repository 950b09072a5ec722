//! The weights' adjoint of [`Winograd`](super::Winograd): `dw = G' (sum of (A dy A') o (B' x B) over tiles) G`, the
//! sums as 16 matrix products over tiles.

use std::ops::Range;

use super::strip::Strip;
use super::transform::{Filters, POSITIONS, Squares, Transform, Way};
use super::{APART, CACHE, DEPTH, FEW, FILTERS, Geometry, LANES};
use crate::cpu::conv::ConvShape;
use crate::cpu::conv::lanes::Vectors;
use crate::cpu::exec::{Args, Plain, scratch_bytes};
use crate::cpu::gemm::{GemmElement, LeftPanel, OutTile, RightPanel, TILE_ROWS};
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;
use crate::cpu::transpose::transpose;

/// Tiles whose products are summed at a time.
const TILES: usize = 64;
/// Channels and outputs of a task: its sums stay in the second-level cache.
const CHANNELS: usize = 64;
const OUTPUTS: usize = 128;
/// Tasks wanted, and elements of all partial sums together.
const TASKS: usize = 16;
const PARTIAL: usize = 1 << 20;

/// The adjoint and how its work is divided, which depends on the shape alone.
pub(in crate::cpu::conv) struct WeightGrad {
    geometry: Geometry,
    batch: usize,
    groups: usize,
    outputs: usize,
    /// Images, planes of results and rows of tiles of a block.
    images: usize,
    planes: usize,
    rows: usize,
    /// Parts of the blocks, each with sums of its own.
    parts: usize,
    /// Where the channels of each tile start.
    starts: Box<[usize]>,
}

/// A task: some channels and outputs of a group, and some of the blocks.
struct Task {
    group: usize,
    channels: Range<usize>,
    outputs: Range<usize>,
    blocks: Range<usize>,
}

/// A thread's work space.
struct Work<'a, T> {
    strip: &'a mut [T],
    elements: &'a mut [T],
    gradients: &'a mut [T],
}

/// Images, planes and rows of tiles.
struct Block {
    images: Range<usize>,
    planes: Range<usize>,
    rows: Range<usize>,
}

/// The block of a range that is number `i`.
fn share(extent: usize, share: usize, i: usize) -> Range<usize> {
    (i * share).min(extent)..((i + 1) * share).min(extent)
}

impl WeightGrad {
    /// This way, if there is one and it is likely to pay.
    pub fn new(shape: &ConvShape) -> Option<WeightGrad> {
        let geometry = Geometry::new(&shape.forward(), shape.channels)?;
        if shape.outputs < FEW
            || shape.outputs * shape.channels < FILTERS
            || shape.batch * shape.groups * shape.output_size() == 0
        {
            return None;
        }
        let Geometry {
            depth,
            to,
            tiles: [rows, columns],
            stride,
            ..
        } = geometry;
        let images = if depth == 1 && to[0] == 1 {
            (TILES / (rows * columns)).clamp(1, shape.batch)
        } else {
            1
        };
        let mut adjoint = WeightGrad {
            geometry,
            batch: shape.batch,
            groups: shape.groups,
            outputs: shape.outputs,
            images,
            planes: 1,
            rows: rows.div_ceil(rows.div_ceil((TILES / columns).clamp(1, rows))),
            parts: 1,
            starts: Box::default(),
        };
        if to[0] > 1 {
            let plane =
                POSITIONS * adjoint.rows * columns * (stride.min(CHANNELS) + shape.outputs.min(OUTPUTS));
            adjoint.planes = (CACHE / plane).saturating_sub(depth - 1).clamp(1, to[0]);
        }
        let sums = adjoint.squares() * adjoint.sum_len();
        adjoint.parts = TASKS
            .div_ceil(adjoint.squares())
            .min(PARTIAL / sums)
            .clamp(1, adjoint.blocks());
        let (apart, _) = adjoint.strides();
        adjoint.starts = (0..DEPTH).map(|tile| tile * apart).collect();
        Some(adjoint)
    }

    /// Elements between the channels, and the outputs, of tiles.
    fn strides(&self) -> (usize, usize) {
        (
            self.geometry.stride.min(CHANNELS),
            self.outputs.min(OUTPUTS).next_multiple_of(LANES),
        )
    }

    /// Ranges of channels times those of outputs, of all groups.
    fn squares(&self) -> usize {
        self.groups * self.geometry.channels.div_ceil(CHANNELS) * self.outputs.div_ceil(OUTPUTS)
    }

    /// Elements of the sums of one task: (tap, position, output, channel).
    fn sum_len(&self) -> usize {
        self.geometry.depth * POSITIONS * self.outputs.min(OUTPUTS) * self.strides().0
    }

    fn blocks(&self) -> usize {
        self.batch.div_ceil(self.images)
            * self.geometry.to[0].div_ceil(self.planes)
            * self.geometry.tiles[0].div_ceil(self.rows)
    }

    fn block(&self, i: usize) -> Block {
        let (rows, planes) = (
            self.geometry.tiles[0].div_ceil(self.rows),
            self.geometry.to[0].div_ceil(self.planes),
        );
        Block {
            rows: share(self.geometry.tiles[0], self.rows, i % rows),
            planes: share(self.geometry.to[0], self.planes, i / rows % planes),
            images: share(self.batch, self.images, i / rows / planes),
        }
    }

    fn task(&self, number: usize) -> Task {
        let (part, rest) = (number / self.squares(), number % self.squares());
        let (channels, outputs) = (
            self.geometry.channels.div_ceil(CHANNELS),
            self.outputs.div_ceil(OUTPUTS),
        );
        Task {
            group: rest / channels / outputs,
            channels: share(self.geometry.channels, CHANNELS, rest % channels),
            outputs: share(self.outputs, OUTPUTS, rest / channels % outputs),
            blocks: self.blocks() * part / self.parts..self.blocks() * (part + 1) / self.parts,
        }
    }

    /// Elements between positions of elements and of gradients.
    fn apart(&self) -> (usize, usize) {
        let tiles = self.images * self.rows * self.geometry.tiles[1];
        let (elements, gradients) = self.strides();
        (
            tiles * (self.planes + self.geometry.depth - 1) * elements + APART,
            tiles * self.planes * gradients + APART,
        )
    }

    /// What rows of tiles meet of channels of x, and of outputs of the gradient of y.
    fn strips(&self, channels: usize, outputs: usize, rows: usize) -> [Strip; 2] {
        let Geometry {
            from, to, low, tiles, ..
        } = self.geometry;
        let strides = self.strides();
        let x = Strip {
            channels,
            stride: strides.0,
            from,
            low,
            extents: [2 * rows + 2, 2 * tiles[1] + 2],
        };
        let dy = Strip {
            channels: outputs,
            stride: strides.1,
            from: to,
            low: [0; 3],
            extents: [2 * rows, 2 * tiles[1]],
        };
        [x, dy]
    }

    fn work_lens(&self) -> [usize; 3] {
        let (elements, gradients) = self.apart();
        let strips = self.strips(0, 0, self.rows).map(|strip| strip.len());
        let filters = (POSITIONS + 9 * self.geometry.depth) * self.strides().0;
        [
            strips[0].max(strips[1]).max(filters).next_multiple_of(64),
            (POSITIONS * elements).next_multiple_of(64),
            (POSITIONS * gradients).next_multiple_of(64),
        ]
    }

    /// Bytes of scratch that [`WeightGrad::run`] takes.
    pub fn scratch_bytes<T>(&self, threads: usize) -> usize {
        let work: usize = self.work_lens().iter().sum();
        scratch_bytes::<T>(self.parts * self.squares() * self.sum_len()) + scratch_bytes::<T>(work * threads)
    }

    /// x, dy -> dw.
    pub fn run<T: GemmElement + Plain + Vectors>(&self, args: &Args<'_>, x: &[T], dy: &[T], dw: &mut [T]) {
        let (squares, sum_len) = (self.squares(), self.sum_len());
        let sums = args.scratch::<T>(self.parts * squares * sum_len);
        let lens = self.work_lens();
        let work_len: usize = lens.iter().sum();
        let work = SharedSlice::new(args.scratch::<T>(work_len * args.pool().threads()));
        let level = args.level();
        {
            let sums = SharedSlice::new(&mut *sums);
            args.pool().run(self.parts * squares, |worker, number| {
                // SAFETY: a worker's own piece of the work space, a task's own sums.
                let (work, sum) = unsafe {
                    (
                        work.range(worker * work_len..(worker + 1) * work_len),
                        sums.range(number * sum_len..(number + 1) * sum_len),
                    )
                };
                let (strip, rest) = work.split_at_mut(lens[0]);
                let (elements, gradients) = rest.split_at_mut(lens[1]);
                let mut work = Work {
                    strip,
                    elements,
                    gradients,
                };
                sum.fill(T::ZERO);
                let task = self.task(number);
                for i in task.blocks.clone() {
                    let block = self.block(i);
                    self.transform(level, (x, dy), &task, &block, &mut work);
                    self.multiply(level, &task, &block, &work, sum);
                }
            });
        }
        self.finish(args, sums, (&work, work_len), dw);
    }

    /// The transformed elements (position, plane, tile, channel) and gradients (position, plane, tile, output).
    fn transform<T: GemmElement + Vectors>(
        &self,
        level: Level,
        (x, dy): (&[T], &[T]),
        task: &Task,
        block: &Block,
        work: &mut Work<'_, T>,
    ) {
        let Geometry {
            channels,
            from,
            to,
            depth,
            ..
        } = self.geometry;
        let (apart, strips) = (
            self.apart(),
            self.strips(task.channels.len(), task.outputs.len(), block.rows.len()),
        );
        let first = |image: usize, all: usize, range: &Range<usize>| {
            (image * self.groups + task.group) * all + range.start
        };
        let planes = block.planes.len() + depth - 1;
        for (i, image) in block.images.clone().enumerate() {
            let at = first(image, channels, &task.channels) * from.iter().product::<usize>();
            let to_elements = (&mut *work.elements, apart.0);
            self.transform_image(
                level,
                (&x[at..], strips[0], planes),
                (i, block),
                work.strip,
                to_elements,
            );
            let at = first(image, self.outputs, &task.outputs) * to.iter().product::<usize>();
            let to_gradients = (&mut *work.gradients, apart.1);
            let planes = block.planes.len();
            self.transform_image(
                level,
                (&dy[at..], strips[1], planes),
                (i, block),
                work.strip,
                to_gradients,
            );
        }
    }

    /// Some planes of image `i` of a block.
    fn transform_image<T: GemmElement + Vectors>(
        &self,
        level: Level,
        (x, strip, planes): (&[T], Strip, usize),
        (i, block): (usize, &Block),
        work: &mut [T],
        (transformed, apart): (&mut [T], usize),
    ) {
        let columns = self.geometry.tiles[1];
        let tiles = block.rows.len() * columns;
        let way = if strip.extents[0] > 2 * block.rows.len() {
            Way::Elements
        } else {
            Way::Gradient
        };
        for plane in 0..planes {
            let first = (plane * block.images.len() + i) * tiles * strip.stride;
            let place = (block.planes.start + plane, 2 * block.rows.start);
            if strip.write(level, x, place, work) {
                let squares = Squares {
                    plane: &mut *work,
                    strides: (strip.line(), strip.stride),
                    tiles: (block.rows.len(), columns),
                    channels: strip.stride,
                    transformed: &mut transformed[first..],
                    apart: (apart, strip.stride),
                };
                T::run(level, Transform(squares, way));
            } else {
                for position in 0..POSITIONS {
                    transformed[position * apart + first..][..tiles * strip.stride].fill(T::ZERO);
                }
            }
        }
    }

    /// Adds the products of a block to a task's sums.
    fn multiply<T: GemmElement>(
        &self,
        level: Level,
        task: &Task,
        block: &Block,
        work: &Work<'_, T>,
        sums: &mut [T],
    ) {
        let tiles = T::micro_kernels(level);
        let (channels_apart, outputs_apart) = self.strides();
        let (elements_apart, gradients_apart) = self.apart();
        let all = self.outputs.min(OUTPUTS);
        let in_plane = block.images.len() * block.rows.len() * self.geometry.tiles[1];
        let terms = block.planes.len() * in_plane;
        let channels = task.channels.len().next_multiple_of(tiles.lanes);
        for (i, sums) in sums.chunks_exact_mut(all * channels_apart).enumerate() {
            let (tap, position) = (i / POSITIONS, i % POSITIONS);
            let elements = &work.elements[position * elements_apart + tap * in_plane * channels_apart..]
                [..terms * channels_apart];
            let gradients = &work.gradients[position * gradients_apart..][..terms * outputs_apart];
            for k in (0..terms).step_by(DEPTH) {
                let depth = DEPTH.min(terms - k);
                for c in (0..channels).step_by(tiles.width()) {
                    let cols = tiles.width().min(channels - c);
                    let kernel = tiles.of[cols / tiles.lanes - 1];
                    let right = elements[k * channels_apart + c..].as_ptr();
                    for o in (0..task.outputs.len()).step_by(TILE_ROWS) {
                        let start = gradients[k * outputs_apart + o..].as_ptr();
                        let left = LeftPanel::Columns {
                            start,
                            stride: outputs_apart,
                            ahead: start.wrapping_add(TILE_ROWS),
                        };
                        let out = OutTile {
                            start: sums[o * channels_apart + c..].as_mut_ptr(),
                            stride: channels_apart,
                            rows: TILE_ROWS.min(task.outputs.len() - o),
                            cols,
                            add: true,
                        };
                        // SAFETY: `depth` tiles from tile k on lie within elements and gradients, each with its channels
                        // and outputs rounded up; the sums are rows of `channels_apart`.
                        unsafe { kernel(depth, left, RightPanel::Offsets(right, self.starts.as_ptr()), out) };
                    }
                }
            }
        }
    }

    /// Adds up the parts' sums and transforms them back.
    fn finish<T: GemmElement + Plain + Vectors>(
        &self,
        args: &Args<'_>,
        sums: &[T],
        (work, work_len): (&SharedSlice<'_, T>, usize),
        dw: &mut [T],
    ) {
        let Geometry { channels, depth, .. } = self.geometry;
        let (level, (apart, _)) = (args.level(), self.strides());
        let (all, sum_len, taps) = (self.outputs.min(OUTPUTS), self.sum_len(), 9 * depth);
        let ranges = (channels.div_ceil(CHANNELS), self.outputs.div_ceil(OUTPUTS));
        args.pool().chunks(dw, channels * taps, |worker, row, dw| {
            let (group, output) = (row / self.outputs, row % self.outputs);
            // SAFETY: a worker's own piece of the work space.
            let work = unsafe { work.range(worker * work_len..(worker + 1) * work_len) };
            let (squares, filters) = work.split_at_mut(POSITIONS * apart);
            for (i, dw) in dw.chunks_mut(CHANNELS * taps).enumerate() {
                let square = (group * ranges.1 + output / OUTPUTS) * ranges.0 + i;
                for tap in 0..depth {
                    for (position, square_row) in squares.chunks_exact_mut(apart).enumerate() {
                        let at = ((tap * POSITIONS + position) * all + output % OUTPUTS) * apart;
                        let part =
                            |part: usize| &sums[(part * self.squares() + square) * sum_len + at..][..apart];
                        square_row.copy_from_slice(part(0));
                        for p in 1..self.parts {
                            square_row
                                .iter_mut()
                                .zip(part(p))
                                .for_each(|(sum, &x)| *sum = sum.plus(x));
                        }
                    }
                    let back = Filters {
                        taps: &mut filters[tap * 9 * apart..],
                        transformed: &mut *squares,
                        apart: (apart, apart),
                        count: apart,
                        reversed: false,
                        back: true,
                    };
                    T::run(level, back);
                }
                let valid = dw.len() / taps;
                transpose(level, filters, (1, apart), (valid, taps), dw, taps);
            }
        });
    }
}
