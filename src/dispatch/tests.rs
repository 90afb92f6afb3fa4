//! The dispatcher whole: lanes, outbox, crashes and slow channels, against an outbox in memory.

use crate::store::record::{Field, OutboxRow};

/// A row as the store commits it with its decision.
pub(crate) fn row() -> OutboxRow {
    let field = |name: &str, text: &str| Field { name: name.into(), text: text.into() };
    OutboxRow {
        decision: "07".repeat(16),
        shard: 0,
        customer: "ada".into(),
        trigger: "checkout-hesitation".into(),
        channel: "email".into(),
        address: Some("ada@x.example".into()),
        purpose: "marketing".into(),
        decided_at_ms: 1_772_366_400_000,
        expires_at_ms: 1_772_370_000_000,
        offer: None,
        arm: None,
        locale: "en".into(),
        content: vec![field("title", "Stuck?"), field("body", "We can help.")],
        attempt: 1,
        in_flight: true,
        asks: 0,
        confirming: None,
        next_at_ms: 1_772_366_400_000,
        dry_run: false,
    }
}

mod whole {
    use std::collections::{BTreeMap, BTreeSet, VecDeque};
    use std::ops::Bound;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use futures_util::future::BoxFuture;
    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;

    use super::super::in_app::{InApp, Inbox};
    use super::super::outcome::{Answer, CallResult};
    use super::super::*;
    use super::row;
    use crate::clock::{Clock as _, Manual};
    use crate::engine::decision::Reason;
    use crate::engine::input::Delivery;
    use crate::engine::time::Span;
    use crate::store::record::InboxRow;

    /// An outbox in memory, the log behind it, the governor, and a channel that does as it is told.
    #[derive(Debug, Default)]
    struct World {
        outbox: Mutex<BTreeMap<String, OutboxRow>>,
        outcomes: Mutex<Vec<(String, u32, String)>>,
        calls: Mutex<Vec<(String, u32)>>,
        script: Mutex<VecDeque<CallResult>>,
        answers: Mutex<VecDeque<Answer>>,
        refusal: Mutex<Option<Reason>>,
        /// Channels whose calls wait for a permit.
        listed: Mutex<Vec<String>>,
        gates: Mutex<BTreeMap<String, Arc<Semaphore>>>,
        /// Rows stay in the outbox after their end, as until the log is applied.
        slow_log: bool,
    }

    impl Ledger for World {
        fn save<'a>(&'a self, row: &'a OutboxRow) -> BoxFuture<'a, Result<Saved, Trouble>> {
            let mut outbox = self.outbox.lock().unwrap();
            let saved = match outbox.get_mut(&row.decision) {
                Some(kept) => {
                    *kept = row.clone();
                    Saved::Kept
                }
                None => Saved::Gone,
            };
            Box::pin(std::future::ready(Ok(saved)))
        }

        fn finish<'a>(
            &'a self,
            row: &'a OutboxRow,
            delivery: &'a Delivery,
            _: Option<&'a Known>,
        ) -> BoxFuture<'a, Result<(), Trouble>> {
            if !self.slow_log {
                self.outbox.lock().unwrap().remove(&row.decision);
            }
            let word = format!("{delivery:?}").split([' ', '{']).next().unwrap().to_owned();
            self.outcomes.lock().unwrap().push((row.decision.clone(), row.attempt, word));
            Box::pin(std::future::ready(Ok(())))
        }

        fn page(&self, from: Option<String>, limit: usize) -> BoxFuture<'_, Result<Page, Trouble>> {
            let outbox = self.outbox.lock().unwrap();
            let start = from.map_or(Bound::Unbounded, Bound::Excluded);
            let rows: Vec<_> = outbox
                .range((start, Bound::Unbounded))
                .take(limit)
                .map(|(_, row)| row.clone())
                .collect();
            let next = (rows.len() == limit).then(|| rows.last().unwrap().decision.clone());
            Box::pin(std::future::ready(Ok(Page { rows, next })))
        }
    }

    impl Gate for World {
        fn recheck<'a>(
            &'a self,
            _: &'a OutboxRow,
            _: Timestamp,
        ) -> BoxFuture<'a, Result<Option<Reason>, Trouble>> {
            let refusal = *self.refusal.lock().unwrap();
            Box::pin(std::future::ready(Ok(refusal)))
        }

        fn listed(&self, row: &OutboxRow) -> Result<Option<Box<str>>, Trouble> {
            let is_listed = self.listed.lock().unwrap().contains(&row.customer);
            Ok(is_listed.then(|| "since then".into()))
        }
    }

    impl Inbox for World {
        fn put<'a>(&'a self, _: &'a InboxRow) -> BoxFuture<'a, Result<(), String>> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    #[derive(Debug)]
    struct Scripted(Arc<World>);

    impl Channel for Scripted {
        fn call<'a>(&'a self, row: &'a OutboxRow, _: Timestamp) -> BoxFuture<'a, CallResult> {
            let world = &self.0;
            world.calls.lock().unwrap().push((row.decision.clone(), row.attempt));
            let kept = world.outbox.lock().unwrap().get(&row.decision).cloned();
            assert_eq!(kept.as_ref(), Some(row), "an intent is committed before its call");
            assert!(row.in_flight);
            let gate = world.gates.lock().unwrap().get(&row.channel).cloned();
            Box::pin(async move {
                if let Some(gate) = gate {
                    gate.acquire().await.unwrap().forget();
                }
                world.script.lock().unwrap().pop_front().unwrap_or(CallResult::Delivered)
            })
        }

        fn ask<'a>(&'a self, row: &'a OutboxRow, _: Timestamp) -> BoxFuture<'a, Answer> {
            assert!(row.in_flight && 0 < row.asks, "it is asked about what is in doubt");
            let answer = self.0.answers.lock().unwrap().pop_front();
            Box::pin(std::future::ready(answer.unwrap_or(Answer::Absent)))
        }
    }

    struct Rig {
        world: Arc<World>,
        clock: Arc<Manual>,
        dispatcher: Dispatcher,
        tasks: Vec<JoinHandle<()>>,
    }

    impl Rig {
        fn new(world: World, sending: Sending, on_unknown: OnUnknown) -> Self {
            let world = Arc::new(world);
            let clock = Arc::new(Manual::at(Timestamp::from_millis(row().decided_at_ms)));
            let channels = ["email", "sms"].map(|name| ChannelConfig {
                name: name.to_owned(),
                place: "test".to_owned(),
                kind: ChannelKind::Console,
                concurrency: 4,
                rate: None,
                at_most: Vec::new(),
                on_unknown,
                receipts: ReceiptsConfig::none(),
            });
            let setup = Setup {
                channels: &channels,
                sending,
                ledger: world.clone(),
                gate: world.clone(),
                in_app: InApp::new(world.clone()),
                links: Arc::new(Links::new(&[1; 32], None, Span::DAY).unwrap()),
                clock: clock.clone(),
            };
            let make = |_: &ChannelConfig| -> Result<Arc<dyn Channel>, Unusable> {
                Ok(Arc::new(Scripted(world.clone())))
            };
            let (dispatcher, works) = Dispatcher::with(&setup, &make).unwrap();
            #[expect(clippy::disallowed_methods, reason = "the tasks of a test")]
            let tasks = works.into_iter().map(|work| tokio::spawn(work.future)).collect();
            Self { world, clock, dispatcher, tasks }
        }

        fn started(world: World) -> Self {
            let rig = Self::new(world, Sending::On, OnUnknown::Retry);
            rig.dispatcher.take_over([]);
            rig
        }

        /// Commits a row and hands it over, as the worker does.
        fn decide(&self, row: OutboxRow) {
            self.world.outbox.lock().unwrap().insert(row.decision.clone(), row.clone());
            self.dispatcher.offer(row);
        }

        async fn until(&self, what: &str, reached: impl Fn(&World) -> bool) {
            for _ in 0..2_000 {
                if reached(&self.world) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            panic!("never: {what}: {:?}", self.world);
        }

        async fn outcomes(&self, count: usize) -> Vec<(String, u32, String)> {
            self.until("outcomes", |world| count <= world.outcomes.lock().unwrap().len()).await;
            self.world.outcomes.lock().unwrap().clone()
        }
    }

    fn numbered(number: u32) -> OutboxRow {
        OutboxRow { decision: format!("{number:032x}"), customer: format!("c{number}"), ..row() }
    }

    fn not_sent() -> CallResult {
        CallResult::NotSent { why: "closed".to_owned(), not_before: None }
    }

    #[tokio::test]
    async fn a_send_is_called_once_and_its_outcome_logged() {
        let rig = Rig::started(World::default());
        rig.decide(row());
        assert_eq!(rig.outcomes(1).await, [(row().decision, 1, "Delivered".to_owned())]);
        assert_eq!(rig.world.calls.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_address_on_the_list_is_not_called_however_early() {
        let rig = Rig::started(World::default());
        rig.world.listed.lock().unwrap().push("c2".to_owned());
        rig.decide(numbered(2));
        rig.decide(numbered(3));
        let mut outcomes = rig.outcomes(2).await;
        outcomes.sort();
        let told: Vec<_> = outcomes.iter().map(|(_, _, delivery)| &**delivery).collect();
        assert_eq!(told, ["Refused", "Delivered"]);
        assert_eq!(rig.world.calls.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_was_not_taken_is_tried_again_when_it_is_due() {
        let world = World::default();
        world
            .script
            .lock()
            .unwrap()
            .extend([not_sent(), CallResult::Unknown { why: "reset".to_owned() }]);
        let rig = Rig::started(world);
        rig.decide(row());
        let waits = |world: &World, attempt| {
            let outbox = world.outbox.lock().unwrap();
            outbox
                .values()
                .next()
                .is_some_and(|row| row.attempt == attempt && row.next_at_ms > row.decided_at_ms)
        };
        rig.until("the first wait", |world| waits(world, 1)).await;
        assert!(!rig.world.outbox.lock().unwrap()[&row().decision].in_flight, "certainly not sent");
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(rig.world.calls.lock().unwrap().len(), 1, "not before it is due");
        rig.clock.advance(Span::from_millis(6_000));
        rig.until("the second wait", |world| {
            waits(world, 2) && 2 <= world.calls.lock().unwrap().len()
        })
        .await;
        rig.until("doubt is kept", |world| {
            world.outbox.lock().unwrap().values().all(|row| row.in_flight)
        })
        .await;
        rig.clock.advance(Span::from_millis(36_000));
        assert_eq!(rig.outcomes(1).await, [(row().decision, 3, "Delivered".to_owned())]);
        let attempts: Vec<u32> =
            rig.world.calls.lock().unwrap().iter().map(|call| call.1).collect();
        assert_eq!(attempts, [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_slow_channel_holds_up_no_other_and_loses_nothing() {
        let world = World::default();
        let slow = Arc::new(Semaphore::new(0));
        world.gates.lock().unwrap().insert("sms".to_owned(), slow.clone());
        let rig = Rig::started(world);
        let many = 2 * u32::try_from(lane::HELD_ROWS_MAX + lane::QUEUE_ROWS_MAX).unwrap();
        for number in 0..many {
            rig.decide(OutboxRow { channel: "sms".into(), ..numbered(number) });
        }
        rig.decide(OutboxRow { channel: "email".into(), ..numbered(many) });
        assert_eq!(rig.outcomes(1).await[0].0, numbered(many).decision);
        slow.add_permits(usize::try_from(many).unwrap());
        let outcomes = rig.outcomes(usize::try_from(many).unwrap() + 1).await;
        let different: BTreeSet<_> = outcomes.iter().map(|outcome| &outcome.0).collect();
        assert_eq!(different.len(), outcomes.len());
        let calls = rig.world.calls.lock().unwrap();
        assert_eq!(calls.len(), outcomes.len(), "each is called once");
        assert!(calls.iter().all(|call| call.1 == 1), "and none was thought to be in doubt");
    }

    #[tokio::test]
    async fn what_found_no_room_comes_as_soon_as_there_is_some() {
        let world = World::default();
        let slow = Arc::new(Semaphore::new(0));
        for channel in ["sms", "push"] {
            world.gates.lock().unwrap().insert(channel.to_owned(), slow.clone());
        }
        // Nobody looks through the whole outbox before what was left is taken over.
        let rig = Rig::new(world, Sending::On, OnUnknown::Retry);
        let many = 4 * u32::try_from(lane::HELD_ROWS_MAX + lane::QUEUE_ROWS_MAX).unwrap();
        for number in 0..many {
            let channel = ["sms", "push", "email"][number as usize % 3].to_owned();
            rig.decide(OutboxRow { channel, ..numbered(number) });
        }
        slow.add_permits(usize::try_from(many).unwrap());
        let outcomes = rig.outcomes(usize::try_from(many).unwrap()).await;
        let different: BTreeSet<_> = outcomes.iter().map(|outcome| &outcome.0).collect();
        assert_eq!((different.len(), outcomes.len()), (many as usize, many as usize));
        assert_eq!(rig.world.calls.lock().unwrap().len(), many as usize, "each is called once");
    }

    #[tokio::test]
    async fn calls_of_one_customer_follow_each_other() {
        let world = World::default();
        let gate = Arc::new(Semaphore::new(0));
        world.gates.lock().unwrap().insert("email".to_owned(), gate.clone());
        let rig = Rig::started(world);
        for number in 0..3 {
            rig.decide(OutboxRow { customer: "ada".into(), ..numbered(number) });
        }
        rig.decide(numbered(9));
        rig.until("two customers' calls", |world| world.calls.lock().unwrap().len() == 2).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(rig.world.calls.lock().unwrap().len(), 2);
        gate.add_permits(4);
        rig.outcomes(4).await;
        let ada: Vec<_> =
            rig.world.calls.lock().unwrap().iter().map(|call| call.0.clone()).collect();
        let ada: Vec<_> = ada.into_iter().filter(|id| *id != numbered(9).decision).collect();
        assert_eq!(ada, [0, 1, 2].map(|number| numbered(number).decision));
    }

    #[tokio::test]
    async fn what_an_earlier_run_left_is_taken_over_as_its_channel_asks() {
        for (on_unknown, calls, outcome) in
            [(OnUnknown::Retry, vec![2], "Delivered"), (OnUnknown::Hold, vec![], "Unknown")]
        {
            let world = World::default();
            world.outbox.lock().unwrap().insert(row().decision, row());
            let rig = Rig::new(world, Sending::On, on_unknown);
            rig.dispatcher.take_over([DecisionId::from_bytes([7; 16])]);
            assert_eq!(rig.outcomes(1).await[0].2, outcome);
            let made: Vec<u32> =
                rig.world.calls.lock().unwrap().iter().map(|call| call.1).collect();
            assert_eq!(made, calls);
        }
    }

    #[tokio::test]
    async fn what_can_be_asked_is_asked_before_it_is_called_again() {
        let unclear = || Answer::Unclear { why: "busy".to_owned() };
        for (answers, calls, outcome) in [
            (vec![Answer::Taken { name: None }], vec![1], "Delivered"),
            (vec![unclear(), Answer::Taken { name: None }], vec![1], "Delivered"),
            (vec![Answer::Absent], vec![1, 2], "Delivered"),
            (vec![unclear(), Answer::Absent], vec![1, 2], "Delivered"),
            (vec![unclear(); 8], vec![1], "Unknown"),
        ] {
            let world = World::default();
            world.script.lock().unwrap().push_back(CallResult::Unknown { why: "reset".into() });
            world.answers.lock().unwrap().extend(answers.clone());
            let after = Span::from_millis(30_000);
            let rig = Rig::new(world, Sending::On, OnUnknown::Probe { after });
            rig.dispatcher.take_over([]);
            rig.decide(row());
            for _ in 0..400 {
                if !rig.world.outcomes.lock().unwrap().is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
                rig.clock.advance(Span::MINUTE.times(2));
            }
            assert_eq!(rig.outcomes(1).await[0].2, outcome, "{answers:?}");
            let made: Vec<u32> =
                rig.world.calls.lock().unwrap().iter().map(|call| call.1).collect();
            assert_eq!(made, calls, "{answers:?}");
        }
    }

    #[tokio::test]
    async fn what_is_put_off_does_not_make_the_channel_rest() {
        let world = World::default();
        let put_off = || CallResult::PutOff { why: "greylisted".to_owned() };
        world.script.lock().unwrap().extend((0..20).map(|_| put_off()));
        let rig = Rig::started(world);
        (0..30).for_each(|number| rig.decide(numbered(number)));
        // No clock moves: a channel that rests would not get there.
        let ends = rig.outcomes(10).await;
        assert!(ends.iter().all(|end| end.2 == "Delivered"), "{ends:?}");
    }

    #[tokio::test]
    async fn a_row_that_lingers_after_its_end_is_not_called_again() {
        let rig = Rig::started(World { slow_log: true, ..World::default() });
        rig.decide(row());
        rig.outcomes(1).await;
        // Long enough for several scans, which meet the row every time.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(rig.world.calls.lock().unwrap().len(), 1);
        assert_eq!(rig.world.outcomes.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_withdrawn_send_is_not_called() {
        let world = World::default();
        world.script.lock().unwrap().push_back(not_sent());
        let rig = Rig::started(world);
        rig.decide(row());
        rig.until("the wait", |world| !world.outbox.lock().unwrap()[&row().decision].in_flight)
            .await;
        rig.world.outbox.lock().unwrap().clear();
        rig.dispatcher.withdraw(DecisionId::from_bytes([7; 16]));
        rig.clock.advance(Span::MINUTE);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(rig.world.calls.lock().unwrap().len(), 1);
        assert!(rig.world.outcomes.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_send_withdrawn_while_it_waits_in_line_is_not_called() {
        let world = World::default();
        let gate = Arc::new(Semaphore::new(0));
        world.gates.lock().unwrap().insert("email".to_owned(), gate.clone());
        let rig = Rig::started(world);
        for number in 1..3 {
            rig.decide(OutboxRow { customer: "ada".into(), ..numbered(number) });
        }
        rig.until("the first call", |world| world.calls.lock().unwrap().len() == 1).await;
        rig.world.outbox.lock().unwrap().remove(&numbered(2).decision);
        rig.dispatcher.withdraw(DecisionId::parse(&numbered(2).decision).unwrap());
        gate.add_permits(9);
        rig.outcomes(1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(*rig.world.calls.lock().unwrap(), [(numbered(1).decision, 1)]);
    }

    #[tokio::test]
    async fn the_governor_may_refuse_a_late_call() {
        let world = World::default();
        *world.refusal.lock().unwrap() = Some(Reason::OptedOut);
        let rig = Rig::started(world);
        rig.clock.advance(Span::from_millis(5_001));
        rig.decide(row());
        assert_eq!(rig.outcomes(1).await[0].2, "Refused");
        assert!(rig.world.calls.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn with_sending_off_nothing_is_called_and_everything_settled() {
        let rig = Rig::new(World::default(), Sending::DryRun, OnUnknown::Retry);
        rig.dispatcher.take_over([]);
        rig.decide(row());
        assert_eq!(rig.outcomes(1).await[0].2, "Delivered");
        assert!(rig.world.calls.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_was_decided_while_sending_was_off_never_leaves() {
        let world = World::default();
        let row = OutboxRow { dry_run: true, ..row() };
        world.outbox.lock().unwrap().insert(row.decision.clone(), row);
        let rig = Rig::new(world, Sending::On, OnUnknown::Retry);
        rig.dispatcher.take_over([DecisionId::from_bytes([7; 16])]);
        assert_eq!(rig.outcomes(1).await[0].2, "Delivered");
        assert!(rig.world.calls.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_stop_waits_for_calls_under_way_and_starts_none() {
        let world = World::default();
        let gate = Arc::new(Semaphore::new(0));
        world.gates.lock().unwrap().insert("email".to_owned(), gate.clone());
        let mut rig = Rig::started(world);
        for number in 0..20 {
            rig.decide(numbered(number));
        }
        rig.until("calls", |world| world.calls.lock().unwrap().len() == 4).await;
        rig.dispatcher.stop();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(rig.tasks.iter().any(|task| !task.is_finished()), "it waits");
        gate.add_permits(100);
        for task in rig.tasks.drain(..) {
            task.await.unwrap();
        }
        assert_eq!(rig.world.calls.lock().unwrap().len(), 4);
        assert_eq!(rig.world.outcomes.lock().unwrap().len(), 4);
        assert!(rig.clock.now() < Timestamp::MAX);
    }
}
