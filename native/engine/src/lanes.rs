//! Sums and extremes of slices of f64, in eight lanes that compilers turn into vectors: the same bytes on every processor.

/// Values worked on side by side.
const LANES: usize = 8;

/// Compiles the body for AVX2 beside what the target guarantees, and picks one at run time.
macro_rules! with_avx2 {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? = $body:ident) => {
        $(#[$doc])*
        $vis fn $name($($arg: $type),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                #[target_feature(enable = "avx2")]
                fn avx2($($arg: $type),*) $(-> $ret)? {
                    $body($($arg),*)
                }
                // SAFETY: the processor has AVX2.
                return unsafe { avx2($($arg),*) };
            }
            $body($($arg),*)
        }
    };
}
pub(crate) use with_avx2;

with_avx2!(
    /// Σ x·y.
    pub fn dot(x: &[f64], y: &[f64]) -> f64 = sum_products
);

/// What `fold` makes of each lane's values, and of the rest of the slices in the first lane.
#[inline(always)]
fn lanes(x: &[f64], y: &[f64], fold: impl Fn(f64, f64, f64) -> f64) -> [f64; LANES] {
    let mut lanes = [0f64; LANES];
    let (x, y) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest = x.remainder().iter().zip(y.remainder());
    for (x, y) in x.zip(y) {
        for (lane, (x, y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane = fold(*lane, *x, *y);
        }
    }
    lanes[0] = rest.fold(lanes[0], |sum, (x, y)| fold(sum, *x, *y));
    lanes
}

/// Σ x·y.
#[inline(always)]
pub fn sum_products(x: &[f64], y: &[f64]) -> f64 {
    lanes(x, y, |sum, x, y| sum + x * y).iter().sum()
}

/// Σ |x|.
#[inline(always)]
pub fn sum_magnitudes(x: &[f64]) -> f64 {
    lanes(x, x, |sum, x, _| sum + x.abs()).iter().sum()
}

/// The largest |x|, of values none of which is NaN; 0 when there are none.
#[inline(always)]
pub fn largest_magnitude(x: &[f64]) -> f64 {
    let most = |x: f64, y: f64| if x > y { x } else { y };
    lanes(x, x, |largest, x, _| most(x.abs(), largest)).into_iter().fold(0.0, most)
}
