//! Links by which a customer acts without logging in: signed, and good for so long and no longer.
//!
//! Whoever has the link may use it, so that it allows little: less contact, never more.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::engine::time::{Span, Timestamp};

/// Where the links lie below the address of the service.
pub const FOLDER: &str = "/u/";
/// Where providers tell what became of sends, below the address of the service.
pub const HOOKS: &str = "/hooks/";
/// The layout of a customer's token; another one gets another number.
const VERSION: u8 = 1;
/// The layout of a token that goes to a provider and comes back with its receipts: it is no
/// customer's, and does nothing that a customer's does.
const REFERENCE: u8 = 2;
/// The layout of a token that opens a customer's inbox: it asks for nothing else.
const INBOX: u8 = 3;
/// Length of a signature.
const TAG_BYTES: usize = 32;
/// Longest token that is looked at.
const TOKEN_CHARS_MAX: usize = 2_048;

/// What a link is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who may act by it.
    pub customer: String,
    /// The purpose of the message that it was in.
    pub purpose: String,
    /// The channel that the message came by.
    pub channel: String,
    /// The decision behind the message: evidence.
    pub decision: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// We did not make it, or somebody changed it.
    Forged,
    /// It was good once.
    Expired,
}

/// Makes links and reads them.
pub struct Links {
    key: Hmac<Sha256>,
    base: OnceLock<Box<str>>,
    life: Span,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Links {
    /// Links below an address at which customers reach this service; without one none are made,
    /// and those made before are still read.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn new(key: &[u8], base: Option<&str>, life: Span) -> Result<Self, String> {
        let key = Hmac::new_from_slice(key).map_err(|error| error.to_string())?;
        let links = Self { key, base: OnceLock::new(), life };
        base.into_iter().for_each(|base| links.settle(base));
        Ok(links)
    }

    /// Gives the address, where it was not known before; a later one changes nothing.
    pub fn settle(&self, base: &str) {
        drop(self.base.set(base.trim_end_matches('/').into()));
    }

    /// The link of a message that was decided then: the same whenever it is asked for.
    pub fn unsubscribe(
        &self,
        (customer, purpose, channel, decision): (&str, &str, &str, &str),
        decided_at: Timestamp,
    ) -> Option<String> {
        let base = self.base.get()?;
        let claim = Claim {
            customer: customer.to_owned(),
            purpose: purpose.to_owned(),
            channel: channel.to_owned(),
            decision: decision.to_owned(),
            expires_at: decided_at + self.life,
        };
        Some(format!("{base}{FOLDER}{}", self.token(VERSION, &claim)))
    }

    /// What a provider is given with a message, and brings back with what it tells of it: the same
    /// whenever it is asked for.
    pub fn reference(
        &self,
        (customer, purpose, channel, decision): (&str, &str, &str, &str),
        decided_at: Timestamp,
    ) -> String {
        let claim = Claim {
            customer: customer.to_owned(),
            purpose: purpose.to_owned(),
            channel: channel.to_owned(),
            decision: decision.to_owned(),
            expires_at: decided_at + self.life,
        };
        self.token(REFERENCE, &claim)
    }

    /// What opens a customer's inbox to a page until then.
    pub fn inbox(&self, customer: &str, expires_at: Timestamp) -> String {
        let (purpose, channel, decision) = (String::new(), String::new(), String::new());
        let customer = customer.to_owned();
        self.token(INBOX, &Claim { customer, purpose, channel, decision, expires_at })
    }

    /// Whose inbox a token opens, if it is ours and still good.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn read_inbox(&self, token: &str, now: Timestamp) -> Result<String, Refusal> {
        self.read_as(INBOX, token, now).map(|claim| claim.customer)
    }

    /// Where a provider tells what became of a message.
    pub fn hook(&self, channel: &str, reference: &str) -> Option<String> {
        let base = self.base.get()?;
        Some(format!("{base}{HOOKS}{}?reference={reference}", Self::in_path(channel)))
    }

    /// The address under which a provider reached us, given the rest of its path.
    pub fn reached(&self, path_and_query: &str) -> Option<String> {
        Some(format!("{}{path_and_query}", self.base.get()?))
    }

    fn in_path(channel: &str) -> String {
        percent_encoding::utf8_percent_encode(channel, percent_encoding::NON_ALPHANUMERIC)
            .to_string()
            .replace("%2D", "-")
            .replace("%5F", "_")
    }

    fn token(&self, version: u8, claim: &Claim) -> String {
        let mut bytes = vec![version];
        bytes.extend(claim.expires_at.as_millis().to_be_bytes());
        for part in [&claim.customer, &claim.purpose, &claim.channel, &claim.decision] {
            // Names and ids are far shorter; a longer one would be cut, and refused when it is read.
            let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
            bytes.extend(length.to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        let mut mac = self.key.clone();
        mac.update(&bytes);
        bytes.extend(mac.finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a token says, if it is ours and still good.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn read(&self, token: &str, now: Timestamp) -> Result<Claim, Refusal> {
        self.read_as(VERSION, token, now)
    }

    /// What a reference says that came back, if it is ours and still good.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn read_reference(&self, token: &str, now: Timestamp) -> Result<Claim, Refusal> {
        self.read_as(REFERENCE, token, now)
    }

    fn read_as(&self, version: u8, token: &str, now: Timestamp) -> Result<Claim, Refusal> {
        let claim = self.open(version, token).ok_or(Refusal::Forged)?;
        if claim.expires_at <= now { Err(Refusal::Expired) } else { Ok(claim) }
    }

    fn open(&self, expected: u8, token: &str) -> Option<Claim> {
        if TOKEN_CHARS_MAX < token.len() {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        let mut mac = self.key.clone();
        mac.update(signed);
        // In a time that does not depend on where it is wrong.
        mac.verify_slice(tag).ok()?;
        let (head, mut rest) = signed.split_first_chunk::<9>()?;
        let (version, millis) = head.split_first_chunk::<1>()?;
        if *version != [expected] {
            return None;
        }
        let expires_at = Timestamp::from_millis(i64::from_be_bytes(millis.try_into().ok()?));
        let mut part = || -> Option<String> {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (text, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
            rest = after;
            String::from_utf8(text.to_vec()).ok()
        };
        let (customer, purpose, channel, decision) = (part()?, part()?, part()?, part()?);
        rest.is_empty().then_some(Claim { customer, purpose, channel, decision, expires_at })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn links(key: u8) -> Links {
        Links::new(&[key; 32], Some("https://care.example/"), Span::DAY).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_772_366_400_000 + seconds * 1_000)
    }

    fn token(links: &Links, customer: &str) -> String {
        let link = links.unsubscribe((customer, "marketing", "email", "0707"), at(0)).unwrap();
        link.strip_prefix("https://care.example/u/").unwrap().to_owned()
    }

    #[test]
    fn a_link_says_what_it_was_made_for_until_it_expires() {
        let links = links(1);
        let token = token(&links, "ada/é");
        let claim = links.read(&token, at(86_399)).unwrap();
        assert_eq!(claim.customer, "ada/é");
        assert_eq!((&*claim.purpose, &*claim.channel), ("marketing", "email"));
        assert_eq!((&*claim.decision, claim.expires_at), ("0707", at(86_400)));
        assert_eq!(links.read(&token, at(86_400)), Err(Refusal::Expired));
        let made_again = links.unsubscribe(("ada/é", "marketing", "email", "0707"), at(0));
        assert!(made_again.unwrap().ends_with(&token), "the same bytes at every attempt");
    }

    #[test]
    fn another_key_or_none_makes_nothing_of_ours() {
        let token = token(&links(1), "ada");
        assert_eq!(links(2).read(&token, at(0)), Err(Refusal::Forged));
        let silent = Links::new(&[1; 32], None, Span::DAY).unwrap();
        assert_eq!(silent.unsubscribe(("ada", "m", "e", "0"), at(0)), None);
        assert!(silent.read(&token, at(0)).is_ok());
    }

    #[test]
    fn what_opens_an_inbox_opens_nothing_else_and_nothing_else_opens_it() {
        let links = links(1);
        let inbox = links.inbox("ada", at(9));
        assert_eq!(links.read_inbox(&inbox, at(8)), Ok("ada".to_owned()));
        assert_eq!(links.read_inbox(&inbox, at(9)), Err(Refusal::Expired));
        assert_eq!(links.read(&inbox, at(8)), Err(Refusal::Forged));
        assert_eq!(links.read_reference(&inbox, at(8)), Err(Refusal::Forged));
        let other = token(&links, "ada");
        assert_eq!(links.read_inbox(&other, at(0)), Err(Refusal::Forged));
    }

    #[test]
    fn what_we_signed_and_did_not_write_so_is_no_token() {
        let links = links(1);
        let mut bytes = URL_SAFE_NO_PAD.decode(token(&links, "ada")).unwrap();
        bytes.truncate(bytes.len() - TAG_BYTES);
        let signed = |bytes: &[u8]| {
            let mut mac = links.key.clone();
            mac.update(bytes);
            let tag = mac.finalize().into_bytes();
            URL_SAFE_NO_PAD.encode([bytes, &tag].concat())
        };
        assert!(links.read(&signed(&bytes), at(0)).is_ok());
        let longer = [&*bytes, b"x"].concat();
        let another = [&[9], bytes.get(1..).unwrap()].concat();
        let huge = token(&links, &"a".repeat(TOKEN_CHARS_MAX));
        assert_eq!(links.read(&huge, at(0)), Err(Refusal::Forged), "longer than any of ours");
        for wrong in [&longer, &another, &bytes[..bytes.len() - 1].to_vec(), &bytes[..9].to_vec()] {
            assert_eq!(links.read(&signed(wrong), at(0)), Err(Refusal::Forged), "{}", wrong.len());
        }
    }

    #[test]
    fn every_changed_character_is_a_forgery() {
        let links = links(1);
        let token = token(&links, "ada");
        for index in 0..token.len() {
            for other in ["A", "B", "_", "", "/", "="] {
                let mut forged = token.clone();
                forged.replace_range(index..=index, other);
                if forged != token {
                    assert_eq!(links.read(&forged, at(0)), Err(Refusal::Forged), "{forged}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_token(text in ".{0,300}") {
            prop_assert_eq!(links(1).read(&text, at(0)), Err(Refusal::Forged));
        }
    }
}
