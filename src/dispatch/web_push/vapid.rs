//! Says to the services of browsers who we are (VAPID, RFC 8292): they let nobody else write to those
//! who subscribed with our key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use secrecy::ExposeSecret as _;

use crate::config::WebPushConfig;
use crate::engine::time::{Span, Timestamp};

/// How long a signature is good: services take a day at most.
const LIFE: Span = Span::HOUR.times(12);
/// Bytes of a private key without anything around it.
const PRIVATE_BYTES: usize = 32;
/// How a key is made.
const HOW: &str = "make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`";

/// Who signs.
pub(super) struct Vapid {
    key: EcdsaKeyPair,
    public: String,
    subject: String,
}

impl std::fmt::Debug for Vapid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vapid").field("public", &self.public).finish_non_exhaustive()
    }
}

impl Vapid {
    /// Reads the key.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence without it.
    pub(super) fn new(config: &WebPushConfig) -> Result<Self, String> {
        let unusable = |why: &str| format!("`vapid_key` cannot be used: {why}; {HOW}");
        let text = config.key.expose_secret();
        if text.contains("EC PRIVATE KEY") {
            return Err(unusable(
                "it is no PKCS #8, which `openssl pkcs8 -topk8 -nocrypt` makes of it",
            ));
        }
        let bytes = decoded(text).ok_or_else(|| unusable("it is no PEM and no base64"))?;
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = if bytes.len() == PRIVATE_BYTES {
            let public = config.public_key.as_deref().and_then(decoded).ok_or_else(|| {
                unusable("of 32 bytes the other half is needed, too: `vapid_public_key`")
            })?;
            EcdsaKeyPair::from_private_key_and_public_key(kind, &bytes, &public, &random)
        } else {
            EcdsaKeyPair::from_pkcs8(kind, &bytes, &random)
        };
        let key = key.map_err(|error| unusable(&error.to_string()))?;
        let public = URL_SAFE_NO_PAD.encode(key.public_key());
        let said = config.public_key.as_deref().map(|said| said.trim_end_matches('='));
        if said.is_some_and(|said| said != public) {
            return Err(format!(
                "`vapid_public_key` is not that of `vapid_key`, which is {public}"
            ));
        }
        Ok(Self { key, public, subject: config.subject.clone() })
    }

    /// What pages subscribe with (`applicationServerKey`).
    pub(super) fn public(&self) -> &str {
        &self.public
    }

    /// The header `Authorization` for a service.
    ///
    /// # Errors
    /// When nothing can be signed.
    pub(super) fn authorization(&self, origin: &str, now: Timestamp) -> Result<String, String> {
        let expires = (now + LIFE).as_millis().div_euclid(1_000);
        let claims = serde_json::json!({"aud": origin, "exp": expires, "sub": self.subject});
        let head = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ES256"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.map_err(|_| "it cannot be signed".to_owned())?;
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        Ok(format!("vapid t={signed}.{signature}, k={}", self.public))
    }
}

/// The bytes of a key: in PEM, on one line or several, or in base64 of either alphabet.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text = text.replace("\\n", "\n");
    let lines = text.lines().filter(|line| !line.contains("-----"));
    let plain: String = lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
    let plain = plain.replace('+', "-").replace('/', "_");
    let plain = plain.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(plain).or_else(|_| STANDARD.decode(plain)).ok()?;
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
pub(super) mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use secrecy::SecretString;

    use super::*;
    use crate::config::{Egress, Urgency};

    /// As `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes it, for tests alone.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLMAQ82TOVFJAevju\n\
        NOSLw6KMihjyxb0/sKX/3S5VrhWhRANCAATVGVkdESRNHctc0mNjTQSZPCWJW3GD\n\
        mBF5S/cj9jOJ+qHImgii0/7+8Oyv+RM9zy6XM/qMj3CsfOlvtvvPxSiP\n\
        -----END PRIVATE KEY-----\n";
    /// What openssl says is its other half.
    const PUBLIC: &str =
        "BNUZWR0RJE0dy1zSY2NNBJk8JYlbcYOYEXlL9yP2M4n6ociaCKLT_v7w7K_5Ez3PLpcz-oyPcKx86W-2-8_FKI8";
    const PRIVATE: &str = "LMAQ82TOVFJAevjuNOSLw6KMihjyxb0_sKX_3S5VrhU";

    pub(in crate::dispatch::web_push) fn config(key: &str) -> WebPushConfig {
        WebPushConfig {
            key: SecretString::from(key),
            public_key: None,
            subject: "mailto:ops@shop.example".to_owned(),
            urgency: Urgency::Normal,
            services: vec!["push.example".to_owned()],
            timeout: Span::from_millis(2_000),
            egress: Egress::PublicOnly,
        }
    }

    pub(in crate::dispatch::web_push) fn usual() -> WebPushConfig {
        config(PEM)
    }

    #[test]
    fn a_key_is_read_in_every_form_and_tells_its_other_half() {
        let one_line = PEM.replace('\n', "\\n");
        let bare: String = PEM.lines().filter(|line| !line.contains("---")).collect();
        for key in [PEM, &one_line, &bare] {
            assert_eq!(Vapid::new(&config(key)).unwrap().public(), PUBLIC);
        }
        let pair =
            |public: &str| WebPushConfig { public_key: Some(public.to_owned()), ..config(PRIVATE) };
        assert_eq!(Vapid::new(&pair(PUBLIC)).unwrap().public(), PUBLIC);
        let other = PUBLIC.replace("FKI8", "FKI9");
        for (wrong, why) in [
            (config("hush"), "`vapid_key` cannot be used"),
            (config(PRIVATE), "`vapid_public_key`"),
            (config("-----BEGIN EC PRIVATE KEY-----\nhush"), "openssl pkcs8 -topk8"),
            (pair(&other), "cannot be used"),
            (WebPushConfig { public_key: Some("BNUZ".to_owned()), ..usual() }, "not that of"),
        ] {
            let said = Vapid::new(&wrong).unwrap_err();
            assert!(
                said.contains(why) && !said.contains("hush") && !said.contains(PRIVATE),
                "{said}"
            );
        }
    }

    #[test]
    fn what_is_signed_can_be_verified_with_what_is_told() {
        let vapid = Vapid::new(&usual()).unwrap();
        let now = Timestamp::from_millis(1_772_366_400_000);
        let header = vapid.authorization("https://push.example", now).unwrap();
        let (token, key) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        assert_eq!(key, PUBLIC);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes(key));
        public.verify(signed.as_bytes(), &bytes(signature)).unwrap();
        assert!(public.verify(b"something else", &bytes(signature)).is_err());
        let parts: Vec<serde_json::Value> =
            signed.split('.').map(|part| serde_json::from_slice(&bytes(part)).unwrap()).collect();
        assert_eq!(parts[0], serde_json::json!({"typ": "JWT", "alg": "ES256"}));
        let claims = serde_json::json!({
            "aud": "https://push.example", "exp": 1_772_409_600, "sub": "mailto:ops@shop.example",
        });
        assert_eq!(parts[1], claims);
    }
}
