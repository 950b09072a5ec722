//! The adjoint in x of a convolution that moves in larger steps. Places of x that leave the same remainders when
//! divided by the steps meet the gradient at the same taps, so each such class of places is a convolution of its own
//! that moves in steps of 1, with some of the taps.

use super::Pass;
use super::direct::Direct;
use super::lanes::Vectors;
use super::pieces::Spread;
use super::shape::{AxisMap, Meeting};
use super::split::Split;
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::{Args, Env, Plain, scratch_bytes};
use crate::cpu::gemm::GemmElement;
use crate::cpu::pool::SharedSlice;

/// Elements that a task sets to 0.
const ZEROS: usize = 1 << 14;

/// A [`Pass`] that divides, as one of each class of places.
pub(super) struct Strided {
    classes: Vec<Class>,
    /// Distance between the places of a class.
    apart: [usize; 3],
    /// Elements of all classes' weights.
    weights_len: usize,
    /// Whether there are places without any tap, and whether they are set to 0 by what computes the others split.
    gaps: bool,
    cleared: bool,
}

/// Places that leave the same remainders.
struct Class {
    first: [usize; 3],
    /// The taps that they meet something at: the first, how far apart, and how many.
    taps: [(usize, usize, usize); 3],
    pass: Pass,
    direct: Direct,
    /// With matrix instructions, where the numbers allow it.
    split: Option<Split>,
    /// Where its weights start.
    weights: usize,
}

impl Strided {
    /// This way, for registers and tiles of `widths`, if the pass divides.
    pub fn new(pass: &Pass, env: &Env, widths: (usize, usize)) -> Option<Strided> {
        let axes = &pass.meeting.axes;
        if axes.iter().all(|axis| axis.divisor == 1) || pass.places * pass.depth == 0 {
            return None;
        }
        let apart = axes.map(|axis| axis.divisor as usize);
        let taps: usize = pass.meeting.kernel.iter().product();
        let channels = pass.depth / taps;
        let (mut classes, mut weights_len) = (Vec::new(), 0);
        // Remainders that there are: a step may be larger than the whole result.
        let there: [usize; 3] = std::array::from_fn(|axis| apart[axis].min(pass.meeting.to[axis]));
        for i in 0..there.iter().product() {
            let first = [i / (there[1] * there[2]), i / there[2] % there[1], i % there[2]];
            let Some(taps) = taps_of(&pass.meeting, first) else {
                continue;
            };
            let meeting = meeting_of(&pass.meeting, first, taps);
            let class = Pass {
                depth: channels * meeting.kernel.iter().product::<usize>(),
                places: meeting.to.iter().product(),
                meeting,
                ..*pass
            };
            let direct = Direct::always(&class, widths);
            let spread = Spread {
                whole: pass.meeting.to,
                first,
                apart,
            };
            let split = Split::new(&class, env, Some(spread));
            let weights = weights_len;
            weights_len += class.groups * class.rows * class.depth;
            classes.push(Class {
                first,
                taps,
                pass: class,
                direct,
                split,
                weights,
            });
        }
        let gaps = classes.len() < there.iter().product();
        let cleared = match &mut classes[..] {
            [
                Class {
                    split: Some(split), ..
                },
            ] => split.clear(),
            _ => false,
        };
        Some(Strided {
            classes,
            apart,
            weights_len,
            gaps,
            cleared,
        })
    }

    /// Elements of work space of one thread: planes, and results of a class.
    fn work_lens(&self) -> (usize, usize) {
        let planes = self.classes.iter().map(|c| c.direct.work_len(&c.pass));
        let results = self
            .classes
            .iter()
            .map(|c| (c.pass.rows * c.pass.places).next_multiple_of(64));
        (planes.max().unwrap_or(0), results.max().unwrap_or(0))
    }

    /// Bytes of scratch that [`Strided::run`] takes.
    pub fn scratch_bytes<T>(&self, threads: usize) -> usize {
        let (planes, results) = self.work_lens();
        let split = self.classes.iter().filter_map(|class| class.split.as_ref());
        scratch_bytes::<T>(self.weights_len)
            + scratch_bytes::<T>((planes + results) * threads)
            + split.map(|split| split.scratch_bytes(threads)).sum::<usize>()
    }

    /// See [`Pass::run`]; the weights are as the operation was given them.
    pub fn run<T: GemmElement + Plain + Vectors>(
        &self,
        pass: &Pass,
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
                let len = class.pass.groups * class.pass.rows * class.pass.depth;
                // SAFETY: a class's own weights.
                class.take_weights(pass, w, unsafe {
                    shared.range(class.weights..class.weights + len)
                });
            });
        }
        if self.run_split(args, x, weights, out) {
            return;
        }
        let (planes_len, results_len) = self.work_lens();
        let work_len = planes_len + results_len;
        let work = SharedSlice::new(args.scratch::<T>(work_len * args.pool().threads()));
        let level = args.level();
        let (weights, image_len) = (&*weights, pass.rows * pass.places);
        args.pool().chunks(out, image_len, |worker, image, out| {
            // SAFETY: a worker's own piece of the work space.
            let work = unsafe { work.range(worker * work_len..(worker + 1) * work_len) };
            let (planes, results) = work.split_at_mut(planes_len);
            if self.gaps {
                out.fill(T::ZERO);
            }
            for class in &self.classes {
                let Class {
                    pass: part, direct, ..
                } = class;
                let planes = &mut planes[..direct.work_len(part)];
                let x = &x[image * part.plane..][..part.plane];
                let len = part.rows * part.depth;
                let weights = &weights[class.weights + image % part.groups * len..][..len];
                let results = &mut results[..part.rows * part.places];
                direct.clear(part, planes);
                direct.image(level, part, x, weights, results, planes);
                for (results, out) in results
                    .chunks_exact(part.places)
                    .zip(out.chunks_exact_mut(pass.places))
                {
                    self.spread(class, &pass.meeting, results, out);
                }
            }
        });
    }

    /// The same with matrix instructions. False where a number cannot be split, or a class is too small for it.
    fn run_split<T: GemmElement>(&self, args: &Args<'_>, x: &[T], weights: &[T], out: &mut [T]) -> bool {
        let (Some(x), Some(weights), Some(out)) = (same(x), same(weights), same_mut(out)) else {
            return false;
        };
        if self.classes.iter().any(|class| class.split.is_none()) {
            return false;
        }
        if self.gaps && !self.cleared {
            args.pool().chunks(out, ZEROS, |_, _, out| out.fill(0.0));
        }
        self.classes.iter().all(|class| {
            let split = class.split.as_ref();
            split.is_some_and(|split| split.run(args, x, &weights[class.weights..], out))
        })
    }

    /// A class's results of one plane to their places.
    fn spread<T: Copy>(&self, class: &Class, whole: &Meeting, results: &[T], out: &mut [T]) {
        let [_, rows, columns] = class.pass.meeting.to;
        for (i, line) in results.chunks_exact(columns).enumerate() {
            let z = class.first[0] + i / rows * self.apart[0];
            let y = class.first[1] + i % rows * self.apart[1];
            let out = &mut out[(z * whole.to[1] + y) * whole.to[2] + class.first[2]..];
            if self.apart[2] == 2 {
                // The last place may be the last of its line.
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
    fn take_weights<T: Copy>(&self, whole: &Pass, w: &[T], out: &mut [T]) {
        let kernel = whole.meeting.kernel;
        let taps: usize = kernel.iter().product();
        let (rows, channels) = (whole.rows, whole.depth / taps);
        let own: Vec<usize> = (0..self.pass.meeting.kernel.iter().product::<usize>())
            .map(|tap| {
                let k = self.pass.meeting.kernel;
                let at = [tap / (k[1] * k[2]), tap / k[2] % k[1], tap % k[2]];
                let [z, y, x] = std::array::from_fn(|i| self.taps[i].0 + at[i] * self.taps[i].1);
                (z * kernel[1] + y) * kernel[2] + x
            })
            .collect();
        for (i, out) in out.chunks_exact_mut(own.len()).enumerate() {
            let (group, row, channel) = (i / (rows * channels), i / channels % rows, i % channels);
            let at = if whole.exchanged {
                (group * channels + channel) * rows + row
            } else {
                i
            };
            let from = &w[at * taps..][..taps];
            out.iter_mut().zip(&own).for_each(|(out, &tap)| *out = from[tap]);
        }
    }
}

/// The taps at which places like `first` meet something, on each axis; none if there are none on one.
fn taps_of(meeting: &Meeting, first: [usize; 3]) -> Option<[(usize, usize, usize); 3]> {
    let mut all = [(0, 1, 0); 3];
    for (i, found) in all.iter_mut().enumerate() {
        let axis = &meeting.axes[i];
        let meets =
            |tap: &usize| (first[i] as isize + *tap as isize * axis.tap + axis.offset) % axis.divisor == 0;
        let mut taps = (0..meeting.kernel[i]).filter(meets);
        let start = taps.next()?;
        let apart = taps.next().map_or(1, |second| second - start);
        *found = (start, apart, (start..meeting.kernel[i]).filter(meets).count());
    }
    Some(all)
}

/// What places like `first` meet at those taps, counted among themselves.
fn meeting_of(meeting: &Meeting, first: [usize; 3], taps: [(usize, usize, usize); 3]) -> Meeting {
    Meeting {
        from: meeting.from,
        kernel: taps.map(|(_, _, count)| count),
        to: std::array::from_fn(|i| {
            let divisor = meeting.axes[i].divisor as usize;
            (meeting.to[i] - first[i]).div_ceil(divisor)
        }),
        axes: std::array::from_fn(|i| {
            let AxisMap {
                tap, offset, divisor, ..
            } = meeting.axes[i];
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
