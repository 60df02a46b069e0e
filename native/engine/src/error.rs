//! What a request can fail with: a code of the protocol and one sentence for people.

use std::fmt;
use std::path::Path;

/// The protocol's error codes (`ErrorCode` in `src/engine/protocol.ts`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// The request names a method that does not exist.
    MethodNotFound = -32601,
    /// The parameters do not have the shape the method needs.
    InvalidParams = -32602,
    /// A defect of the engine.
    Internal = -32603,
    /// The request was cancelled.
    Cancelled = -32800,
    /// The file cannot be opened or read.
    Io = -32001,
    /// The file is shorter than the expression needs.
    Truncated = -32002,
    /// The quantity is not defined for this tensor.
    Undefined = -32003,
    /// The work would need more memory than the engine allows itself.
    TooLarge = -32004,
}

/// A failed request.
#[derive(Clone, Debug)]
pub struct Error {
    /// Which kind of failure.
    pub code: Code,
    /// One sentence: what is wrong and where.
    pub message: String,
    /// The file it concerns.
    pub file: Option<String>,
    /// The byte of that file.
    pub offset: Option<u64>,
}

/// A result whose failure can be answered over the protocol.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `code` that concerns no file.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), file: None, offset: None }
    }

    /// Parameters that cannot be served.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParams, message)
    }

    /// A quantity that does not exist for this tensor.
    pub fn undefined(message: impl Into<String>) -> Self {
        Self::new(Code::Undefined, message)
    }

    /// Work beyond the engine's memory budget.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(Code::TooLarge, message)
    }

    /// The request was cancelled.
    pub fn cancelled() -> Self {
        Self::new(Code::Cancelled, "The request was cancelled.")
    }

    /// The operating system refused `what` ("open", "read" …) on `file`.
    pub fn io(file: &Path, what: &str, error: &std::io::Error) -> Self {
        let name = file.display().to_string();
        let message = format!("Cannot {what} {name}: {error}.");
        Self { code: Code::Io, message, file: Some(name), offset: None }
    }

    /// `file` ends at byte `size`, before the byte `needed` that the tensor reaches to.
    pub fn truncated(file: &Path, needed: u64, size: u64) -> Self {
        let name = file.display().to_string();
        let message = format!(
            "{name} ends at byte {size}, but the tensor reaches to byte {needed}: the file is incomplete or being written."
        );
        Self { code: Code::Truncated, message, file: Some(name), offset: Some(size) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
