//! Mail that needs a yes carries the way to take it back, and short messages are short.

use super::fault::{Fault, Severity};
use super::load::ReadFiles;
use super::read::Faults;
use super::words::trigger::UnsubscribeWord;
use crate::engine::catalog::{Action, SendAction, Trigger};
use crate::engine::message::Texts;
use crate::engine::policy::{Channel, ConsentRule, Policy};

/// What a text asks for that has a way out.
const LINK: &str = "unsubscribe_url";
/// What a channel needs that is mail, and what such a channel is called.
const MAIL: &str = "email";
/// What a channel needs that reaches phones, and what such a channel is called.
const PHONE: &str = "phone";
const SMS: &str = "sms";
/// In how many parts a text may reach a phone.
const SEGMENTS_MAX: usize = 3;

/// Refuses mail without a link, unless the file says that whoever sends it puts one in; and short
/// messages that would be long ones. Looked at once nothing else is wrong.
pub(super) fn check(
    policy: &Policy,
    triggers: &[Trigger],
    texts: &Texts,
    files: &ReadFiles<'_>,
    list: &mut Vec<Fault>,
) {
    if list.iter().any(|fault| fault.severity == Severity::Error) {
        return;
    }
    for trigger in triggers {
        let Action::Send(send) = &trigger.action else { continue };
        too_long(policy, trigger, send, texts, files, list);
        let purpose = policy.purposes.get(send.purpose.index());
        let asked = purpose.filter(|purpose| purpose.consent == ConsentRule::OptIn);
        let mut via = send.via.iter().filter_map(|slot| policy.channels.get(slot.index()));
        let (Some(purpose), Some(channel)) = (asked, via.find(|channel| is_mail(channel))) else {
            continue;
        };
        let without = send
            .message
            .variants
            .iter()
            .find(|(_, fields)| !fields.iter().any(|(_, name)| texts.asks(name, LINK)));
        let file = files.triggers.iter().find(|file| file.text.path == trigger.place.file);
        let (Some((locale, _)), Some(file)) = (without, file) else { continue };
        let raw = file.raw.send.as_ref();
        if raw.and_then(|send| send.unsubscribe) == Some(UnsubscribeWord::Provider) {
            continue;
        }
        let extent = raw.map_or(file.raw.extent, |send| send.extent);
        let message = format!(
            "`{}` by `{}` needs a yes, and its text in `{locale}` has no way to take it back",
            purpose.name, channel.name
        );
        let help = format!(
            "print `{{{{ {LINK} }}}}` in it; if whoever sends it adds a link, say so: `unsubscribe: \
             provider`"
        );
        Faults { text: file.text, list }.error("E023", extent, message, help);
    }
}

/// Refuses a text for SMS that has too many parts already without what is put in.
fn too_long(
    policy: &Policy,
    trigger: &Trigger,
    send: &SendAction,
    texts: &Texts,
    files: &ReadFiles<'_>,
    list: &mut Vec<Fault>,
) {
    let mut via = send.via.iter().filter_map(|slot| policy.channels.get(slot.index()));
    let Some(channel) = via.find(|channel| is_of(channel, PHONE, SMS)) else { return };
    let file = files.triggers.iter().find(|file| file.text.path == trigger.place.file);
    let Some(file) = file else { return };
    for (locale, fields) in &send.message.variants {
        let body = fields.iter().find(|(field, _)| &**field == "body");
        let source = body.and_then(|(_, name)| texts.source(name));
        let Some(certain) = source.as_deref().and_then(certain) else { continue };
        let parts = segments(&certain);
        if parts <= SEGMENTS_MAX {
            continue;
        }
        let extent = file.raw.send.as_ref().map_or(file.raw.extent, |send| send.extent);
        let message = format!(
            "the text in `{locale}` takes at least {parts} parts by `{}`, and {SEGMENTS_MAX} are \
             allowed",
            channel.name
        );
        let help = "write it shorter: a part has 153 characters, or 67 with letters that are not \
                    in the alphabet of phones";
        Faults { text: file.text, list }.error("E024", extent, message, help.to_owned());
    }
}

/// What of a template is printed whatever the values are; nothing where that depends on conditions.
fn certain(source: &str) -> Option<String> {
    if source.contains("{%") {
        return None;
    }
    let mut certain = String::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once('{') {
        certain.push_str(before);
        let close = match after.get(..1) {
            Some("{") => "}}",
            Some("#") => "#}",
            _ => {
                certain.push('{');
                rest = after;
                continue;
            }
        };
        rest = after.split_once(close)?.1;
    }
    certain.push_str(rest);
    Some(certain)
}

/// In how many parts a phone gets a text.
fn segments(text: &str) -> usize {
    let septets: Option<usize> = text.trim().chars().map(septets).sum();
    let (length, alone, each) = match septets {
        Some(length) => (length, 160, 153),
        None => (text.trim().encode_utf16().count(), 70, 67),
    };
    if length <= alone { 1 } else { length.div_ceil(each) }
}

/// What a letter takes in the alphabet of phones (GSM 03.38), if it is in it.
fn septets(letter: char) -> Option<usize> {
    const ONE: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡\
                       ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
    const TWO: &str = "^{}\\[~]|€";
    if ONE.contains(letter) {
        return Some(1);
    }
    TWO.contains(letter).then_some(2)
}

fn is_mail(channel: &Channel) -> bool {
    is_of(channel, MAIL, MAIL)
}

fn is_of(channel: &Channel, needs: &str, name: &str) -> bool {
    let needed = channel.needs.as_ref().map(|(_, name)| &**name);
    needed == Some(needs) || &*channel.name == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_as_phones_do() {
        for (text, parts) in [
            ("", 1),
            (&*"a".repeat(160), 1),
            (&*"a".repeat(161), 2),
            (&*"a".repeat(459), 3),
            (&*"a".repeat(460), 4),
            (&*"€".repeat(80), 1),
            (&*"€".repeat(81), 2),
            (&*"字".repeat(70), 1),
            (&*"字".repeat(201), 3),
            (&*"字".repeat(202), 4),
            (&*"😀".repeat(35), 1),
        ] {
            assert_eq!(segments(text), parts, "{} of {text:.3}", text.chars().count());
        }
    }

    #[test]
    fn only_what_is_printed_anyway_is_certain() {
        for (source, expected) in [
            ("Hi {{ customer.name }}!", Some("Hi !")),
            ("{# no #}a{b}", Some("a{b}")),
            ("{% if a %}b{% endif %}", None),
            ("{{ never", None),
        ] {
            assert_eq!(certain(source).as_deref(), expected, "{source}");
        }
    }
}
