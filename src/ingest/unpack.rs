//! From the bytes of a request to JSON: bounded, unzipped by what they are and not by what the
//! headers say, taken out of a form where PostHog's clients put them into one.

use std::borrow::Cow;
use std::io::Read;
use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT as BASE64;
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use futures_util::StreamExt;

use crate::decode::{Refusal, Refused};

/// Largest body taken, in bytes, before unzipping and after.
pub const BODY_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// A body must be there within this time.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// How gzip begins.
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// Why a body did not come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It is too large to be taken.
    Refused(Refusal),
    /// The connection broke or was too slow.
    Interrupted,
}

/// Reads a body of at most [`BODY_BYTES_MAX`].
pub(super) async fn read(body: Body) -> Result<Bytes, Broken> {
    tokio::time::timeout(BODY_TIME_MAX, collect(body)).await.unwrap_or(Err(Broken::Interrupted))
}

async fn collect(body: Body) -> Result<Bytes, Broken> {
    let mut chunks = body.into_data_stream();
    let mut first = Bytes::new();
    let mut whole: Vec<u8> = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else { return Err(Broken::Interrupted) };
        if BODY_BYTES_MAX < first.len().max(whole.len()) + chunk.len() {
            return Err(Broken::Refused(too_large()));
        }
        // Most bodies are one chunk, which need not be copied.
        if first.is_empty() && whole.is_empty() {
            first = chunk;
            continue;
        }
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(if whole.is_empty() { first } else { whole.into() })
}

/// Whether the bytes will grow when they are unpacked.
pub(super) fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(&GZIP) || bytes.starts_with(b"data=")
}

/// Unpacks a body, `coding` being what its header says about compression.
pub(super) fn unpack<'b>(bytes: &'b [u8], coding: Option<&str>) -> Result<Cow<'b, [u8]>, Refusal> {
    let bytes = gunzip(Cow::Borrowed(bytes))?;
    let bytes = match bytes.strip_prefix(b"data=") {
        Some(form) => gunzip(from_form(form)?.into())?,
        None => bytes,
    };
    match coding.map(str::trim) {
        // A proxy may have unzipped it and left the header.
        None | Some("" | "identity" | "gzip" | "x-gzip") => Ok(bytes),
        Some(_) if bytes.starts_with(b"{") || bytes.starts_with(b"[") => Ok(bytes),
        Some(coding) => {
            let coding: String = coding.chars().take(20).collect();
            let what = format!("the content encoding `{coding}` is not known: send gzip or none");
            Err(Refusal::new(Refused::Undecodable, what))
        }
    }
}

fn gunzip(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, Refusal> {
    if !bytes.starts_with(&GZIP) {
        return Ok(bytes);
    }
    let mut unzipped = Vec::with_capacity(bytes.len().saturating_mul(4).min(BODY_BYTES_MAX));
    // One byte more than allowed tells a bomb from a body of exactly the bound.
    let limit = u64::try_from(BODY_BYTES_MAX + 1).unwrap_or(u64::MAX);
    let read = MultiGzDecoder::new(&*bytes).take(limit).read_to_end(&mut unzipped);
    if BODY_BYTES_MAX < unzipped.len() {
        return Err(too_large());
    }
    match read {
        Ok(_) => Ok(unzipped.into()),
        Err(_) => Err(Refusal::new(Refused::Undecodable, "the gzip stream is damaged or cut off")),
    }
}

/// The value of `data=`: percent-encoded, and inside mostly base64.
fn from_form(form: &[u8]) -> Result<Vec<u8>, Refusal> {
    let value = form.split(|byte| *byte == b'&').next().unwrap_or_default();
    let decoded = percent_decode(value);
    if decoded.starts_with(b"{") || decoded.starts_with(b"[") {
        return Ok(decoded);
    }
    // A plus that was not percent-encoded has become a space in some clients.
    let restored: Vec<u8> =
        decoded.iter().map(|byte| if *byte == b' ' { b'+' } else { *byte }).collect();
    BASE64.decode(restored).map_err(|_| {
        Refusal::new(Refused::Undecodable, "the form's `data` is neither JSON nor base64")
    })
}

/// Undoes percent-encoding. What is not a valid escape stays as it is.
pub(super) fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        if let [b'%', high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            decoded.push(high * 16 + low);
            rest = after;
        } else {
            decoded.push(*first);
            rest = after;
        }
    }
    decoded
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn too_large() -> Refusal {
    let what = format!("the body has more than {BODY_BYTES_MAX} bytes: send smaller batches");
    Refusal::new(Refused::TooLarge, what)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn a_bomb_is_left_unexploded() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&vec![0; 64 * BODY_BYTES_MAX]).unwrap();
        let bomb = encoder.finish().unwrap();
        let counted = allocation_counter::measure(|| {
            assert_eq!(unpack(&bomb, None).unwrap_err().reason, Refused::TooLarge);
        });
        let most = u64::try_from(5 * BODY_BYTES_MAX).unwrap();
        assert!(counted.bytes_max < most, "{}", counted.bytes_max);
    }

    #[test]
    fn percents_are_undone_and_broken_ones_kept() {
        assert_eq!(percent_decode(b"a%20b%C3%A9+%zz%4"), "a b\u{e9}+%zz%4".as_bytes());
    }
}
