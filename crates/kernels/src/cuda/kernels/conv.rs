//! `cu/conv.cu`: convolutions.

use hyperglow_core::op::{Spec, Window};

use super::suffix;
use super::tiles::Tiles;
use super::window;
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{Arg, BLOCK, CudaKernel, Launch};

/// Bytes of `struct Tap`.
const TAP: usize = 32;
/// Channels of a group up to which a thread computes a result, and from which on tiles are large.
const FEW: usize = 8;
const MANY: usize = 48;

/// A convolution (N, C, in..) -> (N, O, out..) with w (O, C / groups, k..); `to` is the result of one of its three forms.
pub(super) struct Conv<'a> {
    pub window: &'a Window,
    pub groups: usize,
    pub x: &'a [usize],
    pub w: &'a [usize],
    pub y: &'a [usize],
    pub to: &'a Spec,
}

impl Conv<'_> {
    fn channels(&self) -> Arg {
        Arg::Ints(
            [self.x[0], self.x[1], self.y[1], self.groups]
                .map(|n| n as i64)
                .into(),
        )
    }
    fn windows(&self) -> Option<Arg> {
        window::words_of(self.window, &self.x[2..], &self.w[2..], &self.y[2..])
    }
    /// Channels of a group: of the input and of the output.
    fn group(&self) -> (usize, usize) {
        (self.w[1], self.w[0] / self.groups)
    }
    fn kernel_size(&self) -> usize {
        self.w[2..].iter().product()
    }

    /// The launch that writes the table of taps to the start of the scratch, and the table's bytes.
    fn taps(&self, channels: usize, backward: bool, weight_step: usize) -> Option<(Launch, usize)> {
        let taps = channels * self.kernel_size();
        let launch = Launch::over(File::Conv, "conv_taps", taps).scratch(0);
        let launch = launch.ints([channels]).arg(self.windows()?).flag(backward);
        Some((launch.ints([weight_step]), (taps * TAP).next_multiple_of(256)))
    }

    /// The convolution, or (backward) its adjoint in x: operands are x or dy, and w.
    pub fn of_elements(&self, backward: bool) -> Option<CudaKernel> {
        if self.to.shape.size() == 0 {
            return Some(CudaKernel::default());
        }
        let (ins, outs) = self.group();
        let (rows, summed) = if backward { (ins, outs) } else { (outs, ins) };
        if rows < FEW {
            let name = format!("conv_direct_{}", suffix(self.to.dtype));
            let launch = Launch::over(File::Conv, name, self.to.shape.size());
            let launch = launch.input(0).input(1).output().arg(self.channels());
            return Some(CudaKernel::of([launch.arg(self.windows()?).flag(backward)]));
        }
        let step = self.kernel_size() * if backward { ins } else { 1 };
        let taps = self.taps(summed, backward, step)?;
        let plane: usize = self.to.shape.dims()[2..].iter().product();
        let terms = summed * self.kernel_size();
        self.tiled("conv", taps, (rows, self.x[0] * plane, terms), |launch| {
            launch.flag(backward)
        })
    }

    /// Its adjoint in w: operands are x and dy.
    pub fn of_weights(&self) -> Option<CudaKernel> {
        if self.to.shape.size() == 0 {
            return Some(CudaKernel::default());
        }
        let (ins, outs) = self.group();
        let columns = ins * self.kernel_size();
        let terms = self.x[0] * self.y[2..].iter().product::<usize>();
        let taps = self.taps(ins, false, self.kernel_size())?;
        // Tiles need a window.
        if outs < FEW || terms == 0 {
            let name = format!("conv_direct_weights_{}", suffix(self.to.dtype));
            let launch = Launch::new(File::Conv, name, self.to.shape.size(), BLOCK)
                .shared(BLOCK as usize * 8)
                .input(0)
                .input(1)
                .output()
                .scratch(0);
            let launch = launch.arg(self.channels()).arg(self.windows()?);
            return Some(CudaKernel::of([taps.0, launch]).scratch(taps.1));
        }
        self.tiled("conv_weights", taps, (outs, columns, terms), |launch| launch)
    }

    /// A product (rows, columns) per group in tiles, which several blocks share where there are few.
    fn tiled(
        &self,
        name: &str,
        (table, bytes): (Launch, usize),
        (rows, columns, terms): (usize, usize, usize),
        with: impl FnOnce(Launch) -> Launch,
    ) -> Option<CudaKernel> {
        let dtype = self.to.dtype;
        let lines = if rows < MANY || columns < MANY { 2 } else { 4 };
        let tiles = Tiles { lines, dtype };
        let blocks = self.groups * tiles.across(rows) * tiles.across(columns);
        let splits = tiles.splits(blocks, terms);
        let launch = tiles.launch(File::Conv, name, blocks * splits, 0);
        let to = if splits == 1 {
            Arg::Output
        } else {
            Arg::Scratch(bytes)
        };
        let launch = launch.input(0).input(1).arg(to).scratch(0);
        let launch = with(launch.arg(self.channels()).arg(self.windows()?)).ints([splits]);
        Some(tiles.with_splits(vec![table, launch], bytes, splits, self.to.shape.size()))
    }
}
