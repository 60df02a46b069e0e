//! Which elements of a task vector are kept.

use std::cmp::Ordering;
use std::sync::Arc;

use super::arithmetic::{Arithmetic, Real};
use super::philox;
use super::ranks::{Draw, Ranking};
use super::selection::{Edge, Key};

/// Elements that are decided on at once.
const DECIDED: usize = 512;

/// Which elements of τ are kept.
#[derive(Clone, Debug)]
pub enum Mask<A: Arithmetic> {
    All,
    Nothing,
    /// The largest within one boundary but not within the other.
    Largest {
        within: Edge<Key<A>>,
        without: Option<Edge<Key<A>>>,
    },
    /// Magnitudes that are no smaller.
    Beyond(A::Real),
    /// Each by chance: where its word is below.
    Drawn {
        seed: u64,
        below: u32,
    },
    /// Each by chance, by its rank in a line of `length` neighbouring elements; divided by its probability when `inverse`.
    Ranked {
        draw: Draw<A::Real>,
        length: usize,
        inverse: bool,
    },
    /// Those whose bit is set.
    Bits(Arc<[u64]>),
}

impl<A: Arithmetic> Mask<A> {
    /// Elements that are only decided on together.
    pub fn unit(&self) -> u64 {
        match self {
            Self::Ranked { length, .. } => *length as u64,
            _ => 1,
        }
    }

    /// Whether some elements may be kept and others not.
    pub fn divides(&self) -> bool {
        !matches!(self, Self::All | Self::Nothing)
    }

    /// Multiplies those of `values`, from position `first` on, that are not kept by 0.
    #[inline(always)]
    pub fn apply(&self, first: u64, values: &mut [A::Real]) {
        match self {
            Self::All => {}
            Self::Nothing => values.fill(A::Real::ZERO),
            Self::Ranked { draw, length, inverse } => {
                let (mut keys, mut ranking, mut chances) = (Vec::new(), Ranking::default(), Vec::new());
                let mut words = vec![0u32; *length];
                for (first, line) in (first..).step_by(*length).zip(values.chunks_mut(*length)) {
                    keys.clear();
                    keys.extend(line.iter().map(|value| A::key(*value)));
                    draw.chances::<A>(&keys, &mut ranking, &mut chances);
                    draw.words(first, &mut words[..line.len()]);
                    for ((value, chance), word) in line.iter_mut().zip(&chances).zip(&words) {
                        let kept = *value * one_or_zero(Draw::keeps(*chance, *word));
                        *value = if *inverse { kept / *chance } else { kept };
                    }
                }
            }
            _ => {
                // In two steps: of one, where a factor is 1 or 0, compilers make stores under a mask, which are slow.
                let mut factors = [A::Real::ZERO; DECIDED];
                for (first, values) in (first..).step_by(DECIDED).zip(values.chunks_mut(DECIDED)) {
                    let factors = &mut factors[..values.len()];
                    self.factors(first, values, factors);
                    values.iter_mut().zip(factors).for_each(|(value, factor)| *value = *value * *factor);
                }
            }
        }
    }

    /// 1 for those of `values`, from position `first` on, that are kept, 0 for the others; where each is decided on by itself.
    #[inline(always)]
    fn factors(&self, first: u64, values: &[A::Real], factors: &mut [A::Real]) {
        match self {
            Self::All | Self::Nothing | Self::Ranked { .. } => {}
            Self::Largest { within, without } => {
                largest::<A>(values, first, *within, factors, |factor, found| *factor = one_or_zero(found));
                if let Some(without) = without {
                    largest::<A>(values, first, *without, factors, |factor, found| {
                        *factor = *factor * one_or_zero(!found)
                    });
                }
            }
            Self::Beyond(cut) => {
                // NaN is beyond.
                let cut = *cut;
                let beyond = |value: &A::Real| value.abs().partial_cmp(&cut) != Some(Ordering::Less);
                factors.iter_mut().zip(values).for_each(|(factor, value)| *factor = one_or_zero(beyond(value)));
            }
            Self::Drawn { seed, below } => {
                let mut words = [0u32; DECIDED];
                philox::fill(*seed, first, &mut words[..values.len()]);
                let below = *below;
                factors.iter_mut().zip(&words).for_each(|(factor, word)| *factor = one_or_zero(*word < below));
            }
            Self::Bits(bits) => {
                let bit = |position: u64| bits[(position / 64) as usize] >> (position % 64) & 1 == 1;
                let factors = factors.iter_mut().enumerate();
                factors.for_each(|(index, factor)| *factor = one_or_zero(bit(first + index as u64)));
            }
        }
    }
}

/// Gives `set` each factor and whether its value, from position `first` on, is among the largest within a boundary.
#[inline(always)]
fn largest<A: Arithmetic>(
    values: &[A::Real],
    first: u64,
    edge: Edge<Key<A>>,
    factors: &mut [A::Real],
    set: impl Fn(&mut A::Real, bool),
) {
    let ahead = edge.before.saturating_sub(first).min(values.len() as u64) as u32;
    for (index, (factor, value)) in factors.iter_mut().zip(values).enumerate() {
        let key = A::key(*value);
        set(factor, (key > edge.key) | ((key == edge.key) & ((index as u32) < ahead)));
    }
}

#[inline(always)]
fn one_or_zero<R: Real>(one: bool) -> R {
    if one { R::ONE } else { R::ZERO }
}
