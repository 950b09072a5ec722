//! Space to depth: padded planes split into phases, by the remainders that the strides leave. Elements a stride apart
//! become adjacent, so every position reads its elements as if the stride were 1.

use super::padded::Padded;
use super::short_copy::copy as copy_run;
use crate::cpu::conv::lanes::{LaneDispatch, LaneKernel};
use crate::cpu::conv::shape::TapMap;
use crate::cpu::element::Element;
use crate::cpu::gemm::Lanes;
use crate::cpu::level::Level;

/// The geometry of padded planes, split into the phases that some tap reads.
#[derive(Clone, Debug)]
pub(in crate::cpu::conv) struct SpaceToDepth {
    padded: Padded,
    step: [usize; 3],
    /// Extents of a phase.
    pub extents: [usize; 3],
    /// Those phases, in order.
    used: Box<[usize]>,
    /// The lines of a plane that hold elements which some tap reads.
    lines: Box<[Line]>,
}

/// Elements of a line that go side by side, a step apart in the plane as it is given.
#[derive(Clone, Copy, Debug)]
struct Line {
    source: usize,
    position: usize,
    count: usize,
}

impl SpaceToDepth {
    /// The planes for `tap_map`, none of whose divisors is above 1.
    pub fn new(tap_map: &TapMap) -> SpaceToDepth {
        let padded = Padded::new(tap_map);
        let step: [usize; 3] = std::array::from_fn(|i| tap_map.axes[i].step as usize);
        let mut planes = SpaceToDepth {
            padded,
            step,
            extents: std::array::from_fn(|i| padded.extents[i].div_ceil(step[i])),
            used: Box::default(),
            lines: Box::default(),
        };
        let mut used: Vec<usize> = (0..tap_map.kernel.iter().product())
            .map(|tap| planes.phase(padded.tap_position(tap)))
            .collect();
        used.sort_unstable();
        used.dedup();
        planes.used = used.into();
        let mut lines = Vec::new();
        for (source, [z, y, x], count) in padded.lines() {
            for first in 0..step[2].min(count) {
                let at = [z, y, x + first];
                if let Some(position) = planes.flat(at) {
                    let source = source + first;
                    let count = (count - first).div_ceil(step[2]);
                    lines.push(Line {
                        source,
                        position,
                        count,
                    });
                }
            }
        }
        planes.lines = lines.into();
        planes
    }

    /// Whether the planes are as they are given.
    pub fn are_source(&self) -> bool {
        self.step == [1; 3] && self.padded.is_source()
    }

    /// Elements of a plane as it is given.
    pub fn source_size(&self) -> usize {
        self.padded.source_size()
    }

    /// Elements of those phases of a plane that some tap reads.
    pub fn size(&self) -> usize {
        self.used.len() * self.phase_size()
    }

    fn phase_size(&self) -> usize {
        self.extents.iter().product()
    }

    fn phase(&self, at: [usize; 3]) -> usize {
        let [z, y, x] = std::array::from_fn(|i| at[i] % self.step[i]);
        (z * self.step[1] + y) * self.step[2] + x
    }

    /// Where the element at a position of the padded plane lies, if some tap reads its phase.
    fn flat(&self, at: [usize; 3]) -> Option<usize> {
        let [z, y, x] = std::array::from_fn(|i| at[i] / self.step[i]);
        let before = self.used.binary_search(&self.phase(at)).ok()?;
        Some(before * self.phase_size() + (z * self.extents[1] + y) * self.extents[2] + x)
    }

    /// How far the element that a position reads at `tap` lies from the position's own offset.
    pub fn tap_offset(&self, tap: usize) -> usize {
        self.flat(self.padded.tap_position(tap))
            .expect("the phase of a tap is read")
    }

    /// A position's offset.
    pub fn position_offset(&self, [z, y, x]: [usize; 3]) -> usize {
        (z * self.extents[1] + y) * self.extents[2] + x
    }

    /// Writes one plane after the other to where there are zeros, or planes that were written before.
    pub fn write<T: Element + LaneDispatch>(&self, level: Level, planes: &[T], out: &mut [T]) {
        if self.padded.source_size() * self.size() > 0 {
            T::dispatch(
                level,
                Write {
                    layout: self,
                    planes,
                    out,
                },
            );
        }
    }

    /// The elements of a plane as it would be given, from where [`SpaceToDepth::write`] would put them; 0 for those
    /// that no tap reads.
    pub fn read<T: Element>(&self, from: &[T], plane: &mut [T]) {
        plane.fill(T::ZERO);
        let step = self.step[2];
        for &Line {
            source,
            position,
            count,
        } in &self.lines
        {
            let from = &from[position..][..count];
            if step == 1 {
                copy_run(from, &mut plane[source..][..count]);
            } else {
                let to = plane[source..].iter_mut().step_by(step);
                to.zip(from).for_each(|(to, &x)| *to = x);
            }
        }
    }
}

/// See [`SpaceToDepth::write`].
struct Write<'a, T> {
    layout: &'a SpaceToDepth,
    planes: &'a [T],
    out: &'a mut [T],
}

impl<T: Element> LaneKernel<T> for Write<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(self) {
        let (from, size, step) = (self.layout.source_size(), self.layout.size(), self.layout.step[2]);
        for (plane, out) in self
            .planes
            .chunks_exact(from)
            .zip(self.out.chunks_exact_mut(size))
        {
            for &Line {
                source,
                position,
                count,
            } in &self.layout.lines
            {
                let (from, to) = (
                    &plane[source..][..(count - 1) * step + 1],
                    &mut out[position..][..count],
                );
                match step {
                    // SAFETY: the instructions are there, as the caller promises.
                    1 => unsafe { copy::<V>(from, to) },
                    2 => every_second(from, to),
                    _ => to
                        .iter_mut()
                        .zip(from.iter().step_by(step))
                        .for_each(|(to, &x)| *to = x),
                }
            }
        }
    }
}

/// # Safety
/// The processor must have `V`'s instructions.
#[inline(always)]
unsafe fn copy<V: Lanes>(from: &[V::Elem], to: &mut [V::Elem]) {
    let count = to.len();
    assert!(from.len() == count);
    let (from, to) = (from.as_ptr(), to.as_mut_ptr());
    // SAFETY: both have `count` elements; the last register may overlap the one before.
    unsafe {
        if count < V::N {
            let mask = V::first(count);
            V::load_some(from, mask).store_some(to, mask);
            return;
        }
        let mut at = 0;
        while at + V::N < count {
            V::load(from.add(at)).store(to.add(at));
            at += V::N;
        }
        V::load(from.add(count - V::N)).store(to.add(count - V::N));
    }
}

/// Every second element, side by side.
#[inline(always)]
fn every_second<T: Copy>(from: &[T], to: &mut [T]) {
    let pairs = from.chunks_exact(2);
    if let ([last], Some(to)) = (pairs.remainder(), to.last_mut()) {
        *to = *last;
    }
    to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::conv::shape::AxisMap;

    #[test]
    fn phases_hold_what_places_meet() {
        for (step, tap, offset) in [
            (1, 1, -1),
            (2, 1, -1),
            (2, 2, -2),
            (3, 1, 0),
            (3, 2, -4),
            (2, 3, 1),
        ] {
            let axis = AxisMap {
                step,
                tap,
                offset,
                divisor: 1,
            };
            let one = AxisMap {
                step: 1,
                tap: 1,
                offset: 0,
                divisor: 1,
            };
            let tap_map = TapMap {
                from: [1, 7, 9],
                kernel: [1, 3, 2],
                to: [1, 3, 4],
                axes: [one, axis, axis],
            };
            let layout = SpaceToDepth::new(&tap_map);
            let planes: Vec<f32> = (0..2 * 63).map(|i| i as f32 + 1.0).collect();
            let mut out = vec![0.0; 2 * layout.size()];
            layout.write(Level::detect(), &[7.0; 2 * 63], &mut out);
            layout.write(Level::detect(), &planes, &mut out);
            for channel in 0..2 {
                for position in 0..12 {
                    let at = [0, position / 4, position % 4];
                    for t in 0..6 {
                        let taps = [0, t / 2, t % 2];
                        let met: Option<Vec<usize>> = (0..3)
                            .map(|i| tap_map.axes[i].at(at[i], taps[i], tap_map.from[i]))
                            .collect();
                        let expected = met.map_or(0.0, |e| planes[channel * 63 + e[1] * 9 + e[2]]);
                        let found = layout.position_offset(at) + layout.tap_offset(t);
                        assert_eq!(
                            out[channel * layout.size() + found],
                            expected,
                            "{tap_map:?} {at:?} {taps:?}"
                        );
                    }
                }
            }
        }
    }
}
