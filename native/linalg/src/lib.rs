//! Singular values of dense matrices.
