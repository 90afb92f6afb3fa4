//! Closes a message for one browser, so that the service between can read nothing of it (RFC 8291,
//! `aes128gcm` of RFC 8188, in one record).

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::error::Unspecified;
use ring::hmac::{HMAC_SHA256, Key, Tag, sign};
use ring::rand::{SecureRandom as _, SystemRandom};

/// Bytes of a public key: a point of P-256, both its coordinates.
pub(super) const PUBLIC_BYTES: usize = 65;
/// Bytes of what only the browser and we know.
pub(super) const AUTH_BYTES: usize = 16;
/// Bytes of a salt.
const SALT_BYTES: usize = 16;
/// Longest record: what services take.
const RECORD_BYTES: u32 = 4_096;
/// Longest message: a record without its head, the mark of its end and the tag.
pub(super) const MESSAGE_BYTES_MAX: usize = 3_993;
/// What ends the last record.
const END: u8 = 2;

/// A browser that a message is closed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receiver {
    pub(super) public: [u8; PUBLIC_BYTES],
    pub(super) auth: [u8; AUTH_BYTES],
}

/// Closes a message, with a key and a salt that are used once.
///
/// # Errors
/// When the browser's key is none.
pub(super) fn seal(receiver: &Receiver, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let random = SystemRandom::new();
    let mut salt = [0; SALT_BYTES];
    random.fill(&mut salt)?;
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &random)?;
    let public = own.compute_public_key()?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, &receiver.public);
    agree_ephemeral(own, &theirs, |secret| {
        record((secret, &salt), (receiver, public.as_ref()), message)
    })?
}

/// One record with its head.
fn record(
    (secret, salt): (&[u8], &[u8; SALT_BYTES]),
    (receiver, public): (&Receiver, &[u8]),
    message: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let (key, nonce) = keys((secret, salt), receiver, public)?;
    let mut closed = [message, &[END]].concat();
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut closed)?;
    let mut whole = salt.to_vec();
    whole.extend(RECORD_BYTES.to_be_bytes());
    whole.push(u8::try_from(public.len()).map_err(|_| Unspecified)?);
    whole.extend(public);
    whole.extend(closed);
    Ok(whole)
}

/// What a record is closed with: by both sides' keys, and what only they know.
pub(super) fn keys(
    (secret, salt): (&[u8], &[u8]),
    receiver: &Receiver,
    public: &[u8],
) -> Result<(LessSafeKey, Nonce), Unspecified> {
    let both = derive(&receiver.auth, secret);
    let about = [b"WebPush: info\0", &receiver.public[..], public].concat();
    let input = derive(both.as_ref(), &[&about[..], &[1]].concat());
    let pseudo_random = derive(salt, input.as_ref());
    let key = derive(pseudo_random.as_ref(), b"Content-Encoding: aes128gcm\0\x01");
    let nonce = derive(pseudo_random.as_ref(), b"Content-Encoding: nonce\0\x01");
    let key = key.as_ref().first_chunk::<16>().ok_or(Unspecified)?;
    let nonce = nonce.as_ref().first_chunk::<12>().ok_or(Unspecified)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key)?);
    Ok((key, Nonce::assume_unique_for_key(*nonce)))
}

/// A step of HKDF (RFC 5869): the first block is all that is needed.
fn derive(key: &[u8], from: &[u8]) -> Tag {
    sign(&Key::new(HMAC_SHA256, key), from)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
    }

    /// The example of RFC 8291, appendix A.
    #[test]
    fn the_record_of_the_standard_is_made_to_the_byte() {
        let receiver = Receiver {
            public: bytes(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            ),
            auth: bytes("BTBZMqHH6r4Tts7J_aSIgg"),
        };
        let secret: [u8; 32] = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let public: [u8; 65] = bytes(
            "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
        );
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw");
        let message = b"When I grow up, I want to be a watermelon";
        let whole = record((&secret, &salt), (&receiver, &public), message).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(whole),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz\
             AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn the_longest_message_fills_a_record_and_a_key_that_is_none_is_refused() {
        let random = SystemRandom::new();
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &random).unwrap();
        let public = own.compute_public_key().unwrap().as_ref().try_into().unwrap();
        let receiver = Receiver { public, auth: [7; AUTH_BYTES] };
        let whole = seal(&receiver, &[b'x'; MESSAGE_BYTES_MAX]).unwrap();
        assert_eq!(u32::try_from(whole.len()).unwrap(), RECORD_BYTES);
        assert_ne!(seal(&receiver, b"x").unwrap(), seal(&receiver, b"x").unwrap());
        let nowhere = Receiver { public: [4; PUBLIC_BYTES], ..receiver };
        assert!(seal(&nowhere, b"x").is_err());
    }
}
