//! Element types.

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DType {
    /// 32-bit floating point, the default.
    F32 = 0,
    /// 64-bit floating point.
    F64 = 1,
    /// 32-bit signed integer: indices and labels.
    I32 = 2,
    /// 64-bit signed integer.
    I64 = 3,
    /// Byte: image data.
    U8 = 4,
    /// Truth value, one byte, 0 or 1.
    Bool = 5,
    /// 32-bit unsigned integer: random bits and keys.
    U32 = 6,
}

impl DType {
    /// Every dtype, in the order of its code.
    pub const ALL: [DType; 7] = [
        DType::F32,
        DType::F64,
        DType::I32,
        DType::I64,
        DType::U8,
        DType::Bool,
        DType::U32,
    ];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 | DType::U32 => 4,
            DType::U8 | DType::Bool => 1,
        }
    }

    /// The name used in TypeScript and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::U8 => "uint8",
            DType::Bool => "bool",
            DType::U32 => "uint32",
        }
    }

    /// True for float32 and float64, the only types that carry gradients.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// The dtype with this code, if there is one.
    pub fn from_code(code: u32) -> Option<DType> {
        DType::ALL.get(code as usize).copied()
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
