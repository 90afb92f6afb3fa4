//! Tests of the configuration: precedence, defaults, and the text of each fault.

use super::*;
use crate::engine::policy::Period;

fn load(yaml: &str, env: &[(&str, &str)], flags: Flags) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heedful.yaml");
    fs::write(&path, yaml).unwrap();
    let lookup = |name: &str| {
        env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    let flags = Flags { config: Some(path.clone()), ..flags };
    Config::load(flags, &lookup)
        .map_err(|faults| faults.to_string().replace(path.to_str().unwrap(), "heedful.yaml"))
}

fn faults(yaml: &str) -> String {
    load(yaml, &[("EMPTY", "")], Flags::default()).unwrap_err()
}

#[test]
fn every_default_works() {
    let config = Config::load(Flags::default(), &|_: &str| None).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.sending, Sending::DryRun);
    assert!(config.is_local() && config.api_token.is_none());
    assert!(load("", &[], Flags::default()).is_ok(), "an empty file is fine");
    assert!(load("# nothing\n", &[], Flags::default()).is_ok(), "so is a comment");
}

#[test]
fn a_flag_wins_over_the_file_and_a_variable_gives_secrets() {
    let yaml = "listen: 127.0.0.1:1\nsending: on\nshards: 3\napi_token: from-the-file\n";
    let env = [("HEEDFUL_API_TOKEN", "from-the-variable"), ("HEEDFUL_WRITE_KEYS", "a, b,")];
    let flags = Flags {
        listen: Some("localhost:2".to_owned()),
        sending: Some(Sending::DryRun),
        ..Flags::default()
    };
    let config = load(yaml, &env, flags).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:2");
    assert_eq!(config.sending, Sending::DryRun);
    assert_eq!(config.shards, Some(3));
    assert_eq!(config.api_token.unwrap().expose_secret(), "from-the-variable");
    let keys: Vec<&str> = config.write_keys.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(keys, ["a", "b"]);
}

#[test]
fn paths_of_the_file_are_relative_to_it() {
    let config = load("data: store\ntriggers: /abs\n", &[], Flags::default()).unwrap();
    assert!(config.data.is_absolute() && config.data.ends_with("store"));
    assert_eq!(config.triggers, Path::new("/abs"));
    assert_eq!(config.models, Path::new("models"));
}

#[test]
fn a_webhook_is_read_whole() {
    let yaml = "
channels:
  email:
    type: webhook
    url: ${BASE:-https://hooks.example}/mail
    secret: ${NEW}
    secret_previous: [whsec_b2xk]
    headers: {Authorization: 'Bearer ${NEW}'}
    timeout: 5s
    rate: 20/min
    concurrency: 2
    on_unknown: hold
  in_app: {type: in_app}
";
    let config = load(yaml, &[("NEW", "whsec_bmV3")], Flags::default()).unwrap();
    let [email, in_app] = config.channels.as_slice() else { panic!("two channels") };
    assert_eq!((email.name.as_str(), email.place.ends_with("heedful.yaml:3:3")), ("email", true));
    assert_eq!((email.concurrency, email.on_unknown), (2, OnUnknown::Hold));
    assert_eq!(email.rate, Some(Rate { calls: 20, per: Span::MINUTE }));
    let ChannelKind::Webhook(webhook) = &email.kind else { panic!("a webhook") };
    assert_eq!(webhook.url, "https://hooks.example/mail");
    assert_eq!(webhook.timeout, Span::from_millis(5_000));
    assert_eq!(webhook.egress, Egress::PublicOnly);
    let secrets: Vec<&str> = webhook.secrets.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(secrets, ["whsec_bmV3", "whsec_b2xk"]);
    assert_eq!(webhook.headers[0].1.expose_secret(), "Bearer whsec_bmV3");
    assert!(!format!("{config:?}").contains("whsec_"), "secrets are not shown");
    assert!(matches!(in_app.kind, ChannelKind::InApp));
}

#[test]
fn all_faults_are_told_at_once_with_their_places() {
    let found = faults(
        "listne: 127.0.0.1:8080
limits: {connections: many}
channels:
  email: {type: webhok}
  sms: {type: webhook, secret: s, rate: 20}
retention: {decisions: forever}
",
    );
    let expected = "heedful.yaml:2:23: expected a number from 1 to 65536
  2 | limits: {connections: many}
    |                       ^

heedful.yaml:4:17: `webhok` is not known here
  4 |   email: {type: webhok}
    |                 ^
  help: did you mean `webhook`?

heedful.yaml:5:41: expected a rate like `20/min`, `5/s` or `1000/h`
  5 |   sms: {type: webhook, secret: s, rate: 20}
    |                                         ^

heedful.yaml:5:8: `url` is missing here
  5 |   sms: {type: webhook, secret: s, rate: 20}
    |        ^

heedful.yaml:6:24: expected a length of time like `15s`, `10m` or `90d`
  6 | retention: {decisions: forever}
    |                        ^

heedful.yaml:1:1: `listne` is not known here
  1 | listne: 127.0.0.1:8080
    | ^
  help: did you mean `listen`?";
    let sort = |text: &str| {
        let mut faults: Vec<String> = text.split("\n\n").map(str::to_owned).collect();
        faults.sort();
        faults
    };
    assert_eq!(sort(&found), sort(expected), "{found}");
}

#[test]
fn what_is_not_yaml_is_told_with_its_place() {
    for (yaml, place) in [
        ("a: [1, 2\n", "heedful.yaml:"),
        ("listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n", "heedful.yaml:2:1: "),
        ("- a\n- b\n", "heedful.yaml:1:1: expected a block of keys, found a list"),
        (
            "data: {a: ${A}}\n",
            "heedful.yaml:1:12: while parsing a flow mapping, did not find expected ',' or '}'\n",
        ),
        ("data: {a: b}\n", "heedful.yaml:1:7: expected a text, found a block of keys"),
    ] {
        let found = faults(yaml);
        assert!(found.starts_with(place), "{yaml}: {found}");
    }
}

#[test]
fn no_fault_shows_the_value_of_a_variable() {
    let yaml = "listen: ${SECRET}\nlimits: {connections: '${SECRET}'}\nchannels: {a: {type: '${SECRET}'}}\napi_token: ${UNSET}\n";
    let env = [("SECRET", "hunter2hunter2")];
    let found = load(yaml, &env, Flags::default()).unwrap_err();
    assert!(!found.contains("hunter2"), "{found}");
    assert!(found.contains("the environment variable `UNSET` is not set"), "{found}");
}

#[test]
fn a_service_open_to_the_network_needs_a_token_and_write_keys() {
    let open = |env: &[(&str, &str)]| load("listen: 0.0.0.0:8080\n", env, Flags::default());
    let found = open(&[]).unwrap_err();
    assert!(found.contains("the API needs a token of at least 16 characters"), "{found}");
    assert!(found.contains("events need a write key"), "{found}");
    let short = [("HEEDFUL_API_TOKEN", "short"), ("HEEDFUL_WRITE_KEYS", "k")];
    assert!(open(&short).unwrap_err().contains("at least 16"));
    let enough = [("HEEDFUL_API_TOKEN", "0123456789abcdef"), ("HEEDFUL_WRITE_KEYS", "k")];
    assert!(open(&enough).is_ok());
}

#[test]
fn secrets_come_from_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    fs::write(&path, "first\nsecond\n").unwrap();
    let path = path.to_str().unwrap().to_owned();
    let config = load("", &[("HEEDFUL_WRITE_KEYS_FILE", &path)], Flags::default()).unwrap();
    assert_eq!(config.write_keys.len(), 2);
    let missing = [("HEEDFUL_API_TOKEN_FILE", "/nowhere/token")];
    let found = load("", &missing, Flags::default()).unwrap_err();
    assert!(found.starts_with("HEEDFUL_API_TOKEN_FILE: the file `/nowhere/token`"), "{found}");
}

#[test]
fn the_example_names_every_key_with_its_default() {
    let example = include_str!("../../examples/first-outreach/heedful.yaml");
    // Prose stays a comment: it does not begin with a key.
    let is_key =
        |line: &&str| line.trim_start().split(' ').next().is_some_and(|word| word.ends_with(':'));
    let lines = example.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_key);
    let text = lines.collect::<Vec<_>>().join("\n");
    let env = |name: &str| Some(format!("whsec_{}", "c2VjcmV0".repeat(name.len())));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heedful.yaml");
    fs::write(&path, text).unwrap();
    let flags = Flags { config: Some(path), ..Flags::default() };
    let said = Config::load(flags, &env).map_err(|faults| faults.to_string()).unwrap();
    let plain = Config::default();
    assert_eq!(said.triggers, folder.path().join(plain.triggers));
    assert_eq!((said.listen, said.sending), (plain.listen, plain.sending));
    assert_eq!((said.limits, said.retention), (plain.limits, plain.retention));
    assert!(said.api_token.is_some() && said.shards.is_some());
    assert_eq!(said.write_keys.len(), 1);
    let email = said.channels.first().unwrap();
    assert_eq!(email.concurrency, CONCURRENCY_DEFAULT);
    let ChannelKind::Webhook(webhook) = &email.kind else { panic!("{email:?}") };
    assert_eq!(webhook.timeout, WEBHOOK_TIMEOUT_DEFAULT);
}

/// The channels of a block `channels:`, and what is wrong with it; `KEY` is in the environment.
pub(super) fn read_channels(text: &str) -> (Vec<ChannelConfig>, Vec<String>) {
    let env = |name: &str| (name == "KEY").then(|| "hush".to_owned());
    let root = Node::parse("heedful.yaml", text).unwrap();
    let mut reading =
        Reading { origin: "heedful.yaml", text, env: &env, faults: Faults::default() };
    let channels = channel::channels(root, &mut reading);
    (channels, reading.faults.iter().map(ToString::to_string).collect())
}

#[test]
fn channels_are_lent_what_stands_elsewhere() {
    let yaml = "channels:\n  bus: {type: kafka, topic: out}\n  own: {type: kafka, topic: out, brokers: 'b:2'}\n  \
                list: {type: csv, folder: lists}\n";
    let told = faults(yaml);
    assert!(told.contains("has no brokers") && told.contains("2:3"), "{told}");
    let config =
        load(&format!("{yaml}kafka: {{brokers: 'a:1'}}\n"), &[], Flags::default()).unwrap();
    let brokers = |channel: &ChannelConfig| match &channel.kind {
        ChannelKind::Kafka(topic) => topic.kafka.clone().map(|kafka| kafka.brokers),
        _ => None,
    };
    let all: Vec<_> = config.channels.iter().filter_map(brokers).collect();
    assert_eq!(all, ["a:1", "b:2"]);
    let ChannelKind::Csv(csv) = &config.channels[2].kind else { panic!("{:?}", config.channels) };
    assert!(csv.folder.is_absolute() && csv.folder.ends_with("lists"), "{csv:?}");
}

#[test]
fn nodes_that_hear_of_each_others_sends_sign_with_one_key() {
    let kafka = "kafka: {brokers: 'a:1'}\n";
    let heard = "channels:\n  sms: {type: webhook, url: 'https://x.example', secret: whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw=, \
                 receipts: {secret: whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw=}}\n";
    let key = "unsubscribe: {key: 'a1234567890123456789012345678901234567890'}\n";
    let told = faults(&format!("{kafka}{heard}"));
    assert!(told.contains("sign links and references with the same `key`"), "{told}");
    for right in [format!("{kafka}{heard}{key}"), heard.to_owned(), kafka.to_owned()] {
        load(&right, &[], Flags::default()).unwrap();
    }
}

#[test]
fn channels_bring_along_what_they_take_of_one_customer() {
    let wecom = |more: &str| {
        format!(
            "w: {{type: http, preset: wecom_customer, with: {{sender: mei}}, token_file: t{more}}}\n"
        )
    };
    let told = |text: &str| {
        let (channels, faults) = read_channels(text);
        (Config { channels, ..Config::default() }.caps_of_channels(), faults)
    };
    let lent = |at_most, period| LentCap { channel: "w".into(), at_most, period };
    for (text, caps) in [
        (wecom(""), vec![lent(1, Period::Day), lent(4, Period::Month)]),
        (wecom(", at_most: {week: 2}"), vec![lent(2, Period::Week)]),
        (wecom(", at_most: {}"), vec![]),
        ("w: {type: console}\n".to_owned(), vec![]),
    ] {
        assert_eq!(told(&text), (caps, vec![]), "{text}");
    }
    for wrong in ["{year: 1}", "{day: 0}", "{day: many}", "3"] {
        let (caps, faults) = told(&format!("w: {{type: console, at_most: {wrong}}}\n"));
        assert_eq!((caps.len(), faults.len()), (0, 1), "{wrong}: {faults:?}");
    }
}
