//! What `kafka.registry:` says: where schemas are had, and as whom.

use secrecy::SecretString;

use super::node::{Kind, Node};
use super::table::Reading;

/// Most addresses of one registry: each is asked in turn when the one before fails.
const ADDRESSES_MAX: usize = 8;

/// A schema registry, as Confluent's and Karapace answer.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Its addresses, the one asked first in front.
    pub addresses: Vec<String>,
    /// As whom it is asked.
    pub login: Login,
}

/// As whom somebody is asked.
#[derive(Clone, Debug)]
pub enum Login {
    /// As anybody.
    None,
    /// By name and password; with Confluent's cloud the key and its secret.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// As whoever bears this.
    Token(SecretString),
}

/// Reads `registry:`.
pub(super) fn registry(node: Node, reading: &mut Reading<'_>) -> Option<RegistryConfig> {
    let mut table = reading.table(node);
    let addresses = table.need("url", reading).and_then(|node| addresses(&node, reading));
    let (user, password) = (table.take("user"), table.take("password"));
    let token = table.take("token");
    let login = match (user, password, token) {
        (None, None, None) => Some(Login::None),
        (None, None, Some(token)) => reading.secret(&token).map(Login::Token),
        (Some(user), Some(password), None) => reading
            .text(&user)
            .zip(reading.secret(&password))
            .map(|(user, password)| Login::Basic { user, password }),
        (Some(alone), None, _) | (None, Some(alone), _) => {
            reading.fault(&alone, "`user` and `password` belong together", None);
            None
        }
        (Some(_), Some(_), Some(token)) => {
            let help = "leave out `token`, or `user` and `password`".to_owned();
            reading.fault(&token, "there are two ways to log in", Some(help));
            None
        }
    };
    table.end(reading);
    Some(RegistryConfig { addresses: addresses?, login: login? })
}

fn addresses(node: &Node, reading: &mut Reading<'_>) -> Option<Vec<String>> {
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() || ADDRESSES_MAX < items.len() {
        reading.fault(node, format!("expected 1 to {ADDRESSES_MAX} addresses"), None);
        return None;
    }
    items.iter().map(|item| super::kafka::address(item, reading)).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::super::fault::Faults;
    use super::*;

    fn read(text: &str) -> (Option<RegistryConfig>, Vec<String>) {
        let env = |name: &str| (name == "REGISTRY_SECRET").then(|| "hush".to_owned());
        let root = Node::parse("heedful.yaml", text).unwrap();
        let mut reading =
            Reading { origin: "heedful.yaml", text, env: &env, faults: Faults::default() };
        let registry = registry(root, &mut reading);
        (registry, reading.faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_address_is_enough_and_a_login_is_kept_secret() {
        let (plain, faults) = read("url: http://registry:8081/\n");
        assert_eq!(faults, Vec::<String>::new());
        let plain = plain.unwrap();
        assert_eq!(plain.addresses, ["http://registry:8081"]);
        assert!(matches!(plain.login, Login::None));
        let (named, _) =
            read("url: [https://a, https://b]\nuser: ops\npassword: ${REGISTRY_SECRET}\n");
        let named = named.unwrap();
        assert!(!format!("{named:?}").contains("hush"));
        let Login::Basic { user, password } = named.login else { panic!("no login") };
        assert_eq!((user.as_str(), password.expose_secret()), ("ops", "hush"));
        assert_eq!(named.addresses.len(), 2);
    }

    #[test]
    fn half_a_login_and_no_address_are_told() {
        for (text, at, what) in [
            ("user: a\npassword: b\n", "1:1", "`url` is missing"),
            ("url: registry\n", "1:6", "begins with `http://`"),
            ("url: http://r\nuser: a\n", "2:7", "belong together"),
            ("url: http://r\npassword: a\n", "2:11", "belong together"),
            ("url: http://r\nuser: a\npassword: b\ntoken: c\n", "4:8", "two ways"),
            ("url: []\n", "1:6", "1 to 8 addresses"),
        ] {
            let (registry, faults) = read(text);
            assert!(registry.is_none(), "{text}");
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert!(faults[0].contains(at) && faults[0].contains(what), "{text}: {faults:?}");
        }
    }
}
