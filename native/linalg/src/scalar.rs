//! The element types that spectra are computed in.

use faer::traits::ComplexField;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`.
pub trait Scalar:
    ComplexField<Real = Self>
    + sealed::Sealed
    + Copy
    + Default
    + PartialOrd
    + Into<f64>
    + Send
    + Sync
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::SubAssign
    + std::ops::MulAssign
    + 'static
{
    /// Additive identity.
    const ZERO: Self;
    /// Multiplicative identity.
    const ONE: Self;
    /// Distance from 1 to the next larger number.
    const EPSILON: Self;
    /// Smallest number with full precision.
    const MIN_POSITIVE: Self;
    /// The name of the arithmetic, for people.
    const NAME: &'static str;

    /// |self|.
    fn magnitude(self) -> Self;
    /// √self.
    fn root(self) -> Self;
    /// `self · factor + addend`: rounded once when `FUSED`, which is slow where the processor lacks the instruction.
    fn multiply_add<const FUSED: bool>(self, factor: Self, addend: Self) -> Self;
}

macro_rules! scalar {
    ($type:ident, $name:literal) => {
        impl Scalar for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: Self = $type::EPSILON;
            const MIN_POSITIVE: Self = $type::MIN_POSITIVE;
            const NAME: &'static str = $name;

            #[inline(always)]
            fn magnitude(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn multiply_add<const FUSED: bool>(self, factor: Self, addend: Self) -> Self {
                if FUSED { self.mul_add(factor, addend) } else { self * factor + addend }
            }
        }
    };
}

scalar!(f32, "f32");
scalar!(f64, "f64");
