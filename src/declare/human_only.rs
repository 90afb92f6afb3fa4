//! What is for people alone: a trigger says so itself, or its tag or purpose does in the policy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fault::Fault;
use super::policy::File;
use super::read::Faults;
use super::registry::Registry;
use super::suggest;
use super::words::trigger::Trigger as Raw;
use crate::engine::policy::HandledBy;

/// What the policy leaves to people.
#[derive(Debug, Default)]
pub(crate) struct Reserved {
    tags: BTreeSet<Arc<str>>,
    purposes: BTreeSet<Arc<str>>,
}

impl Reserved {
    /// As the policy says. A tag that no trigger bears is a rule for those to come, unless it is
    /// nearly one that some do.
    pub(crate) fn of(
        base: &File<'_>,
        given: Option<&File<'_>>,
        registry: &Registry,
        list: &mut Vec<Fault>,
    ) -> Self {
        let file = given.unwrap_or(base);
        let mut faults = Faults { text: file.text, list };
        let mut tags = BTreeSet::new();
        for tag in file.raw.human_only.iter().flat_map(|tags| &tags.0) {
            let known = registry.tags.iter().map(|tag| &**tag);
            let meant = suggest::nearest(&tag.text, known).filter(|meant| **meant != *tag.text);
            if let Some(meant) = meant {
                let message =
                    format!("no trigger bears the tag `{}`, so this guards nothing", tag.text);
                let help = format!("did you mean `{meant}`?");
                faults.warning("W080", tag.extent, message, help);
            }
            tags.insert(Arc::from(&*tag.text));
        }
        let purposes = file.raw.purposes.as_ref().or(base.raw.purposes.as_ref());
        let purposes: BTreeMap<_, _> = purposes
            .iter()
            .flat_map(|purposes| &purposes.0)
            .map(|(key, words)| (Arc::from(&*key.text), words.human_only))
            .collect();
        let purposes = purposes.into_iter().filter(|(_, only)| *only == Some(true));
        Self { tags, purposes: purposes.map(|(name, _)| name).collect() }
    }

    /// Why a trigger may only hand over, if so.
    fn why(&self, raw: &Raw) -> Option<String> {
        if raw.human_only == Some(true) {
            return Some("this is for people alone (`human_only`)".to_owned());
        }
        let mut tags = raw.tags.iter().flat_map(|tags| &tags.0);
        tags.find(|tag| self.tags.contains(&*tag.text))
            .map(|tag| format!("the policy leaves what is tagged `{}` to people alone", tag.text))
    }
}

/// Who may take up what a trigger is about.
pub(crate) fn handled_by(raw: &Raw, reserved: &Reserved) -> HandledBy {
    match reserved.why(raw) {
        Some(_) => HandledBy::People,
        None => HandledBy::Anyone,
    }
}

/// Refuses a message about what is for people alone.
pub(crate) fn check(raw: &Raw, reserved: &Reserved, faults: &mut Faults<'_>) {
    let Some(send) = &raw.send else { return };
    if let Some(why) = reserved.why(raw) {
        let message = format!("{why}, and here it would write to the customer by itself");
        let help = "hand it to a person: `task:` in place of `send:`".to_owned();
        faults.error("E081", send.extent, message, help);
        return;
    }
    let purpose = send.purpose.0.as_ref();
    if let Some(purpose) = purpose.filter(|purpose| reserved.purposes.contains(&*purpose.text)) {
        let message = format!("only people speak of `{}` (`human_only`)", purpose.text);
        let help = "hand it to a person: `task:` in place of `send:`".to_owned();
        faults.error("E081", purpose.extent, message, help);
    }
}

#[cfg(test)]
mod tests {
    use crate::declare::{Source, SourceKind, load};
    use crate::engine::catalog::Sending;
    use crate::engine::policy::HandledBy;

    /// What becomes of one trigger under a policy: who handles it, or what is wrong; and warnings.
    fn told(policy: &str, trigger: &str) -> (Result<HandledBy, String>, Vec<String>) {
        let trigger = format!(
            "trigger: t\nkind: status\nabout: a\nowner: a@b.example\nwhen: {{event: E}}\n{trigger}"
        );
        let source =
            |kind, path: &str, text: &str| Source { path: path.into(), text: text.into(), kind };
        let sources = [
            source(SourceKind::Policy, "policy.yaml", policy),
            source(SourceKind::Trigger, "t.yaml", &trigger),
        ];
        match load(&sources, Sending::DryRun) {
            Ok(loaded) => {
                let warnings = loaded.warnings.iter();
                let warnings = warnings.filter(|fault| fault.code == "W080");
                let warnings = warnings.filter_map(|fault| fault.help.clone()).collect();
                (Ok(loaded.catalog.triggers[0].handled_by), warnings)
            }
            Err(faults) => {
                let [fault] = faults.as_slice() else { panic!("{faults:?}") };
                assert_eq!(fault.code, "E081");
                (Err(format!("{}: {}", fault.place.line, fault.message)), Vec::new())
            }
        }
    }

    const SEND: &str = "send: {purpose: service, via: sms, message: {en: {body: x}}}\n";
    const TASK: &str = "task: {in: tasks, title: x}\n";

    #[test]
    fn tags_and_purposes_of_the_policy_leave_matters_to_people() {
        let tags = "human_only: [legal, medical]\n";
        let tagged = |action: &str| format!("tags: [legal]\n{action}");
        assert_eq!(told(tags, &tagged(TASK)), (Ok(HandledBy::People), Vec::new()));
        assert_eq!(told(tags, SEND), (Ok(HandledBy::Anyone), Vec::new()));
        let refused = told(tags, &tagged(SEND)).0.unwrap_err();
        assert_eq!(
            refused,
            "7: the policy leaves what is tagged `legal` to people alone, and here it would write to the \
             customer by itself"
        );
        let purpose = "purposes: {service: {consent: opt_out, human_only: true}}\n";
        let refused = told(purpose, SEND).0.unwrap_err();
        assert_eq!(refused, "6: only people speak of `service` (`human_only`)");
        assert_eq!(told(purpose, TASK), (Ok(HandledBy::Anyone), Vec::new()));
    }

    #[test]
    fn a_tag_that_is_nearly_one_in_use_is_told() {
        let trigger = format!("tags: [legal]\n{SEND}");
        let (by, warned) = told("human_only: [leagl, medical]\n", &trigger);
        assert_eq!((by, warned), (Ok(HandledBy::Anyone), vec!["did you mean `legal`?".to_owned()]));
    }
}
