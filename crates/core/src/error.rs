//! The one error type of the Rust side. Each kind becomes a class of its own in TypeScript.

/// What went wrong, in which operation, and how to mend it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}{op}: {message}{}", prefix(scope), sentence(mend))]
pub struct Error {
    /// The class of error.
    pub kind: ErrorKind,
    /// The operation that refused.
    pub op: String,
    /// What was given and what was expected.
    pub message: String,
    /// How to mend it; may be empty.
    pub mend: String,
    /// Where in the model it happened, for instance `model/layers.2`; may be empty.
    pub scope: String,
}

fn prefix(scope: &str) -> String {
    if scope.is_empty() {
        String::new()
    } else {
        format!("[{scope}] ")
    }
}
fn sentence(mend: &str) -> String {
    if mend.is_empty() {
        String::new()
    } else {
        format!("; {mend}")
    }
}

/// The result of anything that can refuse.
pub type Result<T> = std::result::Result<T, Error>;

/// The class of an error; the code is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Extents or axes that do not fit.
    Shape,
    /// Element types that do not fit.
    DType,
    /// A device that is missing or different.
    Device,
    /// Values that are not acceptable, such as an index out of range.
    Data,
    /// An object used in a state that does not allow it, such as after dispose.
    State,
    /// Mathematics without an answer: not positive definite, singular.
    Numerical,
    /// Files.
    Io,
    /// An argument outside its range.
    Argument,
    /// Use of something that was disposed of.
    Disposed,
    /// A mistake of ours.
    Internal,
}

impl ErrorKind {
    /// The stable code, as TypeScript's `error.code`.
    pub const fn code(self) -> &'static str {
        match self {
            ErrorKind::Shape => "SHAPE",
            ErrorKind::DType => "DTYPE",
            ErrorKind::Device => "DEVICE",
            ErrorKind::Data => "DATA",
            ErrorKind::State => "STATE",
            ErrorKind::Numerical => "NUMERICAL",
            ErrorKind::Io => "IO",
            ErrorKind::Argument => "ARGUMENT",
            ErrorKind::Disposed => "DISPOSED",
            ErrorKind::Internal => "INTERNAL",
        }
    }
}

impl Error {
    /// An error of `kind` raised by `op`.
    pub fn new(
        kind: ErrorKind,
        op: impl Into<String>,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) -> Error {
        Error {
            kind,
            op: op.into(),
            message: message.into(),
            mend: mend.into(),
            scope: String::new(),
        }
    }
    /// A [`ErrorKind::Shape`] error.
    pub fn shape(op: impl Into<String>, message: impl Into<String>, mend: impl Into<String>) -> Error {
        Error::new(ErrorKind::Shape, op, message, mend)
    }
    /// A [`ErrorKind::DType`] error.
    pub fn dtype(op: impl Into<String>, message: impl Into<String>, mend: impl Into<String>) -> Error {
        Error::new(ErrorKind::DType, op, message, mend)
    }
    /// A [`ErrorKind::Argument`] error.
    pub fn argument(op: impl Into<String>, message: impl Into<String>, mend: impl Into<String>) -> Error {
        Error::new(ErrorKind::Argument, op, message, mend)
    }
    /// A [`ErrorKind::Internal`] error: a mistake of ours.
    pub fn internal(op: impl Into<String>, message: impl Into<String>) -> Error {
        Error::new(
            ErrorKind::Internal,
            op,
            message,
            "this is a mistake in hyperglow; please report it",
        )
    }
    /// The same error, raised inside `scope`.
    pub fn within(mut self, scope: &str) -> Error {
        if self.scope.is_empty() {
            self.scope = scope.to_string();
        }
        self
    }
}
