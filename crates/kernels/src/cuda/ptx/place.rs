//! Where the elements of a slot are, and the addresses of the elements that a view reads.
//!
//! Positions count elements. They are 32-bit numbers where every position fits in 31 bits, else 64-bit numbers.

use hyperglow_core::DType;
use hyperglow_core::plan::rows::Division;

use super::emitter::{Class, Emitter, Reg};
use crate::steps::walk::{Axis, Reading};

/// Bytes of the widest access.
const ACCESS_BYTES: usize = 16;

/// The memory of a slot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// A whole slot in global memory.
    Global {
        /// The address of its first element.
        base: Reg,
        /// Whether nothing writes it while the kernel runs.
        is_constant: bool,
    },
    /// The current row of a slot.
    Row {
        /// The address of the row's first element.
        base: Reg,
        /// Whether it is in shared memory rather than in global memory.
        is_shared: bool,
        /// The slot's division into rows.
        division: Division,
    },
}

impl Place {
    /// The state space, with the cache operator of loads.
    fn space(self, loads: bool) -> &'static str {
        match self {
            Place::Row { is_shared: true, .. } => "shared",
            Place::Global {
                is_constant: true, ..
            } if loads => "global.nc",
            _ => "global",
        }
    }

    /// Whether nothing writes it while the kernel runs.
    pub fn is_constant(self) -> bool {
        matches!(
            self,
            Place::Global {
                is_constant: true,
                ..
            }
        )
    }

    fn base(self) -> Reg {
        match self {
            Place::Global { base, .. } | Place::Row { base, .. } => base,
        }
    }
}

/// A position: a register, if it is not the same for all elements, and a constant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub variable: Option<Reg>,
    pub fixed: i64,
}

/// Integer arithmetic on positions.
#[derive(Clone, Copy)]
pub(super) struct Positions<'e> {
    pub to: &'e Emitter,
    /// 64 bits rather than 32.
    pub is_wide: bool,
}

impl<'e> Positions<'e> {
    pub fn class(self) -> Class {
        if self.is_wide { Class::B64 } else { Class::B32 }
    }

    fn bits(self) -> u32 {
        if self.is_wide { 64 } else { 32 }
    }

    /// The result of an instruction, of which the mnemonic lacks the number of bits.
    pub fn op(self, name: &str, x: Reg, y: impl std::fmt::Display) -> Reg {
        self.to
            .op(self.class(), &format!("{name}{}", self.bits()), &[&x, &y])
    }

    /// x y + z
    pub fn mad(self, x: Reg, y: i64, z: Reg) -> Reg {
        self.to
            .op(self.class(), &format!("mad.lo.s{}", self.bits()), &[&x, &y, &z])
    }

    /// Whether x < y.
    pub fn is_less(self, x: Reg, y: impl std::fmt::Display) -> Reg {
        self.to
            .op(Class::Pred, &format!("setp.lt.u{}", self.bits()), &[&x, &y])
    }

    /// A 32-bit number as a position.
    pub fn of_narrow(self, x: Reg) -> Reg {
        if self.is_wide {
            self.to.op(Class::B64, "cvt.u64.u32", &[&x])
        } else {
            x
        }
    }

    /// The position in its slot of element `index + ahead` of a view, of `width` elements that are read together; `index` is a
    /// multiple of `width`.
    pub fn of_view(self, reading: &Reading, index: Reg, ahead: usize, width: usize) -> Position {
        match reading {
            Reading::Same(at) => Position {
                variable: None,
                fixed: *at as i64,
            },
            Reading::Straight(at) => Position {
                variable: Some(index),
                fixed: (at + ahead) as i64,
            },
            Reading::Strided(walker) => {
                let (axes, offset) = walker.parts();
                let inner = axes.last().expect("a strided view has an axis");
                // Elements that are read together lie in one line of the innermost axis, if its extent is a multiple of their number.
                let (index, along) = if inner.extent.is_multiple_of(width) {
                    (index, ahead as i64 * inner.stride as i64)
                } else if ahead == 0 {
                    (index, 0)
                } else {
                    (self.op("add.s", index, ahead), 0)
                };
                Position {
                    variable: self.walked(axes, index),
                    fixed: offset as i64 + along,
                }
            }
        }
    }

    /// The sum of coordinates times strides of element `index` of a view.
    fn walked(self, axes: &[Axis], index: Reg) -> Option<Reg> {
        let mut rest = index;
        let mut sum: Option<Reg> = None;
        for (i, axis) in axes.iter().enumerate().rev() {
            let coordinate = if i == 0 {
                rest
            } else {
                let coordinate = self.op("rem.u", rest, axis.extent);
                rest = self.op("div.u", rest, axis.extent);
                coordinate
            };
            sum = match (axis.stride as i64, sum) {
                (0, sum) => sum,
                (1, None) => Some(coordinate),
                (1, Some(sum)) => Some(self.op("add.s", coordinate, sum)),
                (stride, None) => Some(self.op("mul.lo.s", coordinate, stride)),
                (stride, Some(sum)) => Some(self.mad(coordinate, stride, sum)),
            };
        }
        sum
    }

    /// The position within the current row of a position in the whole slot.
    fn in_row(self, position: Position, division: Division, rows: usize, row: Reg) -> Position {
        let Division { segments, len } = division;
        let at = match (position.variable, position.fixed) {
            (Some(at), 0) => at,
            (Some(at), fixed) => self.op("add.s", at, fixed),
            (None, fixed) => self.to.constant(self.class(), fixed),
        };
        let before = self.op("mul.lo.s", row, len);
        let mut within = self.op("sub.s", at, before);
        if segments > 1 {
            let segment = self.op("div.u", at, rows * len);
            within = self.mad(segment, -(((rows - 1) * len) as i64), within);
        }
        Position {
            variable: Some(within),
            fixed: 0,
        }
    }

    /// The address of an element of `size` bytes at a position from `base` on.
    pub fn address(self, base: Reg, position: Position, size: usize) -> String {
        let mut start = base;
        if let Some(at) = position.variable {
            let mnemonic = if self.is_wide {
                "mad.lo.s64"
            } else {
                "mad.wide.s32"
            };
            start = self.to.op(Class::B64, mnemonic, &[&at, &size, &base]);
        }
        let bytes = position.fixed * size as i64;
        match i32::try_from(bytes) {
            Ok(0) => format!("[{start}]"),
            Ok(bytes) => format!("[{start}+{bytes}]"),
            Err(_) => format!("[{}]", self.to.op(Class::B64, "add.s64", &[&start, &bytes])),
        }
    }
}

/// The current row: how many there are, and its number.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub rows: usize,
    pub number: Reg,
}

/// Loads and stores.
#[derive(Clone, Copy)]
pub(super) struct Access<'e> {
    pub positions: Positions<'e>,
    /// In a row group.
    pub row: Option<Row>,
}

impl Access<'_> {
    fn address(self, place: Place, position: Position, size: usize) -> String {
        let position = match (place, self.row) {
            (Place::Row { division, .. }, Some(row)) => {
                self.positions.in_row(position, division, row.rows, row.number)
            }
            _ => position,
        };
        self.positions.address(place.base(), position, size)
    }

    /// Loads `count` neighboring elements; truth values as bytes.
    pub fn load(self, place: Place, dtype: DType, position: Position, count: usize) -> Vec<Reg> {
        let to = self.positions.to;
        let address = self.address(place, position, dtype.size());
        let class = memory_class(dtype);
        let space = place.space(true);
        let mut loaded = Vec::with_capacity(count);
        let each = count.min(ACCESS_BYTES / dtype.size());
        for part in 0..count / each {
            let registers: Vec<Reg> = (0..each).map(|_| to.fresh(class)).collect();
            let address = moved(&address, part * each * dtype.size());
            to.line(format_args!(
                "ld.{space}{}.{} {}, {address}",
                vector(each),
                suffix(dtype),
                group(&registers)
            ));
            loaded.extend(registers);
        }
        loaded
    }

    /// Stores neighboring elements; truth values as bytes.
    pub fn store(self, place: Place, dtype: DType, position: Position, values: &[Reg]) {
        let to = self.positions.to;
        let address = self.address(place, position, dtype.size());
        let space = place.space(false);
        let each = values.len().min(ACCESS_BYTES / dtype.size());
        for (part, values) in values.chunks(each).enumerate() {
            let address = moved(&address, part * each * dtype.size());
            to.line(format_args!(
                "st.{space}{}.{} {address}, {}",
                vector(each),
                suffix(dtype),
                group(values)
            ));
        }
    }
}

/// Whether `width` neighboring elements of a view can be read at once, at an aligned address. Slots are aligned to [`ACCESS_BYTES`].
pub(super) fn is_aligned(reading: &Reading, size: usize, width: usize) -> bool {
    let each = width.min(ACCESS_BYTES / size);
    match reading {
        Reading::Same(_) => false,
        Reading::Straight(at) => at.is_multiple_of(each),
        Reading::Strided(walker) => {
            let (axes, offset) = walker.parts();
            let Some((inner, outer)) = axes.split_last() else {
                return false;
            };
            inner.stride == 1
                && inner.extent.is_multiple_of(width)
                && offset.is_multiple_of(each)
                && outer
                    .iter()
                    .all(|axis| axis.stride.unsigned_abs().is_multiple_of(each))
        }
    }
}

/// The class of a register that holds an element as it is in memory.
pub(super) fn memory_class(dtype: DType) -> Class {
    if dtype == DType::Bool {
        Class::B32
    } else {
        Class::of(dtype)
    }
}

fn suffix(dtype: DType) -> &'static str {
    match dtype {
        DType::U8 | DType::Bool => "u8",
        _ => Class::of(dtype).suffix(),
    }
}

fn vector(count: usize) -> &'static str {
    match count {
        4 => ".v4",
        2 => ".v2",
        _ => "",
    }
}

fn group(registers: &[Reg]) -> String {
    match registers {
        [only] => only.to_string(),
        _ => {
            let names: Vec<String> = registers.iter().map(Reg::to_string).collect();
            format!("{{{}}}", names.join(", "))
        }
    }
}

/// An address, so many bytes further.
fn moved(address: &str, bytes: usize) -> String {
    if bytes == 0 {
        return address.to_string();
    }
    let inside = address.trim_matches(['[', ']']);
    match inside.split_once('+') {
        Some((base, offset)) => {
            let offset: i64 = offset.parse().expect("a constant offset");
            format!("[{base}+{}]", offset + bytes as i64)
        }
        None => format!("[{inside}+{bytes}]"),
    }
}
