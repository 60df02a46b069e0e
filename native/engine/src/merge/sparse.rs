//! Which elements of a task vector are kept.

use std::cmp::Ordering;
use std::sync::Arc;

use super::arithmetic::{Arithmetic, Real};
use super::philox;
use super::ranks::{Draw, Ranking};
use super::selection::{Edge, Key};

/// Elements that words are drawn for at once.
const DRAWN: usize = 512;

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
        let zero_or = |kept: bool| if kept { A::Real::ONE } else { A::Real::ZERO };
        match self {
            Self::All => {}
            Self::Nothing => values.fill(A::Real::ZERO),
            Self::Largest { within, without } => {
                keep_largest::<A>(values, first, *within);
                if let Some(without) = without {
                    leave_largest::<A>(values, first, *without);
                }
            }
            Self::Beyond(cut) => {
                // NaN is beyond.
                let beyond = |value: A::Real| value.abs().partial_cmp(cut) != Some(Ordering::Less);
                values.iter_mut().for_each(|value| *value = *value * zero_or(beyond(*value)));
            }
            Self::Drawn { seed, below } => {
                let mut words = [0u32; DRAWN];
                for (first, values) in (first..).step_by(DRAWN).zip(values.chunks_mut(DRAWN)) {
                    philox::fill(*seed, first, &mut words[..values.len()]);
                    let drawn = values.iter_mut().zip(&words);
                    drawn.for_each(|(value, word)| *value = *value * zero_or(word < below));
                }
            }
            Self::Ranked { draw, length, inverse } => {
                let (mut keys, mut ranking, mut chances) = (Vec::new(), Ranking::default(), Vec::new());
                let mut words = vec![0u32; *length];
                for (first, line) in (first..).step_by(*length).zip(values.chunks_mut(*length)) {
                    keys.clear();
                    keys.extend(line.iter().map(|value| A::key(*value)));
                    draw.chances::<A>(&keys, &mut ranking, &mut chances);
                    draw.words(first, &mut words[..line.len()]);
                    for ((value, chance), word) in line.iter_mut().zip(&chances).zip(&words) {
                        let kept = *value * zero_or(Draw::keeps(*chance, *word));
                        *value = if *inverse { kept / *chance } else { kept };
                    }
                }
            }
            Self::Bits(bits) => {
                for (position, value) in (first..).zip(values) {
                    let kept = bits[(position / 64) as usize] >> (position % 64) & 1 == 1;
                    *value = *value * zero_or(kept);
                }
            }
        }
    }
}

/// How many of `length` values from position `first` on come before position `before`.
#[inline(always)]
fn ahead(first: u64, length: usize, before: u64) -> u32 {
    before.saturating_sub(first).min(length as u64) as u32
}

#[inline(always)]
fn keep_largest<A: Arithmetic>(values: &mut [A::Real], first: u64, edge: Edge<Key<A>>) {
    let ahead = ahead(first, values.len(), edge.before);
    for (index, value) in (0u32..).zip(values) {
        let key = A::key(*value);
        let kept = (key > edge.key) | ((key == edge.key) & (index < ahead));
        *value = *value * if kept { A::Real::ONE } else { A::Real::ZERO };
    }
}

#[inline(always)]
fn leave_largest<A: Arithmetic>(values: &mut [A::Real], first: u64, edge: Edge<Key<A>>) {
    let ahead = ahead(first, values.len(), edge.before);
    for (index, value) in (0u32..).zip(values) {
        let key = A::key(*value);
        let left = (key > edge.key) | ((key == edge.key) & (index < ahead));
        *value = *value * if left { A::Real::ZERO } else { A::Real::ONE };
    }
}
