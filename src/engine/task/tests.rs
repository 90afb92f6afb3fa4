//! Which wishes are taken, in which stage, and what time does, over all of them.

use proptest::prelude::*;

use super::*;

fn opened(at: Timestamp) -> TaskState {
    let after = |hours: i64| Some(at + Span::HOUR.times(hours));
    TaskState {
        id: DecisionId::from_bytes([1; 16]),
        trigger: TriggerSlot(0),
        stage: Stage::Open,
        turn: 0,
        opened_at: at,
        changed_at: at,
        ack_within: Some(Span::HOUR),
        ack_by: after(1),
        due_at: after(8),
        overdue_at: after(8),
        expires_at: after(24),
        assigned_to: Some("mei".into()),
        chain: ["lead", "head"].map(Box::from).into_iter().collect(),
        outcome: None,
        desk: None,
    }
}

fn instruction(what: Wish) -> Instruction {
    let task = DecisionId::from_bytes([1; 16]);
    Instruction { task, id: "w".into(), by: "tom".into(), note: None, what }
}

fn wishes() -> [Wish; 6] {
    let done = Wish::Done(TaskOutcome::Resolved);
    [Wish::Ack, Wish::Claim, done, Wish::Reopen, Wish::Reassign("eva".into()), Wish::Note]
}

#[test]
fn each_wish_has_its_stages() {
    let at = Timestamp::from_millis(0);
    let allowed = |stage| {
        let words = wishes().into_iter().filter(|wish| allows((stage, at), wish, at).is_ok());
        words.map(|wish| wish.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(allowed(Stage::Open), "ack claim done reassign note");
    assert_eq!(allowed(Stage::Acked), "done reassign note");
    assert_eq!(allowed(Stage::Done), "reopen note");
    assert_eq!(allowed(Stage::Expired), "reopen note");
}

#[test]
fn words_are_read_back() {
    for stage in Stage::ALL {
        assert_eq!(Stage::parse(stage.as_str()), Some(*stage));
    }
    for outcome in TaskOutcome::ALL {
        assert_eq!(TaskOutcome::parse(outcome.as_str()), Some(*outcome));
    }
    assert_eq!(Stage::parse("opened"), None);
}

proptest! {
    /// Whatever people and time do: the number of changes counts exactly what was not refused, what
    /// is refused changes nothing, what is over waits for nothing, and time never comes twice.
    #[test]
    fn a_life_adds_up(steps in prop::collection::vec((0_usize..7, 0_i64..200), 1..60)) {
        let mut now = Timestamp::from_millis(0);
        let mut task = opened(now);
        for (step, quarters) in steps {
            now = now + Span::from_millis(quarters * 900_000);
            while let Some(due) = task.next_due().filter(|due| *due <= now) {
                let before = task.clone();
                let mut changes = 0;
                while task.elapse(due).is_some() {
                    changes += 1;
                }
                prop_assert!(0 < changes, "a timer without effect would fire for ever");
                prop_assert_eq!(task.turn, before.turn + changes);
                prop_assert!(task.next_due().is_none_or(|next| due < next));
            }
            let Some(wish) = wishes().into_iter().nth(step) else { continue };
            let before = task.clone();
            match task.follow(&instruction(wish), now) {
                What::Refused(_) => prop_assert_eq!(&task, &before),
                _ => prop_assert_eq!(task.turn, before.turn + 1),
            }
            prop_assert!(task.stage.is_open() || task.next_due().is_none());
            prop_assert!(task.next_due().is_none_or(|next| now < next));
            prop_assert_eq!(task.outcome.is_some(), task.stage == Stage::Done);
        }
    }
}
