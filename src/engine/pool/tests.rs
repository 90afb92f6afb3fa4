//! What a pool counts.
