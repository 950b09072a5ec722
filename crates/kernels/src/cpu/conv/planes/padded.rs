//! Planes with their padding written out, so that every position of a convolution reads its elements at fixed
//! distances.

use crate::cpu::conv::shape::TapMap;
use crate::cpu::element::Element;

/// The geometry of padded planes for a convolution that moves in steps of 1 or more over `from`.
#[derive(Clone, Copy, Debug)]
pub(in crate::cpu::conv) struct Padded {
    from: [usize; 3],
    /// Extents with padding, just what the positions reach.
    pub extents: [usize; 3],
    /// Zeros before the first element; elements are left out where it is negative.
    pub low: [isize; 3],
    /// Whether taps go backwards.
    reversed: bool,
    kernel: [usize; 3],
    tap: [usize; 3],
    step: [usize; 3],
}

impl Padded {
    /// The planes for `tap_map`, none of whose divisors is above 1.
    pub fn new(tap_map: &TapMap) -> Padded {
        let TapMap {
            from,
            kernel,
            to,
            axes,
        } = *tap_map;
        let reversed = axes.iter().any(|axis| axis.tap < 0);
        let tap = std::array::from_fn(|i| axes[i].tap.unsigned_abs());
        let step = std::array::from_fn(|i| axes[i].step as usize);
        let reach = |i: usize| tap[i] * kernel[i].saturating_sub(1);
        Padded {
            from,
            extents: std::array::from_fn(|i| to[i].saturating_sub(1) * step[i] + reach(i) + 1),
            // Backwards, the first position reads its earliest element at the last tap.
            low: std::array::from_fn(|i| {
                if reversed {
                    reach(i) as isize - axes[i].offset
                } else {
                    -axes[i].offset
                }
            }),
            reversed,
            kernel,
            tap,
            step,
        }
    }

    /// Whether nothing is added or left out.
    pub fn is_source(&self) -> bool {
        self.low == [0; 3] && self.extents == self.from
    }

    /// Elements of a plane without padding.
    pub fn source_size(&self) -> usize {
        self.from.iter().product()
    }

    /// Elements of a padded plane.
    pub fn size(&self) -> usize {
        self.extents.iter().product()
    }

    /// How far the element that a position reads at `tap` (a flat number) lies from the one at the earliest tap.
    pub fn tap_offset(&self, tap: usize) -> usize {
        self.flat(self.tap_position(tap))
    }

    /// The same on each axis.
    pub fn tap_position(&self, tap: usize) -> [usize; 3] {
        let k = self.kernel;
        let taps = [tap / (k[1] * k[2]), tap / k[2] % k[1], tap % k[2]];
        let at = |i: usize| {
            self.tap[i]
                * if self.reversed {
                    k[i] - 1 - taps[i]
                } else {
                    taps[i]
                }
        };
        [at(0), at(1), at(2)]
    }

    /// Where the element that a position of the result reads at the earliest tap lies.
    pub fn position_offset(&self, position: [usize; 3]) -> usize {
        self.flat(std::array::from_fn(|i| position[i] * self.step[i]))
    }

    fn flat(&self, at: [usize; 3]) -> usize {
        (at[0] * self.extents[1] + at[1]) * self.extents[2] + at[2]
    }

    /// The lines of a plane that hold elements: for each the first element of the source, its position in the padded
    /// plane, and their number.
    pub fn lines(&self) -> impl Iterator<Item = (usize, [usize; 3], usize)> {
        let Padded {
            from, extents, low, ..
        } = *self;
        // Elements of the source that lie within the padded extents, on an axis.
        let range = move |i: usize| {
            let first = (-low[i]).max(0);
            let end = (extents[i] as isize - low[i]).min(from[i] as isize);
            (first as usize, end.max(first) as usize)
        };
        let ((z0, z1), (y0, y1), (x0, x1)) = (range(0), range(1), range(2));
        let to = move |i: usize, at: usize| (at as isize + low[i]) as usize;
        (z0..z1).flat_map(move |z| {
            (y0..y1).filter(move |_| x1 > x0).map(move |y| {
                (
                    (z * from[1] + y) * from[2] + x0,
                    [to(0, z), to(1, y), to(2, x0)],
                    x1 - x0,
                )
            })
        })
    }

    /// Writes planes with their padding, channels innermost: position p of channel c goes to `p * stride + c`.
    pub fn write_transposed<T: Element>(
        &self,
        planes: &[T],
        out: &mut [T],
        stride: usize,
        level: crate::cpu::level::Level,
    ) {
        let from = self.from.iter().product::<usize>();
        out.fill(T::ZERO);
        if from == 0 {
            return;
        }
        let channels = planes.len() / from;
        for (source, position, count) in self.lines() {
            let to = &mut out[self.flat(position) * stride..];
            crate::cpu::transpose::transpose(
                level,
                &planes[source..],
                (1, from),
                (count, channels),
                to,
                stride,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::conv::shape::AxisMap;

    /// What a position reads at a tap, found both ways.
    #[test]
    fn padded_planes_hold_what_places_meet() {
        for (step, tap, offset) in [
            (1, 1, -1),
            (1, 2, -3),
            (2, 1, -1),
            (3, 2, 0),
            (1, -1, 1),
            (1, -2, 3),
            (1, -1, 4),
            (1, -1, 0),
        ] {
            let axis = AxisMap {
                step,
                tap,
                offset,
                divisor: 1,
            };
            let tap_map = TapMap {
                from: [3, 5, 4],
                kernel: [1, 3, 2],
                to: [3, 4, 5],
                axes: [
                    AxisMap {
                        step: 1,
                        tap,
                        offset: 0,
                        divisor: 1,
                    },
                    axis,
                    axis,
                ],
            };
            let padded = Padded::new(&tap_map);
            let planes: Vec<f32> = (0..2 * 60).map(|i| i as f32 + 1.0).collect();
            let mut transposed = vec![7.0; 3 * padded.size()];
            padded.write_transposed(&planes, &mut transposed, 3, crate::cpu::level::Level::detect());
            for channel in 0..2 {
                for position in 0..60 {
                    let at = [position / 20, position / 5 % 4, position % 5];
                    for tap in 0..6 {
                        let taps = [0, tap / 2, tap % 2];
                        let met: Option<Vec<usize>> = (0..3)
                            .map(|i| tap_map.axes[i].at(at[i], taps[i], tap_map.from[i]))
                            .collect();
                        let expected =
                            met.map_or(0.0, |e| planes[channel * 60 + (e[0] * 5 + e[1]) * 4 + e[2]]);
                        let found = padded.position_offset(at) + padded.tap_offset(tap);
                        assert_eq!(
                            transposed[found * 3 + channel],
                            expected,
                            "{tap_map:?} {at:?} {taps:?}"
                        );
                    }
                }
            }
        }
    }
}
