//! Messages that are too long for what carries them: short messages of more than three parts, of which
//! each costs as much as a message and they may arrive in any order, and pushes to browsers.

use super::fault::Fault;
use super::load::{ReadFile, ReadFiles};
use super::read::Faults;
use super::words::trigger::Trigger as Raw;
use crate::engine::catalog::{Action, Trigger};
use crate::engine::message::{Alphabet, segments};
use crate::engine::policy::{Channel, Policy};

/// Most parts of one message.
const PARTS_MAX: usize = 3;
/// Longest message that browsers get: what is left of a record of 4 KiB. What is around the texts of a
/// message takes some of it, too.
const PUSH_BYTES_MAX: usize = 3_993;
/// The fields that browsers get.
const PUSHED: [&str; 3] = ["title", "body", "url"];
/// The fields that a short message carries.
const FIELDS: [&str; 2] = ["body", "text"];

/// Refuses texts that are too long whatever is put into them. What is written inside of tags is not
/// counted; where there are blocks, a part of the text may be left out, and nothing is said.
pub(super) fn check(
    policy: &Policy,
    triggers: &[Trigger],
    files: &ReadFiles<'_>,
    list: &mut Vec<Fault>,
) {
    for trigger in triggers {
        let Action::Send(send) = &trigger.action else { continue };
        let via = || send.via.iter().filter_map(|slot| policy.channels.get(slot.index()));
        let file = files.triggers.iter().find(|file| file.text.path == trigger.place.file);
        let Some(file) = file else { continue };
        if let Some(channel) = via().find(|channel| is_push(channel)) {
            pushed(channel, file, list);
        }
        let Some(channel) = via().find(|channel| is_short(channel)) else { continue };
        let message = file.raw.send.as_ref().and_then(|send| send.message.0.as_ref());
        let variants = message.iter().flat_map(|message| &message.0);
        let fields = variants.flat_map(|(_, variant)| &variant.0.0);
        for (field, words) in fields.filter(|(field, _)| FIELDS.contains(&&*field.text)) {
            let Some(fixed) = fixed(&words.text) else { continue };
            let (alphabet, parts) = segments(&fixed);
            if parts <= PARTS_MAX {
                continue;
            }
            let message = format!(
                "`{}` by `{}` takes {parts} short messages, and at most {PARTS_MAX} are sent",
                field.text, channel.name
            );
            let help = match alphabet {
                Alphabet::Gsm => "459 letters are the most: say less".to_owned(),
                Alphabet::Ucs2 => {
                    let what =
                        "201 letters are the most, because a letter is not in GSM's alphabet";
                    format!("{what}: say less, or leave that letter out")
                }
            };
            Faults { text: file.text, list }.error("E071", words.extent, message, help);
        }
    }
}

/// Warns of what no browser takes whatever is put into it: it would be refused when it is sent.
fn pushed(channel: &Channel, file: &ReadFile<'_, Raw>, list: &mut Vec<Fault>) {
    let message = file.raw.send.as_ref().and_then(|send| send.message.0.as_ref());
    for (locale, variant) in message.iter().flat_map(|message| &message.0) {
        let fields = variant.0.0.iter().filter(|(field, _)| PUSHED.contains(&&*field.text));
        let length = fields.filter_map(|(_, words)| fixed(&words.text)).map(|text| text.len());
        let length = length.sum::<usize>();
        if length <= PUSH_BYTES_MAX {
            continue;
        }
        let message = format!(
            "this has {length} bytes in `{}`, and browsers get {PUSH_BYTES_MAX} by `{}`",
            locale.text, channel.name
        );
        let help = "say less, and let `url` lead to the rest".to_owned();
        Faults { text: file.text, list }.warning("W082", locale.extent, message, help);
    }
}

fn is_push(channel: &Channel) -> bool {
    channel.needs.as_ref().is_some_and(|(_, name)| &**name == "push_subscription")
}

fn is_short(channel: &Channel) -> bool {
    let needs = channel.needs.as_ref().map(|(_, name)| &**name);
    needs == Some("phone") || &*channel.name == "sms"
}

/// What a template prints for everybody; nothing when it has blocks.
fn fixed(template: &str) -> Option<String> {
    let mut fixed = String::new();
    let mut rest = template;
    while let Some((before, tag)) = rest.split_once('{') {
        fixed.push_str(before);
        let end = match tag.chars().next() {
            Some('{') => "}}",
            Some('#') => "#}",
            Some('%') => return None,
            _ => {
                fixed.push('{');
                rest = tag;
                continue;
            }
        };
        rest = tag.split_once(end).map_or("", |(_, after)| after);
    }
    fixed.push_str(rest);
    Some(fixed)
}
