//! Weight Loupe engine.
fn main() {}
