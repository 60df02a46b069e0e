//! Weight Loupe engine.
