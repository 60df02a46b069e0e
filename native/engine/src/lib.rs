//! Weight Loupe's engine: reads tensor bytes and answers with aggregates.
//!
//! It is given tensors as expressions over byte ranges of files (`protocol::Expression`), and knows neither checkpoint
//! formats nor what the tensors are for. One file per family of computations; `server` puts them on the wire.

mod aligned;
mod base64;
pub mod blocks;
mod compute;
pub mod context;
mod cpu;
mod decades;
pub mod difference;
pub mod error;
pub mod hash;
pub mod histogram;
mod lanes;
pub mod line_hashes;
pub mod matching;
pub mod merge;
pub mod norms;
pub mod numeric;
pub mod picture;
pub mod protocol;
pub mod relations;
pub mod residual;
pub mod server;
pub mod source;
pub mod spectrum;
pub mod statistics;
pub mod subspaces;
pub mod tensor;
mod tiles;
pub mod values;
pub mod write;
