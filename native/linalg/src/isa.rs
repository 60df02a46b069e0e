//! Choosing instruction sets at run time, so that one portable binary uses what the processor has.

/// The instruction sets that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    /// What the target guarantees.
    Baseline,
    /// AVX2 with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2Fma,
}

impl Isa {
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Isa::Avx2Fma;
        }
        Isa::Baseline
    }
}

/// Whether the baseline itself has fused multiply-add.
pub(crate) const BASELINE_FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

/// Defines an unsafe function that runs `body` compiled for the instruction set it is given. `body` is an
/// `#[inline(always)]` unsafe function whose last const parameter says whether multiply-add is fused.
macro_rules! dispatch {
    (
        $(#[$attribute:meta])*
        $vis:vis unsafe fn $name:ident<$T:ident $(, const $C:ident: $U:ty)?>($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? = $body:ident
    ) => {
        $(#[$attribute])*
        $vis unsafe fn $name<$T: $crate::scalar::Scalar $(, const $C: $U)?>(isa: $crate::isa::Isa, $($arg: $type),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2_fma<$T: $crate::scalar::Scalar $(, const $C: $U)?>($($arg: $type),*) $(-> $ret)? {
                // SAFETY: the caller keeps the body's contract.
                unsafe { $body::<$T, $($C,)? true>($($arg),*) }
            }
            // SAFETY: the caller keeps the body's contract, and `Isa::detect` answers only what the processor has.
            unsafe {
                match isa {
                    $crate::isa::Isa::Baseline => $body::<$T, $($C,)? { $crate::isa::BASELINE_FUSED }>($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::isa::Isa::Avx2Fma => avx2_fma::<$T $(, $C)?>($($arg),*),
                }
            }
        }
    };
}
pub(crate) use dispatch;
