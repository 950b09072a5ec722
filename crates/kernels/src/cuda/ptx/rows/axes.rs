//! The axes of a reduction within a row.

use hyperglow_core::Shape;
use hyperglow_core::plan::rows::Division;

use crate::cuda::ptx::emitter::Reg;
use crate::cuda::ptx::place::Positions;

/// How the elements of a row are reduced.
pub(super) struct RowAxes {
    /// Segments of a row, and elements of a segment.
    pub segments: usize,
    pub len: usize,
    /// Results of a row, and elements of each.
    pub results: usize,
    pub each: usize,
    /// Whether the elements of each result lie side by side, and results follow each other.
    pub is_contiguous: bool,
    /// Kept and reduced axes: extent, stride.
    kept: Vec<(usize, usize)>,
    reduced: Vec<(usize, usize)>,
}

impl RowAxes {
    /// The reduction of `shape` over `axes`, divided into `rows` rows.
    pub fn new(shape: &Shape, axes: &[usize], rows: usize, division: Division) -> RowAxes {
        let Division { segments, len } = division;
        let dims = shape.dims();
        let mut inside = RowAxes {
            segments,
            len,
            results: 1,
            each: segments * len,
            is_contiguous: true,
            kept: Vec::new(),
            reduced: Vec::new(),
        };
        // Rows in segments are reduced to one element each.
        if segments > 1 {
            return inside;
        }
        let outer = (0..=dims.len()).find(|&p| dims[..p].iter().product::<usize>() == rows);
        let outer = outer.expect("the leading axes make the rows");
        for (i, (&extent, stride)) in dims.iter().zip(shape.strides()).enumerate().skip(outer) {
            match extent {
                1 => {}
                _ if axes.contains(&i) => inside.reduced.push((extent, stride)),
                _ => inside.kept.push((extent, stride)),
            }
        }
        inside.results = inside.kept.iter().map(|axis| axis.0).product();
        inside.each = inside.reduced.iter().map(|axis| axis.0).product();
        let innermost = inside.kept.iter().map(|axis| axis.1).min();
        inside.is_contiguous = innermost.is_none_or(|kept| inside.reduced.iter().all(|axis| axis.1 < kept));
        inside
    }

    /// The position in the row of element `j` of result `k`.
    pub fn position(&self, positions: Positions<'_>, k: Reg, j: Reg) -> Reg {
        let mut sum: Option<Reg> = None;
        for (axes, index) in [(&self.kept, k), (&self.reduced, j)] {
            let mut rest = index;
            for (i, &(extent, stride)) in axes.iter().enumerate().rev() {
                let coordinate = if i == 0 {
                    rest
                } else {
                    positions.op("rem.u", rest, extent)
                };
                rest = if i == 0 {
                    rest
                } else {
                    positions.op("div.u", rest, extent)
                };
                sum = Some(match sum {
                    None => positions.op("mul.lo.s", coordinate, stride),
                    Some(sum) => positions.mad(coordinate, stride as i64, sum),
                });
            }
        }
        sum.expect("a reduction with axes in the row")
    }
}
