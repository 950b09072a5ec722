//! The kernel of a row group: a warp a row, four rows a block, or a block a row if a row is long. The steps of the group follow each
//! other, with a barrier after each. Private slots are in shared memory if those of all rows of a block fit, else in global memory of
//! the block.
//!
//! [`team`] is the threads of a row, [`memory`] their private slots, [`reduce`] and [`reducer`] the reductions. [`axes`] finds the
//! elements of a reduction in its row.

mod axes;
mod memory;
mod reduce;
mod reducer;
mod team;

use hyperglow_core::op::Op;
use hyperglow_core::plan::rows::{Division, RowGroup};
use hyperglow_core::plan::{Cluster, Program, SlotId, StepKind};
use hyperglow_core::{Error, Result};

use self::axes::RowAxes;
use self::memory::TeamMemory;
use self::reduce::{Reduction, Segments, parts};
use self::reducer::Reducer;
use self::team::{Team, WARP, teams};
use super::KernelText;
use super::body::Body;
use super::cluster::{needs_wide_positions, parameter};
use super::emitter::{Class, Emitter, Reg};
use super::place::{Access, Place, Position, Positions, Row};
use crate::steps::check::readings;
use crate::steps::group_program::GroupProgram;

/// Elements of a row for each warp of a team.
const WARP_ELEMENTS: usize = 1024;
/// Most warps of a team.
const MOST_WARPS: usize = 8;
/// Bytes of a part of a reduction, at most.
const PART_BYTES: usize = 8;
/// Bytes of shared memory that every GPU gives a block.
const SHARED_BYTES: usize = 48 << 10;

/// Whether the step can be part of a kernel that [`rows`] writes: clusters and reductions; not pooling.
pub fn has_row_code(step: &StepKind) -> bool {
    match step {
        StepKind::Cluster(_) => true,
        StepKind::Op { op, .. } => matches!(op, Op::Reduce { .. }),
    }
}

/// The kernel of a row group.
///
/// # Errors
/// Groups with a step for which [`has_row_code`] is false; internal ones, for an invalid plan.
pub fn rows(program: &Program, group: &RowGroup, name: &str) -> Result<KernelText> {
    let local = GroupProgram::of(program, group);
    if !local.is_disjoint() {
        return Err(Error::internal(
            "rows",
            "a row group writes a slot that shares memory with another of its slots",
        ));
    }
    if let Some(step) = local.steps.iter().find(|step| !has_row_code(&step.kind)) {
        return Err(
            Error::internal("rows", "a row group with pooling has no kernel text").within(&step.scope),
        );
    }
    Kernel::new(&local)?.write(name)
}

/// What is known before the text is written.
struct Kernel<'a> {
    local: &'a GroupProgram,
    /// Slots of the parameters.
    parameters: Vec<SlotId>,
    warps: usize,
    memory: TeamMemory,
    is_shared: bool,
    is_wide: bool,
}

impl<'a> Kernel<'a> {
    fn new(local: &'a GroupProgram) -> Result<Kernel<'a>> {
        let longest = local
            .divisions
            .iter()
            .map(|d| d.segments * d.len)
            .max()
            .unwrap_or(1);
        let warps = longest.div_ceil(WARP_ELEMENTS).clamp(1, MOST_WARPS);
        let parts = local
            .steps
            .iter()
            .zip(&local.divisions)
            .filter_map(|(step, &division)| match &step.kind {
                StepKind::Op {
                    op: Op::Reduce { axes, .. },
                    inputs,
                    ..
                } => Some(parts(
                    &RowAxes::new(&inputs[0].1.shape, axes, local.rows, division),
                    warps,
                )),
                _ => None,
            });
        let part_bytes = parts.max().unwrap_or(0) * PART_BYTES;
        let memory = TeamMemory::new(local, part_bytes);
        let mut is_wide = local
            .program
            .slots
            .iter()
            .any(|slot| slot.spec.shape.size() > i32::MAX as usize);
        for step in &local.steps {
            if let StepKind::Cluster(cluster) = &step.kind {
                is_wide |= needs_wide_positions(cluster.shape.size(), &readings(cluster, &local.program)?);
            }
        }
        let is_private = |slot: &SlotId| memory.slots[*slot].is_some();
        Ok(Kernel {
            local,
            parameters: (0..local.slots.len()).filter(|slot| !is_private(slot)).collect(),
            warps,
            is_shared: memory.bytes * teams(warps) <= SHARED_BYTES,
            memory,
            is_wide,
        })
    }

    fn write(&self, name: &str) -> Result<KernelText> {
        let emitter = Emitter::default();
        let local = self.local;
        let mut scratch = 0;
        let team_bytes = self.memory.bytes;
        let block_bytes = team_bytes * teams(self.warps);
        let bases: Vec<Reg> = (0..self.parameters.len())
            .map(|i| parameter(&emitter, i))
            .collect();
        let positions = Positions {
            to: &emitter,
            is_wide: self.is_wide,
        };
        let team = Team::new(&emitter, self.warps);
        let special = |name: &str| emitter.op(Class::B32, "mov.u32", &[&name]);
        let (block, blocks) = (special("%ctaid.x"), special("%nctaid.x"));
        let own = match (self.is_shared, team_bytes) {
            (_, 0) => None,
            (true, _) => {
                emitter.take_shared(block_bytes);
                Some(emitter.op(Class::B64, "mov.u64", &[&"row_memory"]))
            }
            (false, _) => {
                scratch = block_bytes;
                let all = parameter(&emitter, self.parameters.len());
                let number = emitter.op(Class::B64, "cvt.u64.u32", &[&block]);
                Some(emitter.op(Class::B64, "mad.lo.s64", &[&number, &block_bytes, &all]))
            }
        };
        let own = own.map(|base| emitter.op(Class::B64, "mad.wide.s32", &[&team.number, &team_bytes, &base]));
        let count = teams(self.warps);
        let first = emitter.op(Class::B32, "mad.lo.s32", &[&block, &count, &team.number]);
        let step = emitter.op(Class::B32, "mul.lo.s32", &[&blocks, &count]);
        let (first, step) = (positions.of_narrow(first), positions.of_narrow(step));
        let mut result = Ok(());
        emitter.count(first, local.rows, step, positions.class(), |number| {
            let row = Row {
                rows: local.rows,
                number,
            };
            let access = Access {
                positions,
                row: Some(row),
            };
            let current = Current {
                kernel: self,
                team,
                access,
                row,
                bases: &bases,
                own,
            };
            result = (0..local.steps.len()).try_for_each(|step| current.step(step));
        });
        result?;
        let slots = self.parameters.iter().map(|&slot| local.slots[slot]).collect();
        Ok(KernelText {
            name: name.to_string(),
            reads_two_over_pi: emitter.reads_two_over_pi(),
            text: emitter.finish(name, self.parameters.len() + usize::from(scratch > 0)),
            slots,
            threads: (self.warps * WARP * count) as u32,
            blocks: local.rows.div_ceil(count),
            scratch,
        })
    }
}

/// The steps on the current row.
#[derive(Clone, Copy)]
struct Current<'a> {
    kernel: &'a Kernel<'a>,
    team: Team<'a>,
    access: Access<'a>,
    row: Row,
    bases: &'a [Reg],
    /// The address of the team's memory.
    own: Option<Reg>,
}

impl Current<'_> {
    fn to(&self) -> &Emitter {
        self.team.to
    }

    /// An address in the team's memory.
    fn own(&self, offset: usize) -> Reg {
        let own = self.own.expect("a team with memory");
        self.to().op(Class::B64, "add.s64", &[&own, &offset])
    }

    fn place(&self, slot: SlotId) -> Place {
        let kernel = self.kernel;
        if let (Some(offset), Some((_, division))) = (kernel.memory.slots[slot], kernel.local.written[slot]) {
            return Place::Row {
                base: self.own(offset),
                is_shared: kernel.is_shared,
                division,
            };
        }
        let i = kernel.parameters.iter().position(|&known| known == slot);
        Place::Global {
            base: self.bases[i.expect("a slot of the group")],
            is_constant: kernel.local.written[slot].is_none(),
        }
    }

    /// The code of a step, and a barrier.
    fn step(&self, step: usize) -> Result<()> {
        let local = self.kernel.local;
        let division = local.divisions[step];
        let mut result = Ok(());
        self.to().scope(|| {
            match &local.steps[step].kind {
                StepKind::Cluster(cluster) => result = self.cluster(cluster, division),
                StepKind::Op {
                    op: Op::Reduce { kind, axes },
                    inputs,
                    output,
                    ..
                } => {
                    let (slot, spec) = &inputs[0];
                    let reducer = Reducer::new(self.to(), *kind, spec.dtype);
                    let axes = RowAxes::new(&spec.shape, axes, local.rows, division);
                    self.reduction(reducer, &axes, *slot, *output);
                }
                StepKind::Op { .. } => unreachable!("refused before"),
            }
            self.team.wait();
        });
        result
    }

    fn cluster(&self, cluster: &Cluster, division: Division) -> Result<()> {
        let Division { segments, len } = division;
        let positions = self.access.positions;
        let readings = readings(cluster, &self.kernel.local.program)?;
        let body = Body {
            cluster,
            program: &self.kernel.local.program,
            readings: &readings,
            place: &|slot| self.place(slot),
            access: self.access,
        };
        let uniforms = vec![None; readings.len()];
        let thread = positions.of_narrow(self.team.thread);
        let first = positions.op("mul.lo.s", self.row.number, len);
        self.to()
            .count(thread, segments * len, self.team.size(), positions.class(), |e| {
                let mut index = positions.op("add.s", e, first);
                if segments > 1 {
                    let segment = positions.op("div.u", e, len);
                    index = positions.mad(segment, ((self.row.rows - 1) * len) as i64, index);
                }
                body.write(index, 1, &uniforms);
            });
        Ok(())
    }

    fn reduction(&self, reducer: Reducer<'_>, axes: &RowAxes, from: SlotId, to: SlotId) {
        let positions = self.access.positions;
        let dtype = |slot: SlotId| self.kernel.local.program.slots[slot].spec.dtype;
        let load = |at: Reg| {
            let position = Position {
                variable: Some(at),
                fixed: 0,
            };
            self.access.load(self.place(from), dtype(from), position, 1)[0]
        };
        let reduction = Reduction {
            team: self.team,
            reducer,
            positions,
        };
        let results = axes.results;
        let store = |k: Reg, value: Reg| {
            let first = positions.op("mul.lo.s", self.row.number, results);
            let position = Position {
                variable: Some(positions.op("add.s", first, k)),
                fixed: 0,
            };
            self.access.store(self.place(to), dtype(to), position, &[value]);
        };
        self.reduced(&reduction, axes, &load, &store);
    }

    /// Computes the results of a reduction, by as many threads as its form allows.
    fn reduced(
        &self,
        reduction: &Reduction<'_>,
        axes: &RowAxes,
        load: &dyn Fn(Reg) -> Reg,
        store: &dyn Fn(Reg, Reg),
    ) {
        let (team, positions) = (self.team, self.access.positions);
        let class = positions.class();
        let first = positions.op("mul.lo.s", self.row.number, axes.len);
        let zero = self.to().constant(class, 0);
        let RowAxes { results, each, .. } = *axes;
        let start = |k: Reg| positions.op("add.s", first, positions.op("mul.lo.s", k, each));
        let parts = parts(axes, team.warps);
        if parts > 0 {
            let value = self.of_team(reduction, axes, load, (first, parts));
            team.only(team.thread, 0, || store(zero, value));
        } else if !axes.is_contiguous {
            let thread = positions.of_narrow(team.thread);
            self.to().count(thread, results, team.size(), class, |k| {
                let load = |j: Reg| load(positions.op("add.s", first, axes.position(positions, k, j)));
                store(k, reduction.of_blocks(&load, zero, each));
            });
        } else if each < WARP {
            let thread = positions.of_narrow(team.thread);
            self.to().count(thread, results, team.size(), class, |k| {
                store(k, reduction.of_few(load, start(k), each));
            });
        } else {
            let warp = positions.of_narrow(team.warp);
            self.to().count(warp, results, team.warps, class, |k| {
                let value = reduction.of_warp(load, start(k), each);
                team.only(team.lane, 0, || store(k, value));
            });
        }
    }

    /// The result of a row that all warps of the team reduce: right in its first thread.
    fn of_team(
        &self,
        reduction: &Reduction<'_>,
        axes: &RowAxes,
        load: &dyn Fn(Reg) -> Reg,
        (first, count): (Reg, usize),
    ) -> Reg {
        let dtype = reduction.reducer.lane_dtype();
        let part = |number: Reg| Position {
            variable: Some(self.access.positions.of_narrow(number)),
            fixed: 0,
        };
        let parts = self.parts();
        let save = |number: Reg, lane: Reg| self.plain().store(parts, dtype, part(number), &[lane]);
        if axes.segments > 1 {
            let segments = Segments {
                count: axes.segments,
                len: axes.len,
                stride: axes.len * self.row.rows,
            };
            reduction.save_segments(load, first, segments, &save);
        } else {
            reduction.save_blocks(load, first, axes.each, &save);
        }
        reduction.of_parts(count, &|number| {
            self.plain().load(parts, dtype, part(number), 1)[0]
        })
    }

    /// Access to what is no slot of rows.
    fn plain(&self) -> Access<'_> {
        Access {
            positions: self.access.positions,
            row: None,
        }
    }

    /// The place of the parts of a reduction.
    fn parts(&self) -> Place {
        Place::Row {
            base: self.own(self.kernel.memory.parts),
            is_shared: self.kernel.is_shared,
            division: Division { segments: 1, len: 1 },
        }
    }
}
