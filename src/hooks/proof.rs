//! Whether it was really the provider who told it: each signs in a way of its own.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{hmac, signature};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::config::{Proof, ReceiptsConfig};
use crate::engine::time::{Span, Timestamp};
use crate::signing::Signer;

/// What stands in front of a public key of the curve P-256 in DER.
const P256_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Most fields of a form that are signed.
const FIELDS_MAX: usize = 100;

/// Checks what comes to one channel.
pub(super) struct Checker {
    way: Way,
    within: Span,
}

enum Way {
    Standard(Signer),
    Token(SecretString),
    Twilio(hmac::Key),
    SendGrid(Vec<u8>),
    Slack(hmac::Key),
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checker").field("within", &self.within).finish_non_exhaustive()
    }
}

/// Why something is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It is not signed, or by somebody else.
    Forged,
    /// It was signed too long ago, or for a time to come.
    Stale,
}

/// A request as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    /// The address that the provider called, where customers reach this service.
    pub(super) url: Option<&'a str>,
    pub(super) now: Timestamp,
}

impl Checker {
    /// Reads the secrets; nothing where nothing is to be taken in.
    ///
    /// # Errors
    /// What is wrong with them, without showing them.
    pub(super) fn new(config: &ReceiptsConfig) -> Result<Option<Self>, String> {
        let bytes = |secret: &SecretString| secret.expose_secret().as_bytes().to_vec();
        let way = match &config.proof {
            None => return Ok(None),
            Some(Proof::Standard(secrets)) => Way::Standard(Signer::new(secrets)?),
            Some(Proof::Token(token)) => Way::Token(token.clone()),
            Some(Proof::Twilio(secret)) => {
                let algorithm = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
                Way::Twilio(hmac::Key::new(algorithm, &bytes(secret)))
            }
            Some(Proof::SendGrid(key)) => Way::SendGrid(point(key)?),
            Some(Proof::Slack(secret)) => {
                Way::Slack(hmac::Key::new(hmac::HMAC_SHA256, &bytes(secret)))
            }
        };
        Ok(Some(Self { way, within: config.within }))
    }

    /// Whether the address under which it is called has to be known.
    pub(super) const fn needs_url(&self) -> bool {
        matches!(self.way, Way::Twilio(_))
    }

    /// Whether a request is its provider's.
    ///
    /// # Errors
    /// Why it is not believed.
    pub(super) fn check(&self, came: Came<'_>) -> Result<(), Doubt> {
        let Came { headers, body, .. } = came;
        let text = |name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).ok_or(Doubt::Forged)
        };
        match &self.way {
            Way::Standard(signer) => {
                let (id, time) = (text("webhook-id")?, text("webhook-timestamp")?);
                let signed = signer.verifies((id, time), body, text("webhook-signature")?);
                if signed { self.fresh(time, came.now) } else { Err(Doubt::Forged) }
            }
            Way::Token(token) => {
                let given = bearer(text("authorization")?).ok_or(Doubt::Forged)?;
                let same = given.as_bytes().ct_eq(token.expose_secret().as_bytes());
                if bool::from(same) { Ok(()) } else { Err(Doubt::Forged) }
            }
            Way::Twilio(key) => {
                let url = came.url.ok_or(Doubt::Forged)?;
                let signature = STANDARD.decode(text("x-twilio-signature")?);
                let signature = signature.map_err(|_| Doubt::Forged)?;
                let signed = twilio_text(url, body).ok_or(Doubt::Forged)?;
                // It carries no time. What comes twice changes nothing.
                hmac::verify(key, &signed, &signature).map_err(|_| Doubt::Forged)
            }
            Way::SendGrid(point) => {
                let time = text("x-twilio-email-event-webhook-timestamp")?;
                let signature = STANDARD.decode(text("x-twilio-email-event-webhook-signature")?);
                let signature = signature.map_err(|_| Doubt::Forged)?;
                let algorithm = &signature::ECDSA_P256_SHA256_ASN1;
                let key = signature::UnparsedPublicKey::new(algorithm, point);
                let signed = [time.as_bytes(), body].concat();
                key.verify(&signed, &signature).map_err(|_| Doubt::Forged)?;
                self.fresh(time, came.now)
            }
            Way::Slack(key) => {
                let time = text("x-slack-request-timestamp")?;
                let given = text("x-slack-signature")?.strip_prefix("v0=").ok_or(Doubt::Forged)?;
                let signature = from_hex(given).ok_or(Doubt::Forged)?;
                let signed = [b"v0:", time.as_bytes(), b":", body].concat();
                let signed = hmac::verify(key, &signed, &signature).is_ok();
                if signed { self.fresh(time, came.now) } else { Err(Doubt::Forged) }
            }
        }
    }

    /// Time is looked at last: who cannot sign does not learn our clock.
    fn fresh(&self, seconds: &str, now: Timestamp) -> Result<(), Doubt> {
        let seconds: i64 = seconds.parse().map_err(|_| Doubt::Stale)?;
        let off = now.as_millis().div_euclid(1_000).saturating_sub(seconds).saturating_abs();
        if Span::SECOND.times(off) <= self.within { Ok(()) } else { Err(Doubt::Stale) }
    }
}

/// What a client gives as `Bearer <token>`, or as the password of `Basic`.
fn bearer(header: &str) -> Option<String> {
    if let Some(token) = header.strip_prefix("Bearer ") {
        return Some(token.to_owned());
    }
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

/// What Twilio signs: the address, then each field's name and value in the order of the names.
fn twilio_text(url: &str, body: &[u8]) -> Option<Vec<u8>> {
    let mut fields: Vec<_> = form_urlencoded::parse(body).take(FIELDS_MAX + 1).collect();
    if FIELDS_MAX < fields.len() {
        return None;
    }
    fields.sort();
    let mut text = url.as_bytes().to_vec();
    for (name, value) in fields {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(value.as_bytes());
    }
    Some(text)
}

/// The point of a public key in base64 of its DER.
fn point(key: &str) -> Result<Vec<u8>, String> {
    let wrong = || {
        "its `key` is no verification key of SendGrid: copy it from Mail Settings, Event Webhook, \
         Signature Verification"
            .to_owned()
    };
    let der = STANDARD.decode(key.trim()).map_err(|_| wrong())?;
    let point = der.strip_prefix(P256_HEAD.as_slice()).ok_or_else(wrong)?;
    if point.len() == 65 && point.first() == Some(&4) { Ok(point.to_vec()) } else { Err(wrong()) }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::KeyPair as _;

    use super::*;
    use crate::config::ReceiptShape;

    const NOW: i64 = 1_772_366_400;

    fn checker(proof: Proof) -> Checker {
        let config = ReceiptsConfig {
            proof: Some(proof),
            shape: ReceiptShape::Own,
            within: Span::MINUTE.times(5),
        };
        Checker::new(&config).unwrap().unwrap()
    }

    fn check(
        checker: &Checker,
        headers: &[(&'static str, String)],
        body: &str,
        url: Option<&str>,
    ) -> Result<(), Doubt> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let now = Timestamp::from_millis(NOW * 1_000);
        checker.check(Came { headers: &map, body: body.as_bytes(), url, now })
    }

    #[test]
    fn twilio_signs_address_and_fields() {
        // The example of Twilio's documentation, with its token and its signature.
        let checker = checker(Proof::Twilio("12345".into()));
        let url = "https://example.com/myapp.php?foo=1&bar=2";
        let body = "CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310\
                    &To=%2B18005551212";
        let signed = |text: &str| [("x-twilio-signature", text.to_owned())];
        let good = signed("L/OH5YylLD5NRKLltdqwSvS0BnU=");
        assert_eq!(check(&checker, &good, body, Some(url)), Ok(()));
        let swapped = "To=%2B18005551212&CallSid=CA1234567890ABCDE&Caller=%2B14158675310\
                       &From=%2B14158675310&Digits=1234";
        assert_eq!(check(&checker, &good, swapped, Some(url)), Ok(()), "the order is no matter");
        for (headers, body, url) in [
            (good.as_slice(), "CallSid=other", Some(url)),
            (&good, body, Some("https://example.com/myapp.php?foo=1&bar=3")),
            (&good, body, None),
            (&signed("AAAA"), body, Some(url)),
            (&[], body, Some(url)),
        ] {
            assert_eq!(check(&checker, headers, body, url), Err(Doubt::Forged), "{body} {url:?}");
        }
    }

    #[test]
    fn slack_signs_time_and_body() {
        // The example of Slack's documentation.
        let checker = checker(Proof::Slack("8f742231b10e8888abcd99yyyzzz85a5".into()));
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
                    &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA\
                    &user_name=roadrunner&command=%2Fwebhook-collect&text=\
                    &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
                    &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        let headers = |time: &str, signature: &str| {
            [
                ("x-slack-request-timestamp", time.to_owned()),
                ("x-slack-signature", signature.to_owned()),
            ]
        };
        let old = headers("1531420618", signature);
        assert_eq!(check(&checker, &old, body, None), Err(Doubt::Stale), "right, and years old");
        assert_eq!(check(&checker, &old, "text=other", None), Err(Doubt::Forged));
        for bad in ["", "v0=", "v0=zz", "v1=00", "v0=a2"] {
            assert_eq!(
                check(&checker, &headers("1", bad), body, None),
                Err(Doubt::Forged),
                "{bad}"
            );
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"8f742231b10e8888abcd99yyyzzz85a5");
        for (seconds, expected) in [
            (0, Ok(())),
            (-300, Ok(())),
            (300, Ok(())),
            (-301, Err(Doubt::Stale)),
            (301, Err(Doubt::Stale)),
        ] {
            let time = (NOW + seconds).to_string();
            let tag = hmac::sign(&key, format!("v0:{time}:hello").as_bytes());
            let hex = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let headers = headers(&time, &format!("v0={hex}"));
            assert_eq!(check(&checker, &headers, "hello", None), expected, "{seconds}");
        }
    }

    #[test]
    fn sendgrid_signs_with_a_key_of_which_we_know_the_public_half() {
        let random = SystemRandom::new();
        let algorithm = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let der = [P256_HEAD.as_slice(), pair.public_key().as_ref()].concat();
        let checker = checker(Proof::SendGrid(STANDARD.encode(der)));
        let headers = |time: i64, body: &str| {
            let tag = pair.sign(&random, format!("{time}{body}").as_bytes()).unwrap();
            [
                ("x-twilio-email-event-webhook-timestamp", time.to_string()),
                ("x-twilio-email-event-webhook-signature", STANDARD.encode(tag)),
            ]
        };
        assert_eq!(check(&checker, &headers(NOW, "[]"), "[]", None), Ok(()));
        assert_eq!(check(&checker, &headers(NOW, "[]"), "[ ]", None), Err(Doubt::Forged));
        assert_eq!(check(&checker, &headers(NOW - 999, "[]"), "[]", None), Err(Doubt::Stale));
        for key in ["", "AAAA", "not base64!"] {
            assert!(point(key).unwrap_err().contains("Signature Verification"), "{key}");
        }
    }

    #[test]
    fn a_shared_token_comes_as_a_bearer_or_as_a_password() {
        let checker = checker(Proof::Token("0123456789abcdef".into()));
        let basic = format!("Basic {}", STANDARD.encode("heedful:0123456789abcdef"));
        for (header, expected) in [
            ("Bearer 0123456789abcdef", Ok(())),
            (&*basic, Ok(())),
            ("Bearer 0123456789abcdeF", Err(Doubt::Forged)),
            ("Bearer ", Err(Doubt::Forged)),
            ("0123456789abcdef", Err(Doubt::Forged)),
            ("Basic 0123456789abcdef", Err(Doubt::Forged)),
        ] {
            let headers = [("authorization", header.to_owned())];
            assert_eq!(check(&checker, &headers, "", None), expected, "{header}");
        }
        assert_eq!(check(&checker, &[], "", None), Err(Doubt::Forged));
    }

    #[test]
    fn our_own_are_signed_as_our_webhooks_are() {
        let secret = SecretString::from(format!("whsec_{}", STANDARD.encode([1; 32])));
        let signer = Signer::new(std::slice::from_ref(&secret)).unwrap();
        let checker = checker(Proof::Standard(vec![secret]));
        let headers = |time: i64| {
            [
                ("webhook-id", "m1".to_owned()),
                ("webhook-timestamp", time.to_string()),
                ("webhook-signature", signer.sign("m1", time, b"{}")),
            ]
        };
        assert_eq!(check(&checker, &headers(NOW), "{}", None), Ok(()));
        assert_eq!(check(&checker, &headers(NOW), "{ }", None), Err(Doubt::Forged));
        assert_eq!(check(&checker, &headers(NOW + 400), "{}", None), Err(Doubt::Stale));
        assert_eq!(check(&checker, &headers(NOW)[..2], "{}", None), Err(Doubt::Forged));
    }
}
