//! What the customer said yes and no to, with where, when and what proves it.

use super::Explainer;
use crate::engine::input::Answer;
use crate::engine::time::Timestamp;

impl Explainer<'_> {
    pub(super) fn consents(&self, text: &mut String) {
        for said in &self.state.rare.consents {
            let answer = word(said.answer);
            let purpose = said.purpose.map(|slot| self.teller.purpose(slot));
            let purpose = purpose.map_or("everything".to_owned(), |name| format!("`{name}`"));
            let channel = said.channel.map(|slot| self.teller.channel(slot));
            let channel = channel.map_or(String::new(), |name| format!(" on `{name}`"));
            let proof = self.proof(said.at, &said.source, said.evidence.as_deref());
            text.push_str(&format!("  consent     {answer} to {purpose}{channel} ({proof})\n"));
        }
        if let Some(said) = &self.state.rare.profiling {
            let proof = self.proof(said.at, &said.source, said.evidence.as_deref());
            let answer = word(said.answer);
            text.push_str(&format!("  profiling   {answer} to scores that decide ({proof})\n"));
        }
    }

    fn proof(&self, at: Timestamp, source: &str, evidence: Option<&str>) -> String {
        let evidence = evidence.map_or(String::new(), |text| format!(", proven by `{text}`"));
        format!("{}, from `{source}`{evidence}", self.when(at))
    }
}

const fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Granted => "yes",
        Answer::Denied => "no",
    }
}
