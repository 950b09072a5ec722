//! Padded planes split by where a convolution's steps lead: elements that are a step apart become neighbours, so that
//! every place meets its elements as if it moved in steps of 1.

use super::padded::Padded;
use super::shape::Meeting;
use crate::cpu::element::Element;

/// The geometry of padded planes, in as many phases as the steps have residues.
#[derive(Clone, Debug)]
pub(super) struct Phases {
    padded: Padded,
    step: [usize; 3],
    /// Extents of a phase.
    pub extents: [usize; 3],
    /// Whether some tap reads the phase.
    used: Box<[bool]>,
}

impl Phases {
    /// The planes for `meeting`, none of whose divisors is above 1.
    pub fn new(meeting: &Meeting) -> Phases {
        let padded = Padded::new(meeting);
        let step: [usize; 3] = std::array::from_fn(|i| meeting.axes[i].step as usize);
        let mut phases = Phases {
            padded,
            step,
            extents: std::array::from_fn(|i| padded.extents[i].div_ceil(step[i])),
            used: vec![false; step.iter().product()].into(),
        };
        for tap in 0..meeting.kernel.iter().product() {
            let phase = phases.phase(padded.tap_place(tap));
            phases.used[phase] = true;
        }
        phases
    }

    /// Whether the planes are as they are given.
    pub fn are_source(&self) -> bool {
        self.used.len() == 1 && self.padded.is_source()
    }

    /// Elements of all phases of a plane.
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

    /// Where the element at a place of the padded plane lies.
    fn flat(&self, at: [usize; 3]) -> usize {
        let [z, y, x] = std::array::from_fn(|i| at[i] / self.step[i]);
        self.phase(at) * self.phase_size() + (z * self.extents[1] + y) * self.extents[2] + x
    }

    /// How far the element that a place meets at `tap` lies from the place's own offset.
    pub fn tap_offset(&self, tap: usize) -> usize {
        self.flat(self.padded.tap_place(tap))
    }

    /// A place's offset.
    pub fn place_offset(&self, [z, y, x]: [usize; 3]) -> usize {
        (z * self.extents[1] + y) * self.extents[2] + x
    }

    /// Writes one plane after the other.
    pub fn write<T: Element>(&self, planes: &[T], out: &mut [T]) {
        if self.used.len() == 1 {
            self.padded.write(planes, out);
            return;
        }
        let (from, size) = (self.padded.source_size(), self.size());
        out.fill(T::ZERO);
        if from == 0 || size == 0 {
            return;
        }
        let step = self.step[2];
        for (plane, out) in planes.chunks_exact(from).zip(out.chunks_exact_mut(size)) {
            for (source, [z, y, x], count) in self.padded.lines() {
                for first in 0..step.min(count) {
                    let at = [z, y, x + first];
                    if self.used[self.phase(at)] {
                        let from = &plane[source + first..source + count];
                        spread(from, step, &mut out[self.flat(at)..]);
                    }
                }
            }
        }
    }
}

/// Every `step`-th element, side by side.
#[inline(always)]
fn spread<T: Element>(from: &[T], step: usize, out: &mut [T]) {
    let to = &mut out[..from.len().div_ceil(step)];
    if step == 2 {
        let pairs = from.chunks_exact(2);
        if let ([last], Some(to)) = (pairs.remainder(), to.last_mut()) {
            *to = *last;
        }
        to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
    } else {
        to.iter_mut()
            .zip(from.iter().step_by(step))
            .for_each(|(to, &x)| *to = x);
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::AxisMap;
    use super::*;

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
            let meeting = Meeting {
                from: [1, 7, 9],
                kernel: [1, 3, 2],
                to: [1, 3, 4],
                axes: [one, axis, axis],
            };
            let phases = Phases::new(&meeting);
            let planes: Vec<f32> = (0..2 * 63).map(|i| i as f32 + 1.0).collect();
            let mut out = vec![7.0; 2 * phases.size()];
            phases.write(&planes, &mut out);
            for channel in 0..2 {
                for place in 0..12 {
                    let at = [0, place / 4, place % 4];
                    for t in 0..6 {
                        let taps = [0, t / 2, t % 2];
                        let met: Option<Vec<usize>> = (0..3)
                            .map(|i| meeting.axes[i].at(at[i], taps[i], meeting.from[i]))
                            .collect();
                        let expected = met.map_or(0.0, |e| planes[channel * 63 + e[1] * 9 + e[2]]);
                        let found = phases.place_offset(at) + phases.tap_offset(t);
                        assert_eq!(
                            out[channel * phases.size() + found],
                            expected,
                            "{meeting:?} {at:?} {taps:?}"
                        );
                    }
                }
            }
        }
    }
}
