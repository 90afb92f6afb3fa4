//! Asks the processor for what a step will read, before its turn comes: memory of a customer who was
//! not there lately is far away, and many can be on their way at once.
//!
//! To be asked for in three rounds, each a few customers ahead of the next: what a state is, what it
//! points at, and what that points at. Nothing is waited for, and nothing depends on it.

use prefetch_index::prefetch_index;
use thin_vec::ThinVec;

use super::customer::CustomerState;

/// Bytes that come at once.
const LINE: usize = 64;
/// What a list keeps in front of its entries: how many they are.
const HEAD: usize = 16;

/// The state itself.
pub fn state(state: &CustomerState) {
    lines(std::ptr::from_ref(state).addr(), size_of::<CustomerState>());
}

/// The lists it points at: as much of each as most customers have.
pub fn lists(state: &CustomerState) {
    lines(state.recent.address(), 3 * LINE);
    list(&state.traits, 2);
    list(&state.series, 2);
    list(&state.timers, 1);
    list(&state.progress, 1);
    list(&state.ledger, 1);
}

/// What the lists point at.
pub fn history(state: &CustomerState) {
    for (_, series) in &state.series {
        lines(series.address(), 1);
    }
}

fn list<T>(list: &ThinVec<T>, count: usize) {
    lines(list.as_ptr().addr().wrapping_sub(HEAD), count * LINE);
}

/// Asks for the lines in which so many bytes lie.
fn lines(address: usize, bytes: usize) {
    static HERE: [u8; 1] = [0];
    let here = HERE.as_ptr().addr();
    let first = address & !(LINE - 1);
    for line in (first..address.wrapping_add(bytes)).step_by(LINE) {
        prefetch_index(HERE.as_slice(), line.wrapping_sub(here));
    }
}
