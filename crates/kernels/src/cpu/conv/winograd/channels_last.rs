//! Parts of planes with channels innermost, which the transforms read.

use crate::cpu::gemm::GemmElement;
use crate::cpu::level::Level;
use crate::cpu::transpose::transpose;

/// Some lines of a plane of some channels, with zeros where the plane does not reach.
#[derive(Clone, Copy)]
pub(super) struct ChannelsLastLines {
    pub channels: usize,
    /// Channels, rounded up; those beyond the last are zeros.
    pub stride: usize,
    /// Extents of the planes.
    pub from: [usize; 3],
    /// Zeros before the first element.
    pub low: [isize; 3],
    /// Lines and columns of the lines.
    pub extents: [usize; 2],
}

impl ChannelsLastLines {
    /// Elements between lines.
    pub fn line(&self) -> usize {
        self.extents[1] * self.stride
    }

    pub fn len(&self) -> usize {
        self.extents[0] * self.line()
    }

    /// Writes the lines from `first` on of plane `z`, counted with the zeros before. False: there is no such plane.
    pub fn write<T: GemmElement>(
        &self,
        level: Level,
        x: &[T],
        (z, first): (usize, usize),
        out: &mut [T],
    ) -> bool {
        let [depth, height, width] = self.from;
        let z = z as isize - self.low[0];
        if z < 0 || z >= depth as isize {
            return false;
        }
        let plane = z as usize * height * width;
        let (line, stride) = (self.line(), self.stride);
        let out = &mut out[..self.len()];
        if self.channels < stride {
            out.fill(T::ZERO);
        }
        // Columns of the lines that exist.
        let columns = self.extents[1];
        let start = (self.low[2].max(0) as usize).min(columns);
        let end = ((width as isize + self.low[2]).max(start as isize) as usize).min(columns);
        for (i, line) in out.chunks_exact_mut(line).enumerate() {
            let y = (first + i) as isize - self.low[1];
            if y < 0 || y >= height as isize || start == end {
                line.fill(T::ZERO);
                continue;
            }
            line[..start * stride].fill(T::ZERO);
            line[end * stride..].fill(T::ZERO);
            let from = plane + y as usize * width + (start as isize - self.low[2]) as usize;
            transpose(
                level,
                &x[from..],
                (1, depth * height * width),
                (end - start, self.channels),
                &mut line[start * stride..],
                stride,
            );
        }
        true
    }
}
