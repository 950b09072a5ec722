//! The adjoint in w for few channels: dot products of rows of dy with the elements that their positions read at each
//! tap. Both have contiguous positions, so the terms are added up in the lanes of registers and nothing is transposed.

use std::ops::Range;

use crate::cpu::conv::lanes::{LaneDispatch, LaneKernel, has_32_registers, sum_lanes};
use crate::cpu::conv::planes::{Run, Runs};
use crate::cpu::conv::shape::ConvShape;
use crate::cpu::element::Element;
use crate::cpu::gemm::{GemmElement, Lanes};
use crate::cpu::level::Level;

/// Elements of planes written at a time: well within a second-level cache.
const PLANES_ELEMENTS: usize = 1 << 16;
/// Rows of dy, and taps, of a tile of sums: 25 registers of the 32 that there are.
const TILE_SIDE: usize = 5;
/// Taps of a tile with a single row.
const SINGLE_ROW_TAPS: usize = 9;
/// Rows, and taps, of a tile where there are 16 registers.
const TILE_SIDE_16: usize = 3;

pub(super) struct DotProducts {
    runs: Runs,
    channels: usize,
    /// Samples whose planes are written together.
    samples: usize,
}

impl DotProducts {
    /// For registers of `lanes` elements.
    pub fn new(shape: &ConvShape, lanes: usize) -> DotProducts {
        let runs = Runs::new(&shape.forward(), shape.channels, lanes);
        let samples = (PLANES_ELEMENTS / (shape.channels * runs.planes.size()).max(1)).clamp(1, 8);
        DotProducts {
            runs,
            channels: shape.channels,
            samples,
        }
    }

    /// Elements of work space for one thread.
    pub fn work_len(&self) -> usize {
        self.samples * self.runs.len(self.channels)
    }

    /// Adds what some samples give to the weights of some output channels of a group: rows of channels and taps.
    pub fn add<T: GemmElement + LaneDispatch>(
        &self,
        level: Level,
        shape: &ConvShape,
        (x, dy): (&[T], &[T]),
        (samples, group, outputs): (Range<usize>, usize, Range<usize>),
        work: &mut [T],
        sums: &mut [T],
    ) {
        let (input, output) = (shape.channels * shape.input_size(), shape.output_size());
        let image = |n: usize| n * shape.groups + group;
        work.fill(T::ZERO);
        for n in samples.clone().step_by(self.samples) {
            let count = self.samples.min(samples.end - n);
            let (planes, apart) = match self.runs.len(self.channels) {
                0 => (&x[image(n) * input..], shape.groups * input),
                len => {
                    for (i, work) in work.chunks_exact_mut(len).enumerate().take(count) {
                        self.runs.write(level, &x[image(n + i) * input..][..input], work);
                    }
                    (&*work, len)
                }
            };
            let first = (image(n) * shape.outputs + outputs.start) * output;
            let kernel = Products {
                runs: &self.runs,
                samples: count,
                planes: (planes, apart),
                dy: (&dy[first..], shape.groups * shape.outputs * output),
                rows: (outputs.len(), output),
                sums: &mut *sums,
            };
            T::dispatch(level, kernel);
        }
    }
}

/// What some samples give to the weights of some outputs.
struct Products<'a, T> {
    runs: &'a Runs,
    samples: usize,
    /// The first sample's planes, and elements between samples; of dy likewise.
    planes: (&'a [T], usize),
    dy: (&'a [T], usize),
    /// Rows of dy, and elements between them.
    rows: (usize, usize),
    sums: &'a mut [T],
}

impl<T: Element> LaneKernel<T> for Products<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(mut self) {
        let taps = self.runs.offsets.len();
        let rows = self.rows.0;
        assert!(V::N == self.runs.lanes && rows * taps <= self.sums.len());
        assert!((self.samples - 1) * self.dy.1 + rows * self.rows.1 <= self.dy.0.len());
        let channels = taps / self.runs.taps;
        self.runs
            .check(channels, self.planes.0.len() - (self.samples - 1) * self.planes.1);
        let (high, broad) = match (rows, has_32_registers::<V>()) {
            (1, _) => (1, SINGLE_ROW_TAPS),
            (_, true) => (TILE_SIDE, TILE_SIDE),
            (_, false) => (TILE_SIDE_16, TILE_SIDE_16),
        };
        let (heights, widths) = (rows.div_ceil(high), taps.div_ceil(broad));
        for i in 0..heights {
            for j in 0..widths {
                let row = rows * i / heights..rows * (i + 1) / heights;
                let tap = taps * j / widths..taps * (j + 1) / widths;
                // SAFETY: the extents were checked.
                unsafe { self.tile_of::<V>(row, tap) };
            }
        }
    }
}

impl<T: Element> Products<'_, T> {
    /// # Safety
    /// As for [`Products::tile`].
    #[inline(always)]
    unsafe fn tile_of<V: Lanes<Elem = T>>(&mut self, rows: Range<usize>, taps: Range<usize>) {
        macro_rules! tiles {
            ($($r:literal $t:literal)*) => {
                match (rows.len(), taps.len()) {
                    $(($r, $t) if $r * $t <= TILE_SIDE_16 * TILE_SIDE_16 || has_32_registers::<V>() => {
                        self.tile::<V, $r, $t>(rows.start, taps.start)
                    })*
                    _ => unreachable!("rows and taps are divided into tiles"),
                }
            };
        }
        // SAFETY: as the caller promises.
        unsafe {
            tiles!(1 1 1 2 1 3 1 4 1 5 1 6 1 7 1 8 1 9 2 1 2 2 2 3 2 4 2 5 3 1 3 2 3 3 3 4 3 5
                4 1 4 2 4 3 4 4 4 5 5 1 5 2 5 3 5 4 5 5)
        }
    }

    /// Adds the sums of some rows and taps.
    ///
    /// # Safety
    /// The processor must have `V`'s instructions, and the rows and taps exist in the operands, as `run` checks.
    #[inline(always)]
    unsafe fn tile<V: Lanes<Elem = T>, const R: usize, const C: usize>(&mut self, row: usize, tap: usize) {
        let offsets: [usize; C] = std::array::from_fn(|j| self.runs.offsets[tap + j]);
        // SAFETY: as the caller promises; positions and elements beyond a run's count are masked.
        unsafe {
            let mut sums = [[V::splat(T::ZERO); C]; R];
            for sample in 0..self.samples {
                let dy = self.dy.0.as_ptr().add(sample * self.dy.1 + row * self.rows.1);
                let planes = self.planes.0.as_ptr().add(sample * self.planes.1);
                for &Run {
                    from,
                    position,
                    count,
                } in &self.runs.all
                {
                    let (dy, planes) = (dy.add(position), planes.add(from));
                    if count == V::N {
                        let row = |i: usize| V::load(dy.add(i * self.rows.1));
                        multiply(&mut sums, row, |j: usize| V::load(planes.add(offsets[j])));
                    } else {
                        let mask = V::first(count);
                        let row = |i: usize| V::load_some(dy.add(i * self.rows.1), mask);
                        multiply(&mut sums, row, |j: usize| {
                            V::load_some(planes.add(offsets[j]), mask)
                        });
                    }
                }
            }
            let taps = self.runs.offsets.len();
            for (i, line) in sums.into_iter().enumerate() {
                for (j, sum) in line.into_iter().enumerate() {
                    let to = &mut self.sums[(row + i) * taps + tap + j];
                    *to = to.plus(sum_lanes(sum));
                }
            }
        }
    }
}

/// Adds the products of `R` and `C` registers.
///
/// # Safety
/// The processor must have `V`'s instructions.
#[inline(always)]
unsafe fn multiply<V: Lanes, const R: usize, const C: usize>(
    sums: &mut [[V; C]; R],
    rows: impl Fn(usize) -> V,
    elements: impl Fn(usize) -> V,
) {
    let rows: [V; R] = std::array::from_fn(rows);
    for j in 0..C {
        let x = elements(j);
        for (line, &row) in sums.iter_mut().zip(&rows) {
            // SAFETY: as the caller promises.
            line[j] = unsafe { line[j].fma(row, x) };
        }
    }
}
