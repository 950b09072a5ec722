//! The threads that compute a row together: a warp, or a whole block.

use crate::cuda::ptx::emitter::{Class, Emitter, Reg};

/// Threads of a warp.
pub(super) const WARP: usize = 32;
/// Teams of a block, if a team is a warp.
const TEAMS: usize = 4;

/// A team.
#[derive(Clone, Copy)]
pub(super) struct Team<'e> {
    pub to: &'e Emitter,
    /// Warps of a team.
    pub warps: usize,
    /// The number of this thread in its team, of its warp in the team, and of the thread in the warp.
    pub thread: Reg,
    pub warp: Reg,
    pub lane: Reg,
    /// The number of this team in its block.
    pub number: Reg,
}

/// Teams of a block.
pub(super) fn teams(warps: usize) -> usize {
    if warps == 1 { TEAMS } else { 1 }
}

impl<'e> Team<'e> {
    pub fn new(to: &'e Emitter, warps: usize) -> Team<'e> {
        let id = to.op(Class::B32, "mov.u32", &[&"%tid.x"]);
        let lane = to.op(Class::B32, "and.b32", &[&id, &(WARP - 1)]);
        let warp = to.op(Class::B32, "shr.u32", &[&id, &5]);
        let zero = to.constant(Class::B32, 0);
        let (thread, warp, number) = if warps == 1 {
            (lane, zero, warp)
        } else {
            (id, warp, zero)
        };
        Team {
            to,
            warps,
            thread,
            warp,
            lane,
            number,
        }
    }

    /// Number of threads.
    pub fn size(self) -> usize {
        self.warps * WARP
    }

    /// Waits for all threads of the team; what each of them wrote before is seen by all after.
    pub fn wait(self) {
        self.to.line(if self.warps == 1 {
            "bar.warp.sync -1"
        } else {
            "bar.sync 0"
        });
    }

    /// The value of the thread `ahead` in the warp. All threads of the warp must run this.
    pub fn shuffled_down(self, value: Reg, ahead: usize) -> Reg {
        let to = self.to;
        let word = |word: Reg| {
            let given = to.fresh(word.class);
            to.line(format_args!(
                "shfl.sync.down.b32 {given}, {word}, {ahead}, 31, -1"
            ));
            given
        };
        if !matches!(value.class, Class::F64 | Class::B64) {
            return word(value);
        }
        let (low, high) = (to.fresh(Class::B32), to.fresh(Class::B32));
        to.line(format_args!("mov.b64 {{{low}, {high}}}, {value}"));
        let (low, high) = (word(low), word(high));
        let both = to.fresh(value.class);
        to.line(format_args!("mov.b64 {both}, {{{low}, {high}}}"));
        both
    }

    /// Writes code that one thread of the team runs, or one of each warp.
    pub fn only(self, number: Reg, is: usize, write: impl FnOnce()) {
        let first = self.to.op(Class::Pred, "setp.eq.s32", &[&number, &is]);
        self.to.when(first, true, write);
    }
}
