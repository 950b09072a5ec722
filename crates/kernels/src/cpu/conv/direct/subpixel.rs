//! The adjoint in x of a strided convolution, as sub-pixel convolutions. Positions of x that leave the same remainders
//! when divided by the strides read the gradient at the same taps. Each class of such positions is a convolution of
//! stride 1 with some of the taps.

use super::Direct;
use crate::cpu::conv::im2col::Bf16x3Im2col;
use crate::cpu::conv::lanes::LaneDispatch;
use crate::cpu::conv::planes::StridedPositions;
use crate::cpu::conv::problem::ConvGemm;
use crate::cpu::conv::shape::{AxisMap, TapMap};
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::{Args, Env, Plain, scratch_bytes};
use crate::cpu::gemm::GemmElement;
use crate::cpu::pool::SharedSlice;

/// Elements that a task sets to 0.
const ZERO_TASK_ELEMENTS: usize = 1 << 14;

/// A [`ConvGemm`] whose map divides, as one convolution for each class of positions.
pub(in crate::cpu::conv) struct Subpixel {
    classes: Vec<Class>,
    /// Distance between the positions of a class.
    apart: [usize; 3],
    /// Elements of all classes' weights.
    weights_len: usize,
    /// Whether there are positions without any tap.
    gaps: bool,
    /// Whether the bf16x3 convolution of the only class sets these positions to 0.
    cleared: bool,
}

/// Positions that leave the same remainders.
struct Class {
    first: [usize; 3],
    /// The taps that they read something at: the first, how far apart, and how many.
    taps: [(usize, usize, usize); 3],
    gemm: ConvGemm,
    direct: Direct,
    /// With matrix instructions, where the numbers allow it.
    bf16x3: Option<Bf16x3Im2col>,
    /// Where its weights start.
    weights: usize,
}

impl Subpixel {
    /// For registers and tiles of `widths`, if the map divides.
    pub fn new(gemm: &ConvGemm, env: &Env, widths: (usize, usize)) -> Option<Subpixel> {
        let axes = &gemm.tap_map.axes;
        if axes.iter().all(|axis| axis.divisor == 1) || gemm.positions * gemm.depth == 0 {
            return None;
        }
        let apart = axes.map(|axis| axis.divisor as usize);
        let taps: usize = gemm.tap_map.kernel.iter().product();
        let channels = gemm.depth / taps;
        let (mut classes, mut weights_len) = (Vec::new(), 0);
        // Remainders that there are: a step may be larger than the whole result.
        let there: [usize; 3] = std::array::from_fn(|axis| apart[axis].min(gemm.tap_map.to[axis]));
        for i in 0..there.iter().product() {
            let first = [i / (there[1] * there[2]), i / there[2] % there[1], i % there[2]];
            let Some(taps) = taps_of(&gemm.tap_map, first) else {
                continue;
            };
            let tap_map = meeting_of(&gemm.tap_map, first, taps);
            let class = ConvGemm {
                depth: channels * tap_map.kernel.iter().product::<usize>(),
                positions: tap_map.to.iter().product(),
                tap_map,
                ..*gemm
            };
            let direct = Direct::always(&class, widths);
            let strided = StridedPositions {
                whole: gemm.tap_map.to,
                first,
                apart,
            };
            let bf16x3 = Bf16x3Im2col::new(&class, env, Some(strided));
            let weights = weights_len;
            weights_len += class.groups * class.rows * class.depth;
            classes.push(Class {
                first,
                taps,
                gemm: class,
                direct,
                bf16x3,
                weights,
            });
        }
        let gaps = classes.len() < there.iter().product();
        let cleared = match &mut classes[..] {
            [
                Class {
                    bf16x3: Some(bf16x3), ..
                },
            ] => bf16x3.clear(),
            _ => false,
        };
        Some(Subpixel {
            classes,
            apart,
            weights_len,
            gaps,
            cleared,
        })
    }

    /// Elements of work space of one thread: planes, and results of a class.
    fn work_lens(&self) -> (usize, usize) {
        let planes = self.classes.iter().map(|c| c.direct.work_len(&c.gemm));
        let results = self
            .classes
            .iter()
            .map(|c| (c.gemm.rows * c.gemm.positions).next_multiple_of(64));
        (planes.max().unwrap_or(0), results.max().unwrap_or(0))
    }

    /// Bytes of scratch that [`Subpixel::run`] takes.
    pub fn scratch_bytes<T>(&self, threads: usize) -> usize {
        let (planes, results) = self.work_lens();
        let bf16x3 = self.classes.iter().filter_map(|class| class.bf16x3.as_ref());
        scratch_bytes::<T>(self.weights_len)
            + scratch_bytes::<T>((planes + results) * threads)
            + bf16x3.map(|bf16x3| bf16x3.scratch_bytes(threads)).sum::<usize>()
    }

    /// `(x, weights) -> out`; the weights are as the operation was given them.
    pub fn run<T: GemmElement + Plain + LaneDispatch>(
        &self,
        gemm: &ConvGemm,
        args: &Args<'_>,
        x: &[T],
        w: &[T],
        out: &mut [T],
    ) {
        let weights = args.scratch::<T>(self.weights_len);
        {
            let shared = SharedSlice::new(&mut *weights);
            args.pool().run(self.classes.len(), |_, i| {
                let class = &self.classes[i];
                let len = class.gemm.groups * class.gemm.rows * class.gemm.depth;
                // SAFETY: a class's own weights.
                class.take_weights(gemm, w, unsafe {
                    shared.range(class.weights..class.weights + len)
                });
            });
        }
        if self.run_split(args, x, weights, out) {
            return;
        }
        let (planes_len, results_len) = self.work_lens();
        let work_len = planes_len + results_len;
        let work = args.worker_scratch::<T>(work_len);
        let level = args.level();
        let (weights, image_len) = (&*weights, gemm.rows * gemm.positions);
        args.pool().chunks(out, image_len, |worker, image, out| {
            // SAFETY: a worker's own part of the work space.
            let work = unsafe { work.of(worker) };
            let (planes, results) = work.split_at_mut(planes_len);
            if self.gaps {
                out.fill(T::ZERO);
            }
            for class in &self.classes {
                let Class {
                    gemm: class_gemm,
                    direct,
                    ..
                } = class;
                let planes = &mut planes[..direct.work_len(class_gemm)];
                let x = &x[image * class_gemm.plane..][..class_gemm.plane];
                let len = class_gemm.rows * class_gemm.depth;
                let weights = &weights[class.weights + image % class_gemm.groups * len..][..len];
                let results = &mut results[..class_gemm.rows * class_gemm.positions];
                direct.clear(class_gemm, planes);
                direct.image(level, class_gemm, x, weights, results, planes);
                for (results, out) in results
                    .chunks_exact(class_gemm.positions)
                    .zip(out.chunks_exact_mut(gemm.positions))
                {
                    self.scatter(class, &gemm.tap_map, results, out);
                }
            }
        });
    }

    /// The same with matrix instructions. False where a number cannot be split, or a class is too small for it.
    fn run_split<T: GemmElement>(&self, args: &Args<'_>, x: &[T], weights: &[T], out: &mut [T]) -> bool {
        let (Some(x), Some(weights), Some(out)) = (same(x), same(weights), same_mut(out)) else {
            return false;
        };
        if self.classes.iter().any(|class| class.bf16x3.is_none()) {
            return false;
        }
        if self.gaps && !self.cleared {
            args.pool()
                .chunks(out, ZERO_TASK_ELEMENTS, |_, _, out| out.fill(0.0));
        }
        self.classes.iter().all(|class| {
            let bf16x3 = class.bf16x3.as_ref();
            bf16x3.is_some_and(|bf16x3| bf16x3.run(args, x, &weights[class.weights..], out))
        })
    }

    /// A class's results of one plane to their positions.
    fn scatter<T: Copy>(&self, class: &Class, whole: &TapMap, results: &[T], out: &mut [T]) {
        let [_, rows, columns] = class.gemm.tap_map.to;
        for (i, line) in results.chunks_exact(columns).enumerate() {
            let z = class.first[0] + i / rows * self.apart[0];
            let y = class.first[1] + i % rows * self.apart[1];
            let out = &mut out[(z * whole.to[1] + y) * whole.to[2] + class.first[2]..];
            if self.apart[2] == 2 {
                // The last position may be the last of its line.
                let (last, line) = line.split_last().expect("a line has places");
                for (pair, &x) in out.chunks_exact_mut(2).zip(line) {
                    pair[0] = x;
                }
                out[2 * line.len()] = *last;
            } else {
                for (out, &x) in out.iter_mut().step_by(self.apart[2]).zip(line) {
                    *out = x;
                }
            }
        }
    }
}

impl Class {
    /// Its weights (groups, rows, channels, taps) out of all, (groups, channels, rows, taps) if exchanged.
    fn take_weights<T: Copy>(&self, whole: &ConvGemm, w: &[T], out: &mut [T]) {
        let kernel = whole.tap_map.kernel;
        let taps: usize = kernel.iter().product();
        let (rows, channels) = (whole.rows, whole.depth / taps);
        let own: Vec<usize> = (0..self.gemm.tap_map.kernel.iter().product::<usize>())
            .map(|tap| {
                let k = self.gemm.tap_map.kernel;
                let at = [tap / (k[1] * k[2]), tap / k[2] % k[1], tap % k[2]];
                let [z, y, x] = std::array::from_fn(|i| self.taps[i].0 + at[i] * self.taps[i].1);
                (z * kernel[1] + y) * kernel[2] + x
            })
            .collect();
        for (i, out) in out.chunks_exact_mut(own.len()).enumerate() {
            let (group, row, channel) = (i / (rows * channels), i / channels % rows, i % channels);
            let at = if whole.transposed_weights {
                (group * channels + channel) * rows + row
            } else {
                i
            };
            let from = &w[at * taps..][..taps];
            out.iter_mut().zip(&own).for_each(|(out, &tap)| *out = from[tap]);
        }
    }
}

/// The taps at which positions like `first` read something, on each axis; none if there are none on one.
fn taps_of(tap_map: &TapMap, first: [usize; 3]) -> Option<[(usize, usize, usize); 3]> {
    let mut all = [(0, 1, 0); 3];
    for (i, found) in all.iter_mut().enumerate() {
        let axis = &tap_map.axes[i];
        let meets =
            |tap: &usize| (first[i] as isize + *tap as isize * axis.tap + axis.offset) % axis.divisor == 0;
        let mut taps = (0..tap_map.kernel[i]).filter(meets);
        let start = taps.next()?;
        let apart = taps.next().map_or(1, |second| second - start);
        *found = (start, apart, (start..tap_map.kernel[i]).filter(meets).count());
    }
    Some(all)
}

/// What positions like `first` read at those taps, counted among themselves.
fn meeting_of(tap_map: &TapMap, first: [usize; 3], taps: [(usize, usize, usize); 3]) -> TapMap {
    TapMap {
        from: tap_map.from,
        kernel: taps.map(|(_, _, count)| count),
        to: std::array::from_fn(|i| {
            let divisor = tap_map.axes[i].divisor as usize;
            (tap_map.to[i] - first[i]).div_ceil(divisor)
        }),
        axes: std::array::from_fn(|i| {
            let AxisMap {
                tap, offset, divisor, ..
            } = tap_map.axes[i];
            let (start, apart, count) = taps[i];
            AxisMap {
                step: 1,
                // Of a single tap the distance is of no account.
                tap: if count > 1 {
                    apart as isize * tap / divisor
                } else {
                    -1
                },
                offset: (first[i] as isize + start as isize * tap + offset) / divisor,
                divisor: 1,
            }
        }),
    }
}
