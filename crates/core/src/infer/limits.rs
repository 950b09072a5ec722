//! Limits of size: small enough that no count of elements or bytes wraps.

use crate::error::{Error, Result};
use crate::shape::Shape;

/// The most elements of a tensor. An empty axis counts as one element here, so that strides stay within it too.
pub const MAX_ELEMENTS: usize = 1 << 40;

/// Refuses shapes of more than [`MAX_ELEMENTS`].
pub(super) fn within_limits(name: &str, shape: &Shape) -> Result<()> {
    let elements = shape
        .dims()
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d.max(1)));
    if elements.is_some_and(|n| n <= MAX_ELEMENTS) {
        return Ok(());
    }
    Err(Error::shape(
        name,
        format!("{shape} has too many elements, expected at most 2^40"),
        "make it in parts, or with smaller extents",
    ))
}

/// Refuses an axis whose positions do not fit int32.
pub(super) fn indexable(name: &str, extent: usize) -> Result<()> {
    if extent <= 1 << 31 {
        return Ok(());
    }
    Err(Error::shape(
        name,
        format!("positions among {extent} elements, expected at most 2^31: they are given as int32"),
        "go through the axis in parts",
    ))
}

#[cfg(test)]
mod tests {
    use crate::dtype::DType;
    use crate::elementwise::BinaryOp;
    use crate::error::ErrorKind;
    use crate::infer::infer;
    use crate::op::{Op, Spec, Window};

    const FAR: usize = 1 << 31;

    fn spec(dims: &[usize]) -> Spec {
        Spec::new(dims, DType::F32)
    }

    fn window(stride: usize, padding: usize, dilation: usize) -> Window {
        Window {
            stride: [stride; 2].into(),
            pad_low: [padding; 2].into(),
            pad_high: [padding; 2].into(),
            dilation: [dilation; 2].into(),
        }
    }

    fn conv(stride: usize, padding: usize, dilation: usize) -> Op {
        Op::Conv {
            window: window(stride, padding, dilation),
            groups: 1,
        }
    }

    /// Whether it is refused for its shape; panics where it is for something else.
    fn refused(op: &Op, inputs: &[&Spec], target: Option<&Spec>) -> bool {
        match infer(op, inputs, target) {
            Ok(_) => false,
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Shape, "{error}");
                true
            }
        }
    }

    #[test]
    fn every_primitive_refuses_a_result_of_too_many_elements() {
        let (column, row, image) = (spec(&[FAR, 1]), spec(&[1, FAR]), spec(&[1, 1, 4, 4]));
        let square = spec(&[FAR, FAR]);
        let pad = |low: usize| Op::Pad {
            low: [low; 2].into(),
            high: [0; 2].into(),
            interior: [low; 2].into(),
        };
        let transposed = Op::ConvInputGrad {
            window: window(FAR, 0, 1),
            groups: 1,
            input: [3 * FAR + 1; 2].into(),
        };
        let (small, endless) = (spec(&[4, 4]), spec(&[usize::MAX, 1]));
        let half = spec(&[1 << 39, 1]);
        let (tap, index) = (spec(&[1, 1, 1, 1]), Spec::new([FAR], DType::I32));
        let cases: [(Op, &[&Spec], Option<&Spec>); 13] = [
            (Op::Input, &[], Some(&square)),
            (Op::constant(1.0), &[], Some(&square)),
            (Op::Iota { axis: 0 }, &[], Some(&square)),
            (Op::Broadcast, &[&row], Some(&square)),
            (Op::MatMul { ta: false, tb: false }, &[&column, &row], None),
            (pad(FAR), &[&small], None),
            (pad(usize::MAX), &[&small], None),
            (Op::Concat { axis: 0 }, &[&half; 3], None),
            (Op::Take { axis: 0 }, &[&row, &index], None),
            (conv(1, FAR, 1), &[&image, &tap], None),
            (conv(1, usize::MAX, 1), &[&image, &tap], None),
            (transposed, &[&image, &tap], None),
            (Op::Reshape, &[&row], Some(&endless)),
        ];
        for (op, inputs, target) in cases {
            assert!(refused(&op, inputs, target), "{op:?}");
        }
    }

    #[test]
    fn what_is_within_the_limit_stays_possible() {
        let half = spec(&[1 << 20, 1 << 20]);
        let add = Op::Binary(BinaryOp::Add);
        assert_eq!(infer(&add, &[&half, &half], None).unwrap(), half);
        assert!(!refused(&Op::Input, &[], Some(&spec(&[0, 3]))));
        // Strides count the other axes of an empty tensor too.
        assert!(refused(&Op::Input, &[], Some(&spec(&[FAR, FAR, 0]))));
    }

    #[test]
    fn places_and_reaches_do_not_wrap() {
        let slice = Op::Slice {
            start: [0].into(),
            step: [1 << 63].into(),
        };
        assert!(refused(&slice, &[&spec(&[8])], Some(&spec(&[3]))));
        // A kernel that reaches 2^64 + 1 elements far does not fit, however it is dilated.
        let (image, taps) = (spec(&[1, 1, 4, 4]), spec(&[1, 1, 3, 3]));
        assert!(refused(&conv(1, 0, 1 << 63), &[&image, &taps], None));
        // The result is small, the padded input is not.
        let pair = spec(&[1, 1, 2, 2]);
        assert!(refused(&conv(1, FAR, 2 * FAR), &[&image, &pair], None));
    }

    #[test]
    fn places_that_int32_cannot_name_are_refused() {
        let long = spec(&[FAR + 1]);
        for op in [
            Op::ArgMax { axis: 0 },
            Op::ArgSort {
                axis: 0,
                descending: false,
            },
        ] {
            assert!(refused(&op, &[&long], None), "{op:?}");
            assert!(!refused(&op, &[&spec(&[FAR])], None), "{op:?}");
        }
        assert!(refused(&Op::UniqueRows, &[&spec(&[FAR + 1, 1])], None));
    }
}
