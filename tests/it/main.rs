//! The one integration test binary: each module looks at the whole from one side.

#[cfg(test)]
mod tidy;
