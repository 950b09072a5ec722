//! Targets without matrix instructions: no product is computed by them.

use std::ops::Range;

use super::product::Geometry;
use super::region::Warm;
use crate::cpu::exec::Args;

/// No product.
#[derive(Clone, Copy, Debug)]
pub(super) enum Split {}

impl Split {
    pub fn new(_: Geometry, _: usize) -> Option<Split> {
        None
    }

    pub fn in_tiles(self) -> Option<Split> {
        match self {}
    }

    pub fn scratch_bytes(&self, _: usize) -> usize {
        match *self {}
    }

    pub fn run(&self, _: &Args<'_>, _: &[f32], _: &[f32], _: &mut [f32]) -> bool {
        match *self {}
    }

    pub fn run_tiles(
        &self,
        _: &Args<'_>,
        _: (&[f32], &[f32]),
        _: &mut [f32],
        _: Warm<'_>,
        _: impl Fn(usize, usize, Range<usize>, &[f32]) + Sync,
    ) -> bool {
        match *self {}
    }
}
