//! What a caller may say to a computation in flight, and how one ends early.

use std::fmt;

/// How many threads a computation may use, when it must stop, and whom it tells how far it is.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    threads: usize,
    cancelled: &'a (dyn Fn() -> bool + Sync),
    progress: &'a (dyn Fn(f64) + Sync),
}

impl<'a> Control<'a> {
    /// `cancelled` is asked often, from any of the threads; `progress` is told a fraction in [0, 1] that never falls.
    /// Zero `threads` means one.
    pub fn new(threads: usize, cancelled: &'a (dyn Fn() -> bool + Sync), progress: &'a (dyn Fn(f64) + Sync)) -> Self {
        Self { threads: threads.max(1), cancelled, progress }
    }

    /// Uses `threads` threads, runs to the end and reports to nobody.
    pub fn unattended(threads: usize) -> Control<'static> {
        Control::new(threads, &|| false, &|_| {})
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// The same caller for a small step of a larger computation: one thread, no reports.
    pub(crate) fn aside(&self) -> Control<'a> {
        Control { threads: 1, cancelled: self.cancelled, progress: &|_| {} }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        (self.cancelled)()
    }

    /// `Err(Failure::Cancelled)` once the caller has asked to stop.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.is_cancelled() { Err(Failure::Cancelled) } else { Ok(()) }
    }

    pub(crate) fn report(&self, fraction: f64) {
        (self.progress)(fraction);
    }
}

/// Why there are no singular values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The caller asked to stop.
    Cancelled,
    /// The matrix has no rows or no columns.
    Empty,
    /// Some elements are not finite, so that no singular value is defined.
    NotFinite {
        /// How many elements are NaN.
        nan: usize,
        /// How many elements are +∞ or −∞.
        infinite: usize,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Failure::Cancelled => write!(f, "cancelled"),
            Failure::Empty => write!(f, "a matrix without elements has no singular values"),
            Failure::NotFinite { nan, infinite } => {
                write!(f, "the matrix contains ")?;
                if nan > 0 {
                    write!(f, "{nan} NaN")?;
                }
                if nan > 0 && infinite > 0 {
                    write!(f, " and ")?;
                }
                if infinite > 0 {
                    write!(f, "{infinite} infinite")?;
                }
                let values = if nan + infinite == 1 { "value" } else { "values" };
                write!(f, " {values}; singular values are defined for finite matrices only")
            }
        }
    }
}

impl std::error::Error for Failure {}
