//! A written state for another log: positions of the old one mean nothing there.

use minicbor::{Decoder, Encoder};

use super::{Error, VERSION, field};

/// The state without the position of the last input applied to it: every event of the other log is
/// new to the customer. The rest stays byte for byte, known to this catalog or not.
///
/// # Errors
/// When the bytes are no state of a version that is known.
pub fn without_position(state: &[u8]) -> Result<Vec<u8>, Error> {
    let Some((version, body)) = state.split_first() else {
        return Err(Error::Malformed { what: "it is empty".to_owned(), at: 0 });
    };
    if *version != VERSION {
        return Err(Error::Newer(*version));
    }
    let mut from = Decoder::new(body);
    let rewritten = rewritten(&mut from, body);
    let mut moved = rewritten.map_err(|error| Error::Malformed {
        what: error.to_string(),
        at: error.position().unwrap_or_else(|| from.position()),
    })?;
    moved.insert(0, VERSION);
    Ok(moved)
}

fn rewritten(from: &mut Decoder<'_>, body: &[u8]) -> Result<Vec<u8>, minicbor::decode::Error> {
    let between = |start: usize, end: usize| body.get(start..end).unwrap_or_default();
    from.skip()?;
    let names = between(0, from.position());
    let fields =
        from.map()?.ok_or_else(|| minicbor::decode::Error::message("indefinite length"))?;
    let mut kept = Vec::with_capacity(body.len());
    let mut count = 0_u64;
    for _ in 0..fields {
        let start = from.position();
        let number = from.u32()?;
        from.skip()?;
        if number != field::APPLIED {
            kept.extend_from_slice(between(start, from.position()));
            count += 1;
        }
    }
    let mut moved = names.to_vec();
    let written = Encoder::new(&mut moved).map(count).map(|_| ());
    // Writing into memory cannot fail.
    written.unwrap_or_default();
    moved.extend_from_slice(&kept);
    Ok(moved)
}
