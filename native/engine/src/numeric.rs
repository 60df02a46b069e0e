//! Numbers that survive JSON.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Largest integer that no other integer shares its double with.
const EXACT: i128 = (1 << 53) - 1;

/// A number as the protocol writes it: `"NaN"`, `"Infinity"`, `"-Infinity"` as strings, integers beyond 2^53 as decimal
/// strings, everything else as a JSON number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Numeric {
    /// A double.
    Float(f64),
    /// An exact integer.
    Integer(i128),
}

impl Numeric {
    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Float(value) => value,
            Self::Integer(value) => value as f64,
        }
    }
}

impl From<f64> for Numeric {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl Serialize for Numeric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Float(value) if value.is_nan() => serializer.serialize_str("NaN"),
            Self::Float(f64::INFINITY) => serializer.serialize_str("Infinity"),
            Self::Float(f64::NEG_INFINITY) => serializer.serialize_str("-Infinity"),
            Self::Float(value) => serializer.serialize_f64(value),
            Self::Integer(value) if (-EXACT..=EXACT).contains(&value) => serializer.serialize_i64(value as i64),
            Self::Integer(value) => serializer.collect_str(&value),
        }
    }
}

impl<'de> Deserialize<'de> for Numeric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Numeric;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\", \"-Infinity\" or a decimal string")
            }

            fn visit_f64<E>(self, value: f64) -> Result<Numeric, E> {
                Ok(Numeric::Float(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Numeric, E> {
                Ok(Numeric::Integer(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Numeric, E> {
                Ok(Numeric::Integer(value.into()))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Numeric, E> {
                match value {
                    "NaN" => Ok(Numeric::Float(f64::NAN)),
                    "Infinity" => Ok(Numeric::Float(f64::INFINITY)),
                    "-Infinity" => Ok(Numeric::Float(f64::NEG_INFINITY)),
                    _ => value
                        .parse()
                        .map(Numeric::Integer)
                        .map_err(|_| E::invalid_value(de::Unexpected::Str(value), &self)),
                }
            }
        }
        deserializer.deserialize_any(Any)
    }
}
