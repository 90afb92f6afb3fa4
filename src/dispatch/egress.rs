//! Keeps calls from reaching what only this machine can reach: its own services, its network, the
//! cloud's metadata. Three checks, because each alone can be got around: the URL as written (no
//! resolver is asked for a literal address), the addresses a name resolves to, and the address
//! that was really connected to.

use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::config::Egress;

/// A call that must not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} is {what}; set `allow_private: true` for this channel if that is meant")]
pub struct Refused {
    /// The host or address.
    pub host: String,
    /// What it is.
    pub what: &'static str,
}

/// Reads a URL and checks what can be seen without asking anyone.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn check_url(text: &str, egress: Egress) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("it is not a URL: {error}"))?;
    match (url.scheme(), egress) {
        ("https", _) | ("http", Egress::AllowPrivate) => {}
        ("http", Egress::PublicOnly) => {
            return Err("it must begin with `https://`; plain `http://` is for private \
                        addresses, with `allow_private: true`"
                .to_owned());
        }
        (scheme, _) => return Err(format!("`{scheme}` is not a scheme that can be called")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it carries a user name or password; use `headers` instead".to_owned());
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("it names no host")?;
    check_host(host, egress).map_err(|refused| refused.to_string())?;
    Ok(url)
}

/// Checks an address that is about to be, or has been, connected to.
///
/// # Errors
/// What the address is.
pub fn check_address(address: IpAddr, egress: Egress) -> Result<(), Refused> {
    match (egress, private(address)) {
        (Egress::AllowPrivate, _) | (_, None) => Ok(()),
        (Egress::PublicOnly, Some(what)) => Err(Refused { host: address.to_string(), what }),
    }
}

/// The refusal inside an error of the HTTP client, if that is what stopped it.
pub fn refusal_in<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Refused> {
    let mut next: Option<&'a (dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(refused) = error.downcast_ref() {
            return Some(refused);
        }
        next = error.source();
    }
    None
}

/// `Url` has already turned every notation of a literal address (decimal, octal, hexadecimal,
/// shortened, full-width digits) into the usual one.
fn check_host(host: &str, egress: Egress) -> Result<(), Refused> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return check_address(address, egress);
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let local = ["localhost", "local", "internal", "home.arpa"].iter().any(|end| {
        name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    match egress {
        Egress::PublicOnly if local => {
            Err(Refused { host: name, what: "a name of this machine or its network" })
        }
        Egress::PublicOnly | Egress::AllowPrivate => Ok(()),
    }
}

/// What an address is when it is not a public one.
fn private(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => private_v4(v4),
        IpAddr::V6(v6) => private_v6(v6),
    }
}

fn private_v4(address: Ipv4Addr) -> Option<&'static str> {
    // Azure answers from this public-looking address to every machine it hosts.
    const AZURE_WIRE_SERVER: [u8; 4] = [168, 63, 129, 16];
    Some(match address.octets() {
        [0, ..] => "an address of this network",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "a private address",
        [100, 64..=127, ..] => "an address shared by carriers",
        [127, ..] => "this machine",
        [169, 254, ..] => "a link-local address, where clouds keep their metadata",
        [192, 0, 0, _] => "an address reserved for protocols",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "an address for documentation",
        [192, 88, 99, _] => "a relay of IPv6 in IPv4",
        [198, 18..=19, ..] => "an address for benchmarks",
        [224..=239, ..] => "a multicast address",
        [240..=255, ..] => "a reserved address",
        AZURE_WIRE_SERVER => "an address where clouds keep their metadata",
        _ => return None,
    })
}

/// Only global unicast is public, without the parts of it that carry an IPv4 address inside.
fn private_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_loopback() {
        return Some("this machine");
    }
    if address.is_unspecified() {
        return Some("no address");
    }
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => {
            "an IPv4 address inside an IPv6 one"
        }
        [0x64, 0xff9b, ..] => "an IPv4 address behind a translator (NAT64)",
        [0x2001, 0..=0x1ff, ..] => "an address reserved for protocols",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "an address for documentation",
        [0x2002, ..] => "an IPv4 address inside an IPv6 one (6to4)",
        [0x2000..=0x3fff, ..] => return None,
        [0xfc00..=0xfdff, ..] => "a private address",
        [0xfe80..=0xfebf, ..] => "a link-local address",
        [0xff00..=0xffff, ..] => "a multicast address",
        _ => "not a public address",
    })
}

/// Asks the system for the addresses of a name.
type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Resolves names for the HTTP client, to addresses that may be called and no others.
#[derive(Clone)]
pub struct Resolver {
    egress: Egress,
    lookup: Lookup,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("egress", &self.egress).finish_non_exhaustive()
    }
}

impl Resolver {
    /// The system's resolver behind the check.
    pub fn system(egress: Egress) -> Self {
        Self::over(egress, Arc::new(|host| Box::pin(look_up(host))))
    }

    /// Any other lookup behind the check.
    fn over(egress: Egress, lookup: Lookup) -> Self {
        Self { egress, lookup }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { egress, lookup } = self.clone();
        Box::pin(async move {
            check_host(name.as_str(), egress)?;
            let found = lookup(name.as_str().to_owned()).await?;
            let mut refused = None;
            let mut allowed = Vec::new();
            for address in found {
                match check_address(address, egress) {
                    Ok(()) => allowed.push(SocketAddr::new(address, 0)),
                    Err(why) => refused = Some(why),
                }
            }
            match refused {
                Some(why) if allowed.is_empty() => {
                    Err(Refused { host: name.as_str().to_owned(), what: why.what }.into())
                }
                _ => {
                    let addresses: Addrs = Box::new(allowed.into_iter());
                    Ok(addresses)
                }
            }
        })
    }
}

async fn look_up(host: String) -> io::Result<Vec<IpAddr>> {
    let found = tokio::net::lookup_host((host, 0)).await?;
    Ok(found.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests;
