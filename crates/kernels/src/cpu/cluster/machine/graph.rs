//! What a cluster computes for one vector of elements: values, each made by one operation that is about one
//! instruction. Equal operations are one value.

use hyperglow_core::hash::FastMap;

/// A value's number; operands have smaller ones.
pub(super) type Id = u32;

/// No operand.
pub(super) const NONE: Id = Id::MAX;

/// Kind of a value's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    F32,
    F64,
    I32,
    /// Truth values: a mask register if the processor has mask registers, else 32 equal bits per element.
    Mask,
}

impl Kind {
    /// Bytes of an element in a vector register.
    pub fn size(self) -> usize {
        if self == Kind::F64 { 8 } else { 4 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    /// The bits `imm` in every element.
    Constant,
    /// The same element everywhere: argument `imm` holds it.
    Uniform,
    /// A vector from the [`stream`] `imm`.
    Load,
    /// A vector of bytes from the stream `imm`, converted to i32.
    LoadBytes,
    Add,
    Sub,
    Mul,
    Div,
    /// `a < b ? a : b`.
    Smaller,
    /// `a > b ? a : b`.
    Larger,
    And,
    Or,
    Xor,
    /// `!a & b`.
    AndNot,
    /// `a * b + c`, rounded once.
    Fma,
    Sqrt,
    /// To a whole number, in the way of `imm`: 0 to nearest even, 1 down, 2 up.
    Round,
    /// A mask, by the predicate `imm` of vcmpps.
    Compare,
    /// `a ? b : c`.
    Select,
    /// `a * 2^b`. AVX-512 only, as the next four.
    Scale,
    Exponent,
    Mantissa,
    /// a with the sign of b; c has the sign bit set.
    CopySign,
    /// A mask: i32 that are not 0.
    Test,
    /// All elements true. AVX-512 only.
    True,
    IntAdd,
    IntSub,
    IntMul,
    IntSmaller,
    IntLarger,
    /// A mask.
    IntEqual,
    /// A mask.
    IntGreater,
    /// By `imm` bits.
    ShiftLeft,
    /// By `imm` bits, zeros come in.
    ShiftRight,
    /// i32 to a float.
    FromInt,
    /// A float to i32, towards 0; i32::MIN for numbers out of range.
    ToInt,
    /// Between the floats.
    Convert,
    /// A mask for 64-bit elements from one for 32-bit ones. AVX2 only, as the next.
    Widen,
    Narrow,
    /// Writes a vector to the stream `imm`.
    Store,
    /// Writes a whole vector to the stream `imm`, which is aligned, by a non-temporal store.
    StorePast,
    /// Writes a mask as bytes to the stream `imm`.
    StoreBytes,
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Value {
    pub op: Op,
    pub kind: Kind,
    pub args: [Id; 3],
    pub imm: u64,
}

impl Value {
    /// The operands.
    pub fn operands(&self) -> impl Iterator<Item = Id> + use<> {
        self.args.into_iter().filter(|&id| id != NONE)
    }
}

/// The vector of an argument `ahead` vectors after the loop's current one.
pub(super) fn stream(arg: usize, ahead: usize) -> u64 {
    (ahead << 32 | arg) as u64
}

/// The argument of a [`stream`], and its distance in vectors.
pub(super) fn argument_of(stream: u64) -> (usize, usize) {
    (stream as u32 as usize, (stream >> 32) as usize)
}

/// The values of a cluster.
#[derive(Clone)]
pub(super) struct Graph {
    pub values: Vec<Value>,
    known: FastMap<Value, Id>,
    /// AVX-512 rather than AVX2.
    pub wide: bool,
    /// Elements of a vector.
    pub lanes: usize,
    /// Whether something was asked for that has no machine code.
    pub lacks: bool,
}

impl Graph {
    pub fn new(wide: bool, lanes: usize) -> Graph {
        Graph {
            values: Vec::new(),
            known: FastMap::default(),
            wide,
            lanes,
            lacks: false,
        }
    }

    pub fn value(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }

    pub fn kind(&self, id: Id) -> Kind {
        self.value(id).kind
    }

    /// The value of an operation.
    pub fn add(&mut self, op: Op, kind: Kind, args: &[Id], imm: u64) -> Id {
        let mut all = [NONE; 3];
        all[..args.len()].copy_from_slice(args);
        let value = Value {
            op,
            kind,
            args: all,
            imm,
        };
        if let Some(&id) = self.known.get(&value) {
            return id;
        }
        let id = self.push(value);
        self.known.insert(value, id);
        id
    }

    /// A new value, even if an equal value exists.
    pub fn push(&mut self, value: Value) -> Id {
        self.values.push(value);
        (self.values.len() - 1) as Id
    }

    pub fn constant(&mut self, kind: Kind, bits: u64) -> Id {
        self.add(Op::Constant, kind, &[], bits)
    }

    /// `a ? b : c` on values of a kind.
    pub fn select(&mut self, mask: Id, a: Id, b: Id) -> Id {
        let kind = self.kind(a);
        if kind == Kind::Mask {
            let yes = self.add(Op::And, kind, &[mask, a], 0);
            let no = self.add(Op::AndNot, kind, &[mask, b], 0);
            return self.add(Op::Or, kind, &[yes, no], 0);
        }
        let mask = self.widened(mask, kind);
        self.add(Op::Select, kind, &[mask, a, b], 0)
    }

    /// A mask that fits elements of a kind.
    fn widened(&mut self, mask: Id, kind: Kind) -> Id {
        let value = *self.value(mask);
        match (self.wide, kind, value.op) {
            (false, Kind::F64, Op::Narrow) => value.args[0],
            (false, Kind::F64, _) => self.add(Op::Widen, Kind::F64, &[mask], 0),
            _ => mask,
        }
    }

    /// The mask of a comparison of floats.
    pub fn compare(&mut self, a: Id, b: Id, predicate: u64) -> Id {
        if !self.wide && self.kind(a) == Kind::F64 {
            let broad = self.add(Op::Compare, Kind::F64, &[a, b], predicate);
            return self.add(Op::Narrow, Kind::Mask, &[broad], 0);
        }
        self.add(Op::Compare, Kind::Mask, &[a, b], predicate)
    }

    /// True or false everywhere.
    pub fn truth(&mut self, value: bool) -> Id {
        if !self.wide {
            return self.constant(Kind::Mask, if value { u64::from(u32::MAX) } else { 0 });
        }
        let all = self.add(Op::True, Kind::Mask, &[], 0);
        if value {
            all
        } else {
            self.add(Op::Xor, Kind::Mask, &[all, all], 0)
        }
    }

    pub fn not(&mut self, mask: Id) -> Id {
        let all = self.truth(true);
        self.add(Op::AndNot, Kind::Mask, &[mask, all], 0)
    }

    /// The mask of bytes or i32 that are not 0 (truth values: 0 or 1).
    pub fn test(&mut self, truth: Id) -> Id {
        if self.wide {
            return self.add(Op::Test, Kind::Mask, &[truth], 0);
        }
        let zero = self.constant(Kind::Mask, 0);
        self.add(Op::IntSub, Kind::Mask, &[zero, truth], 0)
    }
}

/// Predicates of vcmpps.
pub(super) mod predicate {
    pub const EQUAL: u64 = 0;
    pub const NOT_EQUAL: u64 = 4;
    pub const LESS: u64 = 0x11;
    pub const LESS_EQUAL: u64 = 0x12;
}
