//! Mail that needs a yes carries the way to take it back.

use super::fault::Fault;
use super::load::ReadFiles;
use super::read::Faults;
use super::words::trigger::UnsubscribeWord;
use crate::engine::catalog::{Action, Trigger};
use crate::engine::message::Texts;
use crate::engine::policy::{Channel, ConsentRule, Policy};

/// What a text asks for that has a way out.
const LINK: &str = "unsubscribe_url";
/// What a channel needs that is mail, and what such a channel is called.
const MAIL: &str = "email";

/// Refuses mail without a link, unless the file says that whoever sends it puts one in. Looked at
/// once nothing else is wrong.
pub(super) fn check(
    policy: &Policy,
    triggers: &[Trigger],
    texts: &Texts,
    files: &ReadFiles<'_>,
    list: &mut Vec<Fault>,
) {
    for trigger in triggers {
        let Action::Send(send) = &trigger.action else { continue };
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

fn is_mail(channel: &Channel) -> bool {
    let needed = channel.needs.as_ref().map(|(_, name)| &**name);
    needed == Some(MAIL) || &*channel.name == MAIL
}
