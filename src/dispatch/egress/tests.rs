//! A corpus of addresses and tricks, each of which must be stopped by the check meant for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;

use super::*;

/// URLs that must be refused as they are written.
const REFUSED: &[&str] = &[
    // This machine, in every notation.
    "https://127.0.0.1/",
    "https://127.0.0.1:8080/hook",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.255.255.254/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0x7F.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://0000177.0.0.01/",
    "https://127.0.0.1./",
    "https://%31%32%37.0.0.1/",
    "https://１２７.0.0.1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://hook.localhost/",
    "https://0/",
    "https://0.0.0.0/",
    "https://0x0/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::]/",
    // Its network.
    "https://10.0.0.1/",
    "https://10.255.255.255/",
    "https://167772161/",
    "https://172.16.0.1/",
    "https://172.31.255.254/",
    "https://192.168.1.1/",
    "https://0xc0.0xa8.0x01.0x01/",
    "https://192.168.257/",
    "https://100.64.0.1/",
    "https://100.100.100.200/latest/meta-data/",
    "https://printer.local/",
    "https://router.home.arpa/",
    // Metadata of clouds.
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://169.254.170.2/v2/credentials",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://metadata.google.internal./",
    "https://192.0.0.192/opc/v2/",
    "https://168.63.129.16/machine/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    // IPv6 that is private, or an IPv4 address in disguise.
    "https://[fe80::1]/",
    "https://[febf::1]/",
    "https://[fc00::1]/",
    "https://[fdff::1]/",
    "https://[ff02::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://[2001::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
    "https://[5f00::1]/",
    // Reserved IPv4.
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://198.18.0.1/",
    "https://198.51.100.7/",
    "https://203.0.113.7/",
    "https://224.0.0.1/",
    "https://239.255.255.250/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    // Tricks of writing.
    "https://user@hooks.example/",
    "https://user:secret@hooks.example/",
    "https://hooks.example@127.0.0.1/",
    "https://127.0.0.1\\@hooks.example/",
    "https:127.0.0.1/",
    "https:////127.0.0.1/",
    "https://127.0.0.1#@hooks.example/",
    "https://127.0.0.1?@hooks.example/",
    " https://127.0.0.1/ ",
    "https://127.0\t.0.1/",
    "https://127.0.0.1%2f@hooks.example/",
    "https://127.0.0.1%00.hooks.example/",
    "https://a.b@10.0.0.1:443@hooks.example/",
    "https://0x7f000001:443/hook",
    "https://[::ffff:10.0.0.1]:8443/",
    "https://[::ffff:c0a8:101]/",
    "https://[0:0:0:0:0:ffff:7f00:0001]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://[2002:c0a8:0101::1]/",
    "https://[fe80::1%25eth0]/",
    "https://127.0.0.1\u{ff0e}/",
    "https://\u{2488}27.0.0.1/",
    "https://metadata.google.internal\u{3002}/",
    "https://kubernetes.default.svc.cluster.local/",
    "https://host.docker.internal/",
    "https://gateway.docker.internal:2375/",
    // What cannot be called at all.
    "dict://127.0.0.1:11211/stat",
    "ldap://127.0.0.1/",
    "jar:https://hooks.example!/",
    "javascript:alert(1)",
    "ws://hooks.example/",
    "https://hooks.example:99999/",
    "http://hooks.example/",
    "ftp://hooks.example/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/",
    "unix:///var/run/docker.sock",
    "data:text/plain,hello",
    "hooks.example",
    "//hooks.example/",
    "https://",
    "https://[::1/",
    "https://256.1.1.1/",
    "",
];

/// URLs that must pass.
const ALLOWED: &[&str] = &[
    "https://hooks.example/heedful",
    "https://hooks.example:8443/a?b=c",
    "https://1.1.1.1/",
    "https://172.15.0.1/",
    "https://172.32.0.1/",
    "https://100.63.255.255/",
    "https://100.128.0.1/",
    "https://198.17.0.1/",
    "https://[2606:4700:4700::1111]/",
    "https://[2001:4860:4860::8888]/",
    "https://xn--bcher-kva.example/",
    "https://localhost.example/",
    "https://mylocalhost/",
];

#[test]
fn the_corpus_is_refused_as_written() {
    assert!(100 <= REFUSED.len());
    let passed: Vec<_> =
        REFUSED.iter().filter(|url| check_url(url, Egress::PublicOnly).is_ok()).collect();
    assert!(passed.is_empty(), "passed: {passed:?}");
}

#[test]
fn public_urls_pass() {
    for url in ALLOWED {
        assert!(check_url(url, Egress::PublicOnly).is_ok(), "{url}");
    }
}

#[test]
fn private_addresses_pass_only_where_they_are_allowed() {
    for url in ["http://127.0.0.1:9/", "https://10.0.0.1/", "http://localhost/", "http://[::1]/"] {
        assert!(check_url(url, Egress::AllowPrivate).is_ok(), "{url}");
    }
    for url in ["file:///etc/passwd", "http://user@localhost/", "unix:///x"] {
        assert!(check_url(url, Egress::AllowPrivate).is_err(), "{url}");
    }
}

fn fixed(answer: Vec<IpAddr>) -> (Resolver, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let answer = answer.clone();
        Box::pin(async move { Ok(answer) })
    });
    (Resolver::over(Egress::PublicOnly, lookup), asked)
}

async fn resolve(resolver: &Resolver, host: &str) -> Result<Vec<String>, String> {
    let found = resolver.resolve(host.parse().unwrap()).await;
    found
        .map(|addresses| addresses.map(|address| address.ip().to_string()).collect())
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_name_resolves_to_public_addresses_only() {
    let (resolver, _) = fixed(vec![[10, 0, 0, 1].into(), [1, 1, 1, 1].into()]);
    assert_eq!(resolve(&resolver, "mixed.example").await.unwrap(), ["1.1.1.1"]);
    for bad in REFUSED {
        let Some(address) = Url::parse(bad)
            .ok()
            .and_then(|url| url.host_str()?.trim_matches(['[', ']']).parse::<IpAddr>().ok())
        else {
            continue;
        };
        let (resolver, _) = fixed(vec![address]);
        let refused = resolve(&resolver, "rebound.example").await.unwrap_err();
        assert!(refused.starts_with("rebound.example is "), "{bad}: {refused}");
    }
    let (resolver, asked) = fixed(vec![[1, 1, 1, 1].into()]);
    assert!(resolve(&resolver, "metadata.google.internal").await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody is asked about such a name");
}

/// A name that is harmless when it is first looked up and this machine afterwards reaches nobody,
/// because it is the addresses of the very lookup that are connected to.
#[tokio::test]
async fn rebinding_reaches_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (resolver, asked) = fixed(vec![[127, 0, 0, 1].into()]);
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().dns_resolver(resolver).build().unwrap();
    let error = client.get(format!("http://rebound.example:{port}/")).send().await.unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(refusal_in(&error).map(|refused| refused.what), Some("this machine"), "{error:?}");
    let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(nobody.is_err(), "a connection came");
}
