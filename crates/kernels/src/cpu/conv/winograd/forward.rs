//! Forward, and the adjoint in x: a convolution with other weights.

use super::shape::{BLOCK_TERMS, GAP_ELEMENTS, MIN_CHANNELS, MIN_FILTERS, WinogradShape};
use super::task_split::{TaskRange, TaskSplit};
use super::transform::{COORDINATES, TileGrid, Transform, TransformKind};
use crate::cpu::conv::lanes::LaneDispatch;
use crate::cpu::conv::problem::ConvGemm;
use crate::cpu::exec::{Args, Env, Plain, scratch_bytes};
use crate::cpu::gemm::{Epilogue, GemmElement, LeftPanel, OutTile, RightPanel, TILE_ROWS};
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;
use crate::cpu::transpose::transpose_raw;

/// A [`ConvGemm`] by minimal filtering.
pub(in crate::cpu::conv) struct Winograd {
    pub(super) shape: WinogradShape,
    pub(super) groups: usize,
    pub(super) outputs: usize,
    /// Whether the weights have outputs and channels exchanged, and taps in reverse.
    pub(super) transposed_weights: bool,
    /// Outputs computed together: the width of a tile of the matrix product.
    pub(super) panel: usize,
    pub(super) lanes: usize,
    /// How the work is divided.
    pub(super) split: TaskSplit,
}

/// A thread's work space.
struct Work<'a, T> {
    lines: &'a mut [T],
    elements: &'a mut [T],
    products: &'a mut [T],
}

impl Winograd {
    /// The algorithm, if it applies and is likely to pay.
    pub fn new<T: GemmElement>(gemm: &ConvGemm, env: &Env) -> Option<Winograd> {
        let taps: usize = gemm.tap_map.kernel.iter().product();
        let shape = WinogradShape::new(&gemm.tap_map, gemm.depth / taps.max(1))?;
        if !gemm.may_reassociate
            || gemm.rows < MIN_CHANNELS
            || gemm.rows * shape.channels < MIN_FILTERS
            || gemm.batch * gemm.groups * gemm.positions == 0
        {
            return None;
        }
        let widths = T::micro_kernels(env.level);
        let extents = (gemm.batch, gemm.groups, gemm.rows.div_ceil(widths.width()));
        let split = TaskSplit::new(shape, extents, env.pool.threads());
        Some(Winograd {
            shape,
            groups: gemm.groups,
            outputs: gemm.rows,
            transposed_weights: gemm.transposed_weights,
            panel: widths.width(),
            lanes: widths.lanes,
            split,
        })
    }

    /// Elements between the coordinates of transformed elements, and of products.
    fn apart(&self) -> (usize, usize) {
        let planes = self.split.planes + self.shape.depth - 1;
        (
            self.split.tiles() * planes * self.shape.stride + GAP_ELEMENTS,
            self.split.tiles() * self.panel + GAP_ELEMENTS,
        )
    }

    /// Elements of a thread's work space: a strip (of elements, then of results), transformed elements, products.
    fn work_lens(&self) -> [usize; 3] {
        let (elements, products) = self.apart();
        let rows = self.split.rows;
        let results = 4 * rows * self.shape.tiles[1] * self.panel;
        [
            self.shape.lines(rows).len().max(results).next_multiple_of(64),
            (COORDINATES * elements).next_multiple_of(64),
            (COORDINATES * products).next_multiple_of(64),
        ]
    }

    /// Bytes of scratch that [`Winograd::run`] takes.
    pub fn scratch_bytes<T>(&self, threads: usize) -> usize {
        let work: usize = self.work_lens().iter().sum();
        scratch_bytes::<T>(self.filters_len())
            + scratch_bytes::<T>(self.filter_work_len() * threads)
            + scratch_bytes::<T>(work * threads)
    }

    /// `(x, weights) -> out`; the weights are as the operation was given them.
    pub fn run<T: GemmElement + Plain + LaneDispatch>(
        &self,
        args: &Args<'_>,
        x: &[T],
        weights: &[T],
        out: &mut [T],
        epilogue: Option<&Epilogue<'_, T>>,
    ) {
        let filters = self.transform_filters(args, weights);
        let lens = self.work_lens();
        let work_len: usize = lens.iter().sum();
        let work = args.worker_scratch::<T>(work_len);
        let (level, out) = (args.level(), SharedSlice::new(out));
        args.pool().run(self.split.tasks(), |worker, task| {
            // SAFETY: a worker's own part of the work space.
            let work = unsafe { work.of(worker) };
            let (lines, rest) = work.split_at_mut(lens[0]);
            let (elements, products) = rest.split_at_mut(lens[1]);
            let mut work = Work {
                lines,
                elements,
                products,
            };
            let task_range = self.split.task_range(task);
            self.transform_elements(level, x, &task_range, &mut work);
            for panel in task_range.panels.clone() {
                for plane in 0..task_range.planes.len() {
                    self.multiply(level, filters, &task_range, (panel, plane), &mut work);
                    self.store(level, &task_range, (panel, plane), &mut work, &out);
                    if let Some(epilogue) = epilogue {
                        self.epilogue(&task_range, (panel, plane), &out, |start, elements| {
                            epilogue(worker, start, elements);
                        });
                    }
                }
            }
        });
    }

    /// The transformed elements of a task: (coordinate, tile, plane, channel).
    fn transform_elements<T: GemmElement + LaneDispatch>(
        &self,
        level: Level,
        x: &[T],
        task_range: &TaskRange,
        work: &mut Work<'_, T>,
    ) {
        let WinogradShape {
            stride,
            from,
            depth,
            tiles: [_, columns],
            channels,
            ..
        } = self.shape;
        let planes = task_range.planes.len() + depth - 1;
        let (apart, _) = self.apart();
        let tiles = task_range.rows.len() * columns;
        let size = channels * from.iter().product::<usize>();
        let lines = self.shape.lines(task_range.rows.len());
        for (i, image) in task_range.images.clone().enumerate() {
            let x = &x[(image * self.groups + task_range.group) * size..][..size];
            for plane in 0..planes {
                let position = (task_range.planes.start + plane, 2 * task_range.rows.start);
                let first = (i * tiles * planes + plane) * stride;
                if lines.write(level, x, position, work.lines) {
                    let grid = TileGrid {
                        plane: work.lines,
                        strides: (lines.line(), stride),
                        tiles: (task_range.rows.len(), columns),
                        channels: stride,
                        transformed: &mut work.elements[first..],
                        apart: (apart, planes * stride),
                    };
                    T::dispatch(level, Transform(grid, TransformKind::Elements));
                } else {
                    for coordinate in 0..COORDINATES {
                        for tile in 0..tiles {
                            let at = coordinate * apart + first + tile * planes * stride;
                            work.elements[at..at + stride].fill(T::ZERO);
                        }
                    }
                }
            }
        }
    }

    /// The products of a panel of outputs in a plane of results: (coordinate, tile, output).
    fn multiply<T: GemmElement>(
        &self,
        level: Level,
        filters: &[T],
        task_range: &TaskRange,
        (panel, plane): (usize, usize),
        work: &mut Work<'_, T>,
    ) {
        let WinogradShape {
            stride,
            depth,
            channels,
            ..
        } = self.shape;
        let width = self.width(panel);
        let kernel = T::micro_kernels(level).of[width / self.lanes - 1];
        let terms = if depth > 1 { depth * stride } else { channels };
        let planes = task_range.planes.len() + depth - 1;
        let tiles = task_range.images.len() * task_range.rows.len() * self.shape.tiles[1];
        let (elements_apart, products_apart) = self.apart();
        let filters = &filters[self.filters_at(task_range.group, panel)..];
        for coordinate in 0..COORDINATES {
            let elements = &work.elements[coordinate * elements_apart..][..tiles * planes * stride];
            let products = &mut work.products[coordinate * products_apart..][..tiles * width];
            let filters = &filters[coordinate * depth * stride * width..][..depth * stride * width];
            for k in (0..terms).step_by(BLOCK_TERMS) {
                let count = BLOCK_TERMS.min(terms - k);
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
                    // SAFETY: the rows are tiles of the elements, of which `plane + depth` planes exist; the filters
                    // have rows of `width` for all their terms; the products are rows of `width`.
                    unsafe { kernel(count, left, right, out) };
                }
            }
        }
    }

    /// Transforms the products of a panel in a plane back and puts the results where they belong.
    fn store<T: GemmElement + LaneDispatch>(
        &self,
        level: Level,
        task_range: &TaskRange,
        (panel, plane): (usize, usize),
        work: &mut Work<'_, T>,
        out: &SharedSlice<'_, T>,
    ) {
        let WinogradShape {
            to,
            tiles: [_, columns],
            ..
        } = self.shape;
        let (width, first) = (self.width(panel), panel * self.panel);
        let (_, apart) = self.apart();
        let valid = self.panel.min(self.outputs - first);
        let tiles = task_range.rows.len() * columns;
        let positions: usize = to.iter().product();
        let rows = 2 * task_range.rows.start..to[1].min(2 * task_range.rows.end);
        for (i, image) in task_range.images.clone().enumerate() {
            let grid = TileGrid {
                plane: work.lines,
                strides: (2 * columns * width, width),
                tiles: (task_range.rows.len(), columns),
                channels: width,
                transformed: &mut work.products[i * tiles * width..],
                apart: (apart, width),
            };
            T::dispatch(level, Transform(grid, TransformKind::Results));
            let start = ((image * self.groups + task_range.group) * self.outputs + first) * positions
                + (task_range.planes.start + plane) * to[1] * to[2];
            // Lines without dropped positions are one run.
            let (runs, count) = if 2 * columns == to[2] {
                (1, rows.len() * to[2])
            } else {
                (rows.len(), to[2])
            };
            assert!(start + (valid - 1) * positions + rows.end * to[2] <= out.len());
            assert!(((runs - 1) * 2 * columns + count) * width <= work.lines.len());
            for run in 0..runs {
                // SAFETY: rows of some planes of the result, which are no other task's; positions of the lines.
                unsafe {
                    transpose_raw(
                        level,
                        work.lines.as_ptr().add(run * 2 * columns * width),
                        (1, width),
                        (valid, count),
                        out.as_mut_ptr().add(start + (rows.start + run) * to[2]),
                        positions,
                    );
                }
            }
        }
    }

    /// Calls `each` with the parts of the result that were stored, and where they start.
    fn epilogue<T>(
        &self,
        task_range: &TaskRange,
        (panel, plane): (usize, usize),
        out: &SharedSlice<'_, T>,
        each: impl Fn(usize, &[T]),
    ) {
        let [depth, height, width] = self.shape.to;
        let (rows, positions) = (
            2 * task_range.rows.start..height.min(2 * task_range.rows.end),
            depth * height * width,
        );
        let outputs = panel * self.panel..self.outputs.min((panel + 1) * self.panel);
        // Whole planes lie one after the other.
        let whole = rows.len() * width == positions;
        for image in task_range.images.clone() {
            let first = (image * self.groups + task_range.group) * self.outputs;
            for output in outputs.clone().step_by(if whole { outputs.len() } else { 1 }) {
                let start = (first + output) * positions
                    + ((task_range.planes.start + plane) * height + rows.start) * width;
                let len = rows.len() * width * if whole { outputs.len() } else { 1 };
                // SAFETY: no other task has a line of `rows` in these outputs.
                each(start, unsafe { out.range(start..start + len) });
            }
        }
    }

    /// Outputs of a panel, rounded up to whole registers.
    pub(super) fn width(&self, panel: usize) -> usize {
        self.panel
            .min(self.outputs - panel * self.panel)
            .next_multiple_of(self.lanes)
    }
}
