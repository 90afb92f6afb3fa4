//! Memory for messages on their way to an owner: cut from large pieces, because one thread takes it and
//! another gives it back, message by message.

use bytes::{Bytes, BytesMut};

/// Bytes of a piece. What is cut from it keeps all of it, so each owner has pieces of its own, and
/// what waits for one that rests keeps nobody else's.
const PIECE: usize = 64 * 1_024;

/// The piece that is being cut.
#[derive(Debug, Default)]
pub(super) struct Arena(BytesMut);

impl Arena {
    /// A copy of some bytes.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.is_empty() {
            return Bytes::new();
        }
        // A large one would take the rest of a piece with it.
        if PIECE / 8 < bytes.len() {
            return Bytes::copy_from_slice(bytes);
        }
        if self.0.capacity() < bytes.len() {
            self.0 = BytesMut::with_capacity(PIECE);
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_copy_is_what_it_was_made_of() {
        let mut arena = Arena::default();
        let all: Vec<Vec<u8>> =
            (0..40_000_usize).map(|n| vec![u8::try_from(n % 251).unwrap(); n % 97]).collect();
        let large = [vec![1; PIECE / 8 + 1], vec![2; PIECE + 1]];
        let copies: Vec<Bytes> = all.iter().chain(&large).map(|one| arena.copy(one)).collect();
        assert!(all.iter().chain(&large).eq(copies.iter()));
    }
}
