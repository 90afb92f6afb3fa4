//! Short messages that take more than three parts: each costs as much as a message, and they may
//! arrive in any order.

use super::fault::Fault;
use super::load::ReadFiles;
use super::read::Faults;
use crate::engine::catalog::{Action, Trigger};
use crate::engine::message::{Alphabet, segments};
use crate::engine::policy::{Channel, Policy};

/// Most parts of one message.
const PARTS_MAX: usize = 3;
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
        let mut via = send.via.iter().filter_map(|slot| policy.channels.get(slot.index()));
        let Some(channel) = via.find(|channel| is_short(channel)) else { continue };
        let file = files.triggers.iter().find(|file| file.text.path == trigger.place.file);
        let Some(file) = file else { continue };
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
