//! Targets without matrix instructions: no product is computed by them.

use std::ops::Range;

use super::epilogue::Epilogue;
use super::macro_kernel::Prefetch;
use super::pack::Matrix;
use super::shape::GemmShape;
use crate::cpu::exec::Args;
use crate::cpu::level::Level;

/// No product.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bf16x3 {}

impl Bf16x3 {
    pub fn new(_: GemmShape, _: usize) -> Option<Bf16x3> {
        None
    }

    pub fn consumed_in_tiles(self) -> Option<Bf16x3> {
        match self {}
    }

    pub fn scratch_bytes(&self, _: Level, _: usize) -> usize {
        match *self {}
    }

    pub fn is_full(&self) -> bool {
        match *self {}
    }

    pub fn epilogue_runs_once(&self) -> bool {
        match *self {}
    }

    pub fn tasks_and_columns(&self) -> (usize, usize) {
        match *self {}
    }

    pub fn run(
        &self,
        _: &Args<'_>,
        _: (&[f32], &[f32]),
        _: &mut [f32],
        _: Option<&Epilogue<'_, f32>>,
    ) -> bool {
        match *self {}
    }

    pub fn run_tiles(
        &self,
        _: &Args<'_>,
        _: (&[f32], &[f32]),
        _: &mut [f32],
        _: Prefetch<'_>,
        _: impl Fn(usize, usize, &[f32]) + Sync,
    ) -> bool {
        match *self {}
    }
}

/// See `panels.rs`, of which nothing is called at a level without matrix instructions.
pub(crate) const PANEL_LINES: usize = 32;

pub(crate) fn panels_words(_: usize, _: usize) -> usize {
    0
}

pub(crate) fn pack_rows(
    _: Level,
    _: Matrix<'_, f32>,
    _: Range<usize>,
    _: Range<usize>,
    _: &mut [u32],
) -> bool {
    false
}

pub(crate) fn pack_columns(
    _: Level,
    _: Matrix<'_, f32>,
    _: Range<usize>,
    _: Range<usize>,
    _: &mut [u32],
) -> bool {
    false
}

/// See `places.rs`.
pub(crate) const RECORD_WORDS: usize = 48;
pub(crate) const RECORD_CHANNELS: usize = 32;
pub(crate) const RECORDS_PER_TILE: usize = 16;

pub(crate) fn pack_records(_: Level, _: &[f32], _: usize, _: (usize, usize), _: &mut [u32]) -> bool {
    false
}

/// Nothing that can multiply.
pub(crate) enum TileMultiplier {}

impl TileMultiplier {
    pub fn new(level: Level) -> TileMultiplier {
        unreachable!("{} has matrix instructions", level.name())
    }

    /// # Safety
    /// None is needed: there is no `TileMultiplier`.
    pub unsafe fn product(&self, _: &[u32], _: &[u32], _: *mut f32, _: usize, _: bool) {
        match *self {}
    }

    /// # Safety
    /// None is needed: there is no `TileMultiplier`.
    pub unsafe fn product_of_records<'a>(
        &self,
        _: [*const u32; 2],
        _: usize,
        _: impl Iterator<Item = (usize, &'a [u32])>,
        _: &mut [f32; PANEL_LINES * PANEL_LINES],
    ) {
        match *self {}
    }
}
