//! The geometry of a convolution, with three spatial axes (missing ones have extent 1).

use hyperglow_core::Result;
use hyperglow_core::op::{Op, Spec, Window};

use crate::cpu::blocks::within_limits;
use crate::cpu::window::three;

/// x (N, C, in..), w (O, C / groups, k..), y (N, O, out..).
#[derive(Clone, Debug)]
pub(crate) struct ConvShape {
    pub batch: usize,
    pub groups: usize,
    /// Channels of a group.
    pub channels: usize,
    /// Outputs of a group.
    pub outputs: usize,
    pub input: [usize; 3],
    pub kernel: [usize; 3],
    pub output: [usize; 3],
    stride: [usize; 3],
    dilation: [usize; 3],
    pad: [usize; 3],
}

impl ConvShape {
    /// The geometry of the forward convolution of `x` with `w` that gives `y`, whichever of the three `op` computes.
    ///
    /// # Errors
    /// More than three spatial axes; tensors beyond the machine's memory, whose positions are not worth listing.
    pub fn new(op: &Op, window: &Window, groups: usize, x: &Spec, w: &Spec, y: &Spec) -> Result<ConvShape> {
        let name = op.name();
        let spatial = |spec: &Spec| three(name, &spec.shape.dims()[2..], 1);
        for spec in [x, w, y] {
            within_limits(spec.bytes())?;
        }
        let output = spatial(y)?;
        let mut stride = three(name, &window.stride, 1)?;
        for (step, positions) in stride.iter_mut().zip(output) {
            // A single position takes no step, however large.
            if positions <= 1 {
                *step = 1;
            }
        }
        Ok(ConvShape {
            batch: x.shape[0],
            groups,
            channels: x.shape[1] / groups,
            outputs: w.shape[0] / groups,
            input: spatial(x)?,
            kernel: spatial(w)?,
            output,
            stride,
            dilation: three(name, &window.dilation, 1)?,
            pad: three(name, &window.pad_low, 0)?,
        })
    }

    /// The geometry of a convolution whose weights (O, C, k.., out..) are each position's own.
    pub fn local(op: &Op, window: &Window, x: &Spec, w: &Spec, y: &Spec) -> Result<ConvShape> {
        let of_a_place = Spec::new(&w.shape.dims()[..2 + window.rank()], w.dtype);
        ConvShape::new(op, window, 1, x, &of_a_place, y)
    }

    /// Spatial positions of x.
    pub fn input_size(&self) -> usize {
        self.input.iter().product()
    }
    /// Spatial positions of y.
    pub fn output_size(&self) -> usize {
        self.output.iter().product()
    }
    /// Taps of the kernel.
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Which element of x a position of y reads at a tap.
    pub fn forward(&self) -> TapMap {
        TapMap {
            from: self.input,
            kernel: self.kernel,
            to: self.output,
            axes: std::array::from_fn(|i| AxisMap {
                step: self.stride[i] as isize,
                tap: self.dilation[i] as isize,
                offset: -(self.pad[i] as isize),
                divisor: 1,
            }),
        }
    }

    /// Which element of y a position of x reads at a tap.
    pub fn backward(&self) -> TapMap {
        TapMap {
            from: self.output,
            kernel: self.kernel,
            to: self.input,
            axes: std::array::from_fn(|i| AxisMap {
                step: 1,
                tap: -(self.dilation[i] as isize),
                offset: self.pad[i] as isize,
                divisor: self.stride[i] as isize,
            }),
        }
    }
}

/// On one axis, position p reads at tap t the element (p step + t tap + offset) / divisor, if that is whole and there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AxisMap {
    pub step: isize,
    pub tap: isize,
    pub offset: isize,
    pub divisor: isize,
}

impl AxisMap {
    /// The element that `position` reads at `tap`, of `extent`.
    #[inline(always)]
    pub fn at(&self, position: usize, tap: usize, extent: usize) -> Option<usize> {
        let at = position as isize * self.step + tap as isize * self.tap + self.offset;
        if at < 0 {
            return None;
        }
        let mut at = at as usize;
        if self.divisor > 1 {
            let divisor = self.divisor as usize;
            if !at.is_multiple_of(divisor) {
                return None;
            }
            at /= divisor;
        }
        (at < extent).then_some(at)
    }

    /// The first position not before `start` that reads an element at `tap`, the element, how many positions do so
    /// before `end`, and the distances between such positions and between their elements. Either step or divisor is 1.
    #[inline(always)]
    pub fn tap_range(&self, tap: usize, start: usize, end: usize, extent: usize) -> TapRange {
        let shift = tap as isize * self.tap + self.offset;
        let (start, end, extent) = (start as isize, end as isize, extent as isize);
        // The first position with position * step + shift >= 0, for divisors also at a multiple.
        let mut first = start.max(if self.step > 1 {
            (-shift + self.step - 1).div_euclid(self.step)
        } else {
            -shift
        });
        if self.divisor > 1 {
            first += (-(first + shift)).rem_euclid(self.divisor);
        }
        let element = (first * self.step + shift) / self.divisor;
        // Position first + j * divisor reads element + j * step.
        let until_end = (end - first + self.divisor - 1).div_euclid(self.divisor);
        let until_extent = (extent - element + self.step - 1).div_euclid(self.step);
        let count = until_end.min(until_extent).max(0) as usize;
        TapRange {
            position: first as usize,
            element: element as usize,
            count,
            apart: self.divisor as usize,
            step: self.step as usize,
        }
    }
}

/// See [`AxisMap::tap_range`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TapRange {
    pub position: usize,
    pub element: usize,
    pub count: usize,
    /// Between positions.
    pub apart: usize,
    /// Between elements.
    pub step: usize,
}

/// Which elements of one tensor's planes the positions of another's read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TapMap {
    pub from: [usize; 3],
    pub kernel: [usize; 3],
    pub to: [usize; 3],
    pub axes: [AxisMap; 3],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_the_places_that_meet_an_element() {
        for (step, tap, offset, divisor) in [
            (1, 1, -1, 1),
            (2, 1, -1, 1),
            (3, 2, -4, 1),
            (1, -1, 1, 2),
            (1, -2, 3, 3),
            (1, -1, 0, 1),
        ] {
            let map = AxisMap {
                step,
                tap,
                offset,
                divisor,
            };
            for t in 0..4 {
                for extent in [1, 2, 5, 9] {
                    for (start, end) in [(0, 8), (3, 7), (2, 3)] {
                        let expected: Vec<_> = (start..end)
                            .filter_map(|p| map.at(p, t, extent).map(|e| (p, e)))
                            .collect();
                        let s = map.tap_range(t, start, end, extent);
                        let found: Vec<_> = (0..s.count)
                            .map(|j| (s.position + j * s.apart, s.element + j * s.step))
                            .collect();
                        assert_eq!(
                            found, expected,
                            "{map:?} tap {t} extent {extent} from {start} to {end}"
                        );
                    }
                }
            }
        }
    }
}
