//! Singular values of dense matrices, and what is read off them; products and decompositions of whole matrices; linear assignment.

pub mod assignment;
mod band;
mod bidiagonal;
mod chase;
mod control;
mod dense;
pub mod factors;
mod isa;
mod krylov;
pub mod measures;
mod panel;
mod power_law;
mod reflector;
mod scalar;
mod values;

pub use control::{Control, Failure};
pub use krylov::{Top, top};
pub use power_law::{PowerLaw, SMALLEST_EIGENVALUE, power_law};
pub use values::{SingularValues, exact, fast};
