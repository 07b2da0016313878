//! Whatever is said on an agent's line, in whatever order: start-up makes the same world of it.

use std::collections::BTreeSet;

use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};

use super::{super::super::outbox::Item, *};

/// Anything that a line, or whoever speaks over it, may do in one of three conversations.
fn happenings() -> impl Strategy<Value = Command> {
    let course = |n: u8| match n % 4 {
        0 => Control::SetPermissionMode { mode: format!("mode {}", n % 3) },
        1 => Control::SetModel { model: format!("model {}", n % 3) },
        2 => Control::SetMaxThinkingTokens { max_thinking_tokens: None },
        _ => Control::Interrupt,
    };
    (0_u8..13, 0_u8..3, 0_u8..12, any::<bool>()).prop_map(move |(what, of, n, flag)| {
        let (at, environment, payload) = (session(of), environment(0), Bytes::new());
        let list = |kind: &str| {
            let ids = (0..n % 3).map(|n| format!("{kind} {n}")).collect();
            flag.then(|| Offer { ids, option: (n % 2 == 0).then(|| kind.to_owned()) })
        };
        match what {
            0 => Command::CreateSession {
                particulars: SessionCreated { environment: Some(environment), ..creation(of, 0, None) },
                work: WorkId::from_uuid(Uuid::from_u128(u128::from(n))),
                course: if flag { vec![(request(n), course(n % 2))] } else { Vec::new() },
                prompt: flag.then(|| words(n, n)),
            },
            1 | 2 => Command::BindSession {
                environment,
                session: at,
                foreign: format!("foreign {}", n % 4),
                offers: Offers { modes: list("mode"), models: if n < 6 { None } else { list("model") } },
                payload,
            },
            3 => Command::ReportAgent {
                report: AgentReported {
                    environment,
                    connected: n > 1,
                    fresh: flag && n > 6,
                    abilities: Abilities { set_mode: flag, set_option: n % 2 == 0, ..Abilities::default() },
                },
                payload,
                notice: Bytes::new(),
            },
            4 => Command::PostMessage { session: at, prompt: words(n, n), work: WorkId::from_uuid(Uuid::nil()) },
            // Which prompt, the world says.
            5 | 6 => Command::BeginTurn { environment, session: at, prompt: Sequence::ZERO },
            7 => Command::TearTurn { session: at, payload },
            8 => Command::RetellTurn { session: at, pieces: vec![Bytes::new(); usize::from(n % 4)] },
            9 => Command::EndTurn { session: at, payload },
            10 => Command::RequestControl { session: at, request: request(n), control: course(n) },
            11 if flag => Command::EnvironmentLost { environment },
            11 => Command::EnvironmentSeen { environment },
            _ if flag => Command::SwitchAgent { environment },
            _ => Command::ArchiveSession { session: at },
        }
    })
}

fn played(steps: Vec<Command>) -> Bench {
    let mut bench = Bench::default();
    register(&mut bench, ALICE, 0, "node", &[]);
    identify(&mut bench, ALICE, 0, &[]).expect("new");
    for mut command in steps {
        bench.now = bench.now.plus_ms(1_000);
        if let Command::BeginTurn { session, prompt, .. } = &mut command
            && let Some(found) = bench.world.session(*session)
        {
            let mut waiting = found.outbox.items().filter(|(_, item)| matches!(item, Item::Prompt { .. }));
            *prompt = waiting.next().map(|(sequence, _)| sequence).unwrap_or_default();
        }
        let _refused = bench.submit(ALICE, command);
    }
    bench
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_on_a_line_start_up_makes_the_same_world_of_it(
        steps in prop::collection::vec(happenings(), 1..120),
    ) {
        let bench = played(steps);
        check(&bench);
        prop_assert_eq!(&rebuilt(&bench), &bench.world);
    }
}

#[test]
fn what_may_happen_on_a_line_does_happen_in_these_histories() {
    let mut runner = TestRunner::deterministic();
    let histories = prop::collection::vec(happenings(), 120);
    let mut kinds = BTreeSet::new();
    for _ in 0..64 {
        let steps = histories.new_tree(&mut runner).expect("a history").current();
        kinds.extend(played(steps).log.iter().map(|record| record.event.kind()));
    }
    for kind in ["session_bound", "message_delivered", "turn_torn", "turn_retold", "control_requested", "work_done"] {
        assert!(kinds.contains(kind), "{kind} is missing among {kinds:?}");
    }
}
