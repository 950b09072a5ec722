//! The adjoint in w of [`Winograd`](super::Winograd): `dw = G' (sum of (A dy A') o (B' x B) over tiles) G`, the
//! sums as 16 matrix products over tiles.

use std::ops::Range;

use super::channels_last::ChannelsLastLines;
use super::shape::{
    BLOCK_TERMS, CACHE_ELEMENTS, CHANNEL_ALIGN, GAP_ELEMENTS, MIN_CHANNELS, MIN_FILTERS, WinogradShape,
};
use super::transform::{COORDINATES, Filters, TileGrid, Transform, TransformKind};
use crate::cpu::conv::ConvShape;
use crate::cpu::conv::lanes::LaneDispatch;
use crate::cpu::exec::{Args, Plain, scratch_bytes};
use crate::cpu::gemm::{GemmElement, LeftPanel, OutTile, RightPanel, TILE_ROWS};
use crate::cpu::level::Level;
use crate::cpu::pool::{SharedSlice, WorkerSlices};
use crate::cpu::transpose::transpose;

/// Tiles whose products are summed at a time.
const BLOCK_TILES: usize = 64;
/// Channels of a task: its sums stay in the second-level cache.
const TASK_CHANNELS: usize = 64;
/// Outputs of a task.
const TASK_OUTPUTS: usize = 128;
/// Tasks wanted.
const MIN_TASKS: usize = 16;
/// Elements of all partial sums together.
const PARTIAL_ELEMENTS: usize = 1 << 20;

/// The adjoint and how its work is divided, which depends on the shape alone.
pub(in crate::cpu::conv) struct WinogradWeightGrad {
    shape: WinogradShape,
    batch: usize,
    groups: usize,
    outputs: usize,
    /// Images, planes of results and rows of tiles of a block.
    images: usize,
    planes: usize,
    rows: usize,
    /// Parts of the blocks, each with sums of its own.
    sample_groups: usize,
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
    lines: &'a mut [T],
    elements: &'a mut [T],
    gradients: &'a mut [T],
}

/// Images, planes and rows of tiles.
struct TileBlock {
    images: Range<usize>,
    planes: Range<usize>,
    rows: Range<usize>,
}

/// The block of a range that is number `i`.
fn share(extent: usize, share: usize, i: usize) -> Range<usize> {
    (i * share).min(extent)..((i + 1) * share).min(extent)
}

impl WinogradWeightGrad {
    /// The algorithm, if it applies and is likely to pay.
    pub fn new(shape: &ConvShape) -> Option<WinogradWeightGrad> {
        let planes = WinogradShape::new(&shape.forward(), shape.channels)?;
        if shape.outputs < MIN_CHANNELS
            || shape.outputs * shape.channels < MIN_FILTERS
            || shape.batch * shape.groups * shape.output_size() == 0
        {
            return None;
        }
        let WinogradShape {
            depth,
            to,
            tiles: [rows, columns],
            stride,
            ..
        } = planes;
        let images = if depth == 1 && to[0] == 1 {
            (BLOCK_TILES / (rows * columns)).clamp(1, shape.batch)
        } else {
            1
        };
        let mut adjoint = WinogradWeightGrad {
            shape: planes,
            batch: shape.batch,
            groups: shape.groups,
            outputs: shape.outputs,
            images,
            planes: 1,
            rows: rows.div_ceil(rows.div_ceil((BLOCK_TILES / columns).clamp(1, rows))),
            sample_groups: 1,
            starts: Box::default(),
        };
        if to[0] > 1 {
            let plane = COORDINATES
                * adjoint.rows
                * columns
                * (stride.min(TASK_CHANNELS) + shape.outputs.min(TASK_OUTPUTS));
            adjoint.planes = (CACHE_ELEMENTS / plane).saturating_sub(depth - 1).clamp(1, to[0]);
        }
        let sums = adjoint.weight_blocks() * adjoint.sum_len();
        adjoint.sample_groups = MIN_TASKS
            .div_ceil(adjoint.weight_blocks())
            .min(PARTIAL_ELEMENTS / sums)
            .clamp(1, adjoint.blocks());
        let (apart, _) = adjoint.strides();
        adjoint.starts = (0..BLOCK_TERMS).map(|tile| tile * apart).collect();
        Some(adjoint)
    }

    /// Elements between the channels, and the outputs, of tiles.
    fn strides(&self) -> (usize, usize) {
        (
            self.shape.stride.min(TASK_CHANNELS),
            self.outputs.min(TASK_OUTPUTS).next_multiple_of(CHANNEL_ALIGN),
        )
    }

    /// Ranges of channels times those of outputs, of all groups.
    fn weight_blocks(&self) -> usize {
        self.groups * self.shape.channels.div_ceil(TASK_CHANNELS) * self.outputs.div_ceil(TASK_OUTPUTS)
    }

    /// Elements of the sums of one task: (tap, coordinate, output, channel).
    fn sum_len(&self) -> usize {
        self.shape.depth * COORDINATES * self.outputs.min(TASK_OUTPUTS) * self.strides().0
    }

    fn blocks(&self) -> usize {
        self.batch.div_ceil(self.images)
            * self.shape.to[0].div_ceil(self.planes)
            * self.shape.tiles[0].div_ceil(self.rows)
    }

    fn block(&self, i: usize) -> TileBlock {
        let (rows, planes) = (
            self.shape.tiles[0].div_ceil(self.rows),
            self.shape.to[0].div_ceil(self.planes),
        );
        TileBlock {
            rows: share(self.shape.tiles[0], self.rows, i % rows),
            planes: share(self.shape.to[0], self.planes, i / rows % planes),
            images: share(self.batch, self.images, i / rows / planes),
        }
    }

    fn task(&self, number: usize) -> Task {
        let (part, rest) = (number / self.weight_blocks(), number % self.weight_blocks());
        let (channels, outputs) = (
            self.shape.channels.div_ceil(TASK_CHANNELS),
            self.outputs.div_ceil(TASK_OUTPUTS),
        );
        Task {
            group: rest / channels / outputs,
            channels: share(self.shape.channels, TASK_CHANNELS, rest % channels),
            outputs: share(self.outputs, TASK_OUTPUTS, rest / channels % outputs),
            blocks: self.blocks() * part / self.sample_groups
                ..self.blocks() * (part + 1) / self.sample_groups,
        }
    }

    /// Elements between coordinates of elements and of gradients.
    fn apart(&self) -> (usize, usize) {
        let tiles = self.images * self.rows * self.shape.tiles[1];
        let (elements, gradients) = self.strides();
        (
            tiles * (self.planes + self.shape.depth - 1) * elements + GAP_ELEMENTS,
            tiles * self.planes * gradients + GAP_ELEMENTS,
        )
    }

    /// What rows of tiles read of channels of x, and of outputs of the gradient of y.
    fn strips(&self, channels: usize, outputs: usize, rows: usize) -> [ChannelsLastLines; 2] {
        let WinogradShape {
            from, to, low, tiles, ..
        } = self.shape;
        let strides = self.strides();
        let x = ChannelsLastLines {
            channels,
            stride: strides.0,
            from,
            low,
            extents: [2 * rows + 2, 2 * tiles[1] + 2],
        };
        let dy = ChannelsLastLines {
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
        let strips = self.strips(0, 0, self.rows).map(|lines| lines.len());
        let filters = (COORDINATES + 9 * self.shape.depth) * self.strides().0;
        [
            strips[0].max(strips[1]).max(filters).next_multiple_of(64),
            (COORDINATES * elements).next_multiple_of(64),
            (COORDINATES * gradients).next_multiple_of(64),
        ]
    }

    /// Bytes of scratch that [`WinogradWeightGrad::run`] takes.
    pub fn scratch_bytes<T>(&self, threads: usize) -> usize {
        let work: usize = self.work_lens().iter().sum();
        scratch_bytes::<T>(self.sample_groups * self.weight_blocks() * self.sum_len())
            + scratch_bytes::<T>(work * threads)
    }

    /// x, dy -> dw.
    pub fn run<T: GemmElement + Plain + LaneDispatch>(
        &self,
        args: &Args<'_>,
        x: &[T],
        dy: &[T],
        dw: &mut [T],
    ) {
        let (weight_blocks, sum_len) = (self.weight_blocks(), self.sum_len());
        let sums = args.scratch::<T>(self.sample_groups * weight_blocks * sum_len);
        let lens = self.work_lens();
        let work_len: usize = lens.iter().sum();
        let work = args.worker_scratch::<T>(work_len);
        let level = args.level();
        {
            let sums = SharedSlice::new(&mut *sums);
            args.pool()
                .run(self.sample_groups * weight_blocks, |worker, number| {
                    // SAFETY: a worker's own part of the work space, a task's own sums.
                    let (work, sum) = unsafe {
                        (
                            work.of(worker),
                            sums.range(number * sum_len..(number + 1) * sum_len),
                        )
                    };
                    let (lines, rest) = work.split_at_mut(lens[0]);
                    let (elements, gradients) = rest.split_at_mut(lens[1]);
                    let mut work = Work {
                        lines,
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
        self.transform_sums(args, sums, &work, dw);
    }

    /// The transformed elements (coordinate, plane, tile, channel) and gradients (coordinate, plane, tile, output).
    fn transform<T: GemmElement + LaneDispatch>(
        &self,
        level: Level,
        (x, dy): (&[T], &[T]),
        task: &Task,
        block: &TileBlock,
        work: &mut Work<'_, T>,
    ) {
        let WinogradShape {
            channels,
            from,
            to,
            depth,
            ..
        } = self.shape;
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
                work.lines,
                to_elements,
            );
            let at = first(image, self.outputs, &task.outputs) * to.iter().product::<usize>();
            let to_gradients = (&mut *work.gradients, apart.1);
            let planes = block.planes.len();
            self.transform_image(
                level,
                (&dy[at..], strips[1], planes),
                (i, block),
                work.lines,
                to_gradients,
            );
        }
    }

    /// Some planes of image `i` of a block.
    fn transform_image<T: GemmElement + LaneDispatch>(
        &self,
        level: Level,
        (x, lines, planes): (&[T], ChannelsLastLines, usize),
        (i, block): (usize, &TileBlock),
        work: &mut [T],
        (transformed, apart): (&mut [T], usize),
    ) {
        let columns = self.shape.tiles[1];
        let tiles = block.rows.len() * columns;
        let kind = if lines.extents[0] > 2 * block.rows.len() {
            TransformKind::Elements
        } else {
            TransformKind::Gradient
        };
        for plane in 0..planes {
            let first = (plane * block.images.len() + i) * tiles * lines.stride;
            let position = (block.planes.start + plane, 2 * block.rows.start);
            if lines.write(level, x, position, work) {
                let grid = TileGrid {
                    plane: &mut *work,
                    strides: (lines.line(), lines.stride),
                    tiles: (block.rows.len(), columns),
                    channels: lines.stride,
                    transformed: &mut transformed[first..],
                    apart: (apart, lines.stride),
                };
                T::dispatch(level, Transform(grid, kind));
            } else {
                for coordinate in 0..COORDINATES {
                    transformed[coordinate * apart + first..][..tiles * lines.stride].fill(T::ZERO);
                }
            }
        }
    }

    /// Adds the products of a block to a task's sums.
    fn multiply<T: GemmElement>(
        &self,
        level: Level,
        task: &Task,
        block: &TileBlock,
        work: &Work<'_, T>,
        sums: &mut [T],
    ) {
        let tiles = T::micro_kernels(level);
        let (channels_apart, outputs_apart) = self.strides();
        let (elements_apart, gradients_apart) = self.apart();
        let all = self.outputs.min(TASK_OUTPUTS);
        let in_plane = block.images.len() * block.rows.len() * self.shape.tiles[1];
        let terms = block.planes.len() * in_plane;
        let channels = task.channels.len().next_multiple_of(tiles.lanes);
        for (i, sums) in sums.chunks_exact_mut(all * channels_apart).enumerate() {
            let (tap, coordinate) = (i / COORDINATES, i % COORDINATES);
            let elements = &work.elements[coordinate * elements_apart + tap * in_plane * channels_apart..]
                [..terms * channels_apart];
            let gradients = &work.gradients[coordinate * gradients_apart..][..terms * outputs_apart];
            for k in (0..terms).step_by(BLOCK_TERMS) {
                let depth = BLOCK_TERMS.min(terms - k);
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
                        // SAFETY: `depth` tiles from tile k on lie within elements and gradients, each with its
                        // channels and outputs rounded up; the sums are rows of `channels_apart`.
                        unsafe { kernel(depth, left, RightPanel::Offsets(right, self.starts.as_ptr()), out) };
                    }
                }
            }
        }
    }

    /// Adds up the parts' sums and transforms them back.
    fn transform_sums<T: GemmElement + Plain + LaneDispatch>(
        &self,
        args: &Args<'_>,
        sums: &[T],
        work: &WorkerSlices<'_, T>,
        dw: &mut [T],
    ) {
        let WinogradShape { channels, depth, .. } = self.shape;
        let (level, (apart, _)) = (args.level(), self.strides());
        let (all, sum_len, taps) = (self.outputs.min(TASK_OUTPUTS), self.sum_len(), 9 * depth);
        let ranges = (
            channels.div_ceil(TASK_CHANNELS),
            self.outputs.div_ceil(TASK_OUTPUTS),
        );
        args.pool().chunks(dw, channels * taps, |worker, row, dw| {
            let (group, output) = (row / self.outputs, row % self.outputs);
            // SAFETY: a worker's own part of the work space.
            let work = unsafe { work.of(worker) };
            let (transformed, filters) = work.split_at_mut(COORDINATES * apart);
            for (i, dw) in dw.chunks_mut(TASK_CHANNELS * taps).enumerate() {
                let block = (group * ranges.1 + output / TASK_OUTPUTS) * ranges.0 + i;
                for tap in 0..depth {
                    for (coordinate, sums_of_coordinate) in transformed.chunks_exact_mut(apart).enumerate() {
                        let at = ((tap * COORDINATES + coordinate) * all + output % TASK_OUTPUTS) * apart;
                        let part = |part: usize| {
                            &sums[(part * self.weight_blocks() + block) * sum_len + at..][..apart]
                        };
                        sums_of_coordinate.copy_from_slice(part(0));
                        for p in 1..self.sample_groups {
                            sums_of_coordinate
                                .iter_mut()
                                .zip(part(p))
                                .for_each(|(sum, &x)| *sum = sum.plus(x));
                        }
                    }
                    let back = Filters {
                        taps: &mut filters[tap * 9 * apart..],
                        transformed: &mut *transformed,
                        apart: (apart, apart),
                        count: apart,
                        reversed: false,
                        back: true,
                    };
                    T::dispatch(level, back);
                }
                let valid = dw.len() / taps;
                transpose(level, filters, (1, apart), (valid, taps), dw, taps);
            }
        });
    }
}
