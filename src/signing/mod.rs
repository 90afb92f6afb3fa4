//! Signatures as Standard Webhooks asks for them, made and checked: HMAC-SHA256 over id, time and
//! body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// What every secret begins with.
const PREFIX: &str = "whsec_";
/// Shortest and longest key, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Most secrets at a time: one in force, and those being retired.
const SECRETS_MAX: usize = 4;
/// Most signatures that are looked at in one header.
const SIGNATURES_MAX: usize = 8;

/// Signs with every secret of an endpoint, so that a receiver may know either while they change.
pub struct Signer {
    keys: Vec<Hmac<Sha256>>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("keys", &self.keys.len()).finish()
    }
}

impl Signer {
    /// Reads the secrets. The reason of a failure does not show them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(secrets: &[SecretString]) -> Result<Self, String> {
        if secrets.is_empty() || SECRETS_MAX < secrets.len() {
            return Err(format!("it needs 1 to {SECRETS_MAX} secrets"));
        }
        let keys = secrets.iter().map(key).collect::<Option<_>>();
        keys.map(|keys| Self { keys }).ok_or_else(|| {
            format!(
                "its secret must be `{PREFIX}` and {} to {} bytes in base64: make one with \
                 `echo whsec_$(openssl rand -base64 32)`",
                KEY_BYTES.start(),
                KEY_BYTES.end()
            )
        })
    }

    /// The value of `webhook-signature`.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signatures = self.keys.iter().map(|key| {
            let mut mac = key.clone();
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }

    /// Whether one of our secrets made one of the signatures of a header. How long it takes says
    /// nothing about where they differ.
    pub fn verifies(&self, (id, timestamp): (&str, &str), body: &[u8], header: &str) -> bool {
        let signatures = header.split(' ').take(SIGNATURES_MAX);
        let signatures =
            signatures.filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
        signatures
            .flat_map(|signature| self.keys.iter().map(move |key| (key, signature.clone())))
            .any(|(key, signature)| {
                let mut mac = key.clone();
                mac.update(format!("{id}.{timestamp}.").as_bytes());
                mac.update(body);
                mac.verify_slice(&signature).is_ok()
            })
    }
}

fn key(secret: &SecretString) -> Option<Hmac<Sha256>> {
    let text = secret.expose_secret().strip_prefix(PREFIX)?;
    let bytes = STANDARD.decode(text).ok().filter(|bytes| KEY_BYTES.contains(&bytes.len()))?;
    Hmac::new_from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secrets: &[&str]) -> Result<Signer, String> {
        let secrets: Vec<_> = secrets.iter().map(|text| SecretString::from(*text)).collect();
        Signer::new(&secrets)
    }

    // Computed with Python's hmac and hashlib, not with this code.
    const VECTORS: &str = include_str!("vectors.txt");

    #[test]
    fn signatures_are_those_of_another_implementation() {
        let mut count = 0;
        for line in VECTORS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let [secrets, id, timestamp, body, expected] =
                line.split('|').collect::<Vec<_>>().try_into().unwrap();
            let secrets: Vec<_> = secrets.split(' ').collect();
            let signed =
                signer(&secrets).unwrap().sign(id, timestamp.parse().unwrap(), body.as_bytes());
            assert_eq!(signed, expected, "{line}");
            let known = signer(&secrets).unwrap();
            assert!(known.verifies((id, timestamp), body.as_bytes(), expected));
            assert!(!known.verifies((id, timestamp), b"other", expected));
            assert!(!known.verifies((id, "-1"), body.as_bytes(), expected));
            assert!(!known.verifies(("x", timestamp), body.as_bytes(), expected));
            count += 1;
        }
        assert!(5 <= count);
    }

    #[test]
    fn a_weak_secret_is_refused_and_not_shown() {
        let short = format!("whsec_{}", STANDARD.encode([1; 23]));
        let long = format!("whsec_{}", STANDARD.encode([1; 65]));
        for secret in ["", "hunter2", "whsec_", "whsec_!!!", &short, &long] {
            let why = signer(&[secret]).unwrap_err();
            assert!(why.contains("24 to 64 bytes"), "{why}");
            assert!(secret.len() < 7 || !why.contains(secret), "{why}");
        }
        assert!(signer(&[]).is_err());
        for bytes in [24, 64] {
            assert!(signer(&[&format!("whsec_{}", STANDARD.encode(vec![1; bytes]))]).is_ok());
        }
    }
}
