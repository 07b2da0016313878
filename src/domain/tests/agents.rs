//! Agents behind links: who is whose successor, and one turn at a time.

use super::{
    super::agent::{Steering, Step, in_turn, next_step, steering, twins},
    *,
};
use crate::domain::event::{Abilities, AgentReported, Offer, Offers};

mod lines;
mod offers;

const ALICE: Actor = Actor::Key(KeyId::from_uuid(Uuid::from_u128(1)));
const MALLORY: Actor = Actor::Key(KeyId::from_uuid(Uuid::from_u128(2)));

fn agent(n: u8, name: &str, group: &str) -> EnvironmentRegistered {
    EnvironmentRegistered {
        machine_name: name.into(),
        worker_type: "acp".into(),
        group: Some(group.into()),
        ..registration(n, 0, 1)
    }
}

fn register(bench: &mut Bench, actor: Actor, n: u8, name: &str, linked: &[u8]) -> (EnvironmentId, SessionId) {
    let linked = linked.iter().map(|n| environment(*n)).collect();
    let particulars = agent(n, name, "lab");
    let command = Command::RegisterAgent { particulars, session: session(n), linked };
    match bench.submit(actor, command).expect("new") {
        Outcome::Agent { environment, session } => (environment, session),
        other => panic!("{other:?}"),
    }
}

fn identify(bench: &mut Bench, actor: Actor, n: u8, linked: &[u8]) -> Result<(EnvironmentId, SessionId), Refusal> {
    let linked = linked.iter().map(|n| environment(*n)).collect();
    let spare = session(n.wrapping_add(100));
    let command = Command::IdentifyAgent { environment: environment(n), session: spare, linked };
    Ok(match bench.submit(actor, command)? {
        Outcome::Agent { environment, session } => (environment, session),
        other => panic!("{other:?}"),
    })
}

fn lose(bench: &mut Bench, n: u8) {
    bench.submit(Actor::System, Command::EnvironmentLost { environment: environment(n) }).expect("known");
}

#[test]
fn the_one_that_was_away_goes_on_under_its_old_id() {
    let mut bench = Bench::default();
    let (first, home) = register(&mut bench, ALICE, 0, "node", &[]);
    assert!(!bench.world.environment(first).expect("there").online, "it is there once it holds a line");
    assert_eq!(identify(&mut bench, ALICE, 0, &[]), Ok((first, home)));
    assert!(bench.world.session(home).expect("there").worker.online);
    lose(&mut bench, 0);
    assert!(!bench.world.session(home).expect("there").worker.online, "its conversations go with its line");
    let (second, told) = register(&mut bench, ALICE, 1, "node", &[]);
    assert_ne!(second, first, "each registration has its own record");
    assert_eq!(told, home);
    assert_eq!(identify(&mut bench, ALICE, 1, &[]), Ok((first, home)));
    assert_eq!((bench.world.agent_id(second), bench.world.environment(second)), (first, None));
    assert_eq!(identify(&mut bench, ALICE, 1, &[]), Ok((first, home)), "under either id");
    assert_eq!(bench.world.environments().count(), 1);
    assert_eq!(bench.world.sessions().count(), 1);
}

#[test]
fn two_live_ones_never_become_one_and_two_that_are_away_are_not_guessed_between() {
    let mut bench = Bench::default();
    for n in [0, 1] {
        register(&mut bench, ALICE, n, "node", &[]);
    }
    let (first, _) = identify(&mut bench, ALICE, 0, &[]).expect("new");
    assert_eq!(twins(&bench.world, environment(1)), [first]);
    let (second, _) = identify(&mut bench, ALICE, 1, &[0]).expect("new");
    assert_ne!(first, second);
    lose(&mut bench, 0);
    lose(&mut bench, 1);
    register(&mut bench, ALICE, 2, "node", &[]);
    assert_eq!(identify(&mut bench, ALICE, 2, &[]).expect("new").0, environment(2));
    // With one of them back it is clear again who is missing.
    register(&mut bench, ALICE, 3, "node", &[0, 2]);
    assert_eq!(identify(&mut bench, ALICE, 3, &[0, 2]).expect("back").0, second);
}

#[test]
fn another_key_name_or_group_is_somebody_else() {
    let mut bench = Bench::default();
    register(&mut bench, ALICE, 0, "node", &[]);
    let (first, _) = identify(&mut bench, ALICE, 0, &[]).expect("new");
    lose(&mut bench, 0);
    assert_eq!(identify(&mut bench, MALLORY, 0, &[]), Err(Refusal::NoEnvironment(first)), "an id is no credential");
    register(&mut bench, MALLORY, 1, "node", &[]);
    assert_eq!(identify(&mut bench, MALLORY, 1, &[]).expect("new").0, environment(1));
    register(&mut bench, ALICE, 2, "gemini", &[]);
    assert_eq!(identify(&mut bench, ALICE, 2, &[]).expect("new").0, environment(2));
    let particulars = agent(3, "node", "other");
    bench.submit(ALICE, Command::RegisterAgent { particulars, session: session(3), linked: vec![] }).expect("new");
    assert_eq!(identify(&mut bench, ALICE, 3, &[]).expect("new").0, environment(3));
}

#[test]
fn ghosts_do_not_pile_up() {
    let mut bench = Bench::default();
    for n in 0..60 {
        // A client that registers and never comes.
        bench.now = bench.now.plus_ms(limits::AGENT_IDENTIFY_MS);
        register(&mut bench, ALICE, n, "node", &[]);
    }
    assert!(bench.world.environments().count() <= 2);
    let mut bench = Bench::default();
    for n in 0..60 {
        bench.now = bench.now.plus_ms(1);
        register(&mut bench, ALICE, n, "node", &(0..n).collect::<Vec<_>>());
        identify(&mut bench, ALICE, n, &(0..n).collect::<Vec<_>>()).expect("new");
    }
    (0..60).for_each(|n| lose(&mut bench, n));
    register(&mut bench, ALICE, 60, "node", &[]);
    let listed = bench.world.environments().filter(|one| !one.deregistered).count();
    assert!(listed <= limits::AGENTS_AWAY_MAX + 1, "{listed}");
}

fn prompt(bench: &mut Bench, of: SessionId, n: u8) {
    let command = Command::PostMessage { session: of, prompt: words(n, 0), work: WorkId::from_uuid(Uuid::nil()) };
    bench.submit(ALICE, command).expect("kept");
}

fn words(n: u8, content: u8) -> Prompt {
    Prompt { message: message(n), key: key(1, n), fingerprint: Fingerprint([content; 16]), payload: Bytes::new() }
}

fn report(bench: &mut Bench, connected: bool, fresh: bool, resume: bool) {
    let abilities = Abilities { resume, ..Abilities::default() };
    let report = AgentReported { environment: environment(0), connected, fresh, abilities };
    let command = Command::ReportAgent { report, payload: Bytes::new(), notice: Bytes::new() };
    bench.submit(ALICE, command).expect("known");
}

fn bind(bench: &mut Bench, of: SessionId, foreign: &str) {
    bound(bench, of, foreign, Offers::default());
}

fn bound(bench: &mut Bench, of: SessionId, foreign: &str, offers: Offers) {
    let (environment, foreign) = (environment(0), foreign.to_owned());
    let command = Command::BindSession { environment, session: of, foreign, offers, payload: Bytes::new() };
    bench.submit(ALICE, command).expect("bound");
}

#[test]
fn one_turn_at_a_time_whoever_waits_longest_first() {
    let mut bench = Bench::default();
    let (id, home) = register(&mut bench, ALICE, 0, "node", &[]);
    identify(&mut bench, ALICE, 0, &[]).expect("new");
    let next = |bench: &Bench, asking| next_step(&bench.world, id, asking);
    assert_eq!(next(&bench, false), None);
    prompt(&mut bench, home, 1);
    assert_eq!(next(&bench, false), Some(Step::Start { session: home }));
    assert_eq!(next(&bench, true), None, "one question at a time");
    report(&mut bench, true, true, true);
    assert_eq!(next(&bench, false), Some(Step::Open { session: home }));
    bind(&mut bench, home, "a");
    let other = session(9);
    bind(&mut bench, other, "b");
    prompt(&mut bench, other, 2);
    assert_eq!(next(&bench, false), Some(Step::Return { session: home, load: false }), "the first one waits longer");
    bind(&mut bench, home, "a");
    let Some(Step::Prompt { session: first, sequence, .. }) = next(&bench, false) else { panic!("a prompt") };
    let begin = Command::BeginTurn { environment: id, session: first, prompt: sequence };
    assert_eq!(bench.submit(ALICE, begin.clone()), Ok(Outcome::Done));
    assert_eq!(bench.submit(ALICE, begin), Ok(Outcome::Unchanged), "no prompt is handed over twice");
    assert!(in_turn(bench.world.session(home).expect("there")));
    assert_eq!(next(&bench, false), None, "the other one waits");
    let ends = Command::EndTurn { session: home, payload: Bytes::new() };
    bench.submit(ALICE, ends.clone()).expect("ended");
    assert_eq!(bench.submit(ALICE, ends), Ok(Outcome::Unchanged));
    assert_eq!(next(&bench, false), Some(Step::Return { session: other, load: false }));
    report(&mut bench, false, false, false);
    report(&mut bench, true, true, false);
    assert_eq!(next(&bench, false), Some(Step::Unreachable { session: other }));
}

#[test]
fn the_end_of_a_program_ends_its_turn_and_takes_its_questions_back() {
    let mut bench = Bench::default();
    let (id, home) = register(&mut bench, ALICE, 0, "node", &[]);
    identify(&mut bench, ALICE, 0, &[]).expect("new");
    report(&mut bench, true, true, true);
    bind(&mut bench, home, "a");
    prompt(&mut bench, home, 1);
    let Some(Step::Prompt { sequence, .. }) = next_step(&bench.world, id, false) else { panic!("a prompt") };
    bench.submit(ALICE, Command::BeginTurn { environment: id, session: home, prompt: sequence }).expect("begun");
    bench.submit(ALICE, Command::Receive { session: home, epoch: None, messages: vec![asks(0, 1)] }).expect("kept");
    report(&mut bench, true, false, true);
    assert_eq!(bench.world.session(home).expect("there").status(), Status::Waiting, "it is still there");
    report(&mut bench, true, true, true);
    let found = bench.world.session(home).expect("there");
    assert_eq!((found.status(), found.outbox.len(), found.permissions.open().count()), (Status::Idle, 0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_and_goes_no_two_live_agents_share_an_id(
        steps in prop::collection::vec((0_u8..4, 0_u8..3, any::<bool>()), 1..60),
    ) {
        let mut bench = Bench::default();
        // Which agent each client is, while it holds a line.
        let mut lines: BTreeMap<u8, EnvironmentId> = BTreeMap::new();
        let mut fresh = 0_u8;
        for (client, what, key) in steps {
            let actor = if key && client == 0 { MALLORY } else { ALICE };
            bench.now = bench.now.plus_ms(40_000);
            if what == 0 {
                if let Some(gone) = lines.remove(&client) {
                    bench.submit(Actor::System, Command::EnvironmentLost { environment: gone }).expect("known");
                }
                continue;
            }
            if lines.contains_key(&client) {
                continue;
            }
            fresh += 1;
            let linked: Vec<EnvironmentId> = lines.values().copied().collect();
            let particulars = agent(fresh, "node", "lab");
            let command = Command::RegisterAgent { particulars, session: session(fresh), linked: linked.clone() };
            bench.submit(actor, command).expect("new");
            if what == 1 {
                let spare = session(fresh.wrapping_add(100));
                let command = Command::IdentifyAgent { environment: environment(fresh), session: spare, linked };
                let Ok(Outcome::Agent { environment, session }) = bench.submit(actor, command) else {
                    panic!("its own registration");
                };
                prop_assert!(!lines.values().any(|other| *other == environment), "two live agents share {environment}");
                let found = bench.world.environment(environment).expect("there");
                prop_assert!(found.online && !found.deregistered);
                prop_assert_eq!(found.agent.as_ref().map(|agent| agent.registered_by), Some(actor));
                prop_assert!(bench.world.session(session).is_some_and(|found| found.archived_at.is_none()));
                lines.insert(client, environment);
            }
        }
        check(&bench);
        prop_assert_eq!(&rebuilt(&bench), &bench.world);
    }
}

#[test]
fn a_session_begun_at_an_agent_leaves_no_work_behind_and_is_where_its_agent_is() {
    let mut bench = Bench::default();
    let (environment, _) = register(&mut bench, ALICE, 0, "node", &[]);
    let begin = |bench: &mut Bench, n| {
        let particulars = SessionCreated { environment: Some(environment), ..creation(n, 0, None) };
        let work = WorkId::from_uuid(Uuid::from_u128(u128::from(n)));
        let create = Command::CreateSession { particulars, work, course: Vec::new(), prompt: Some(super::prompt(n)) };
        bench.submit(ALICE, create)
    };
    begin(&mut bench, 10).expect("it waits for the agent");
    assert!(!bench.world.session(session(10)).expect("there").worker.online);
    identify(&mut bench, ALICE, 0, &[]).expect("its own");
    assert!(bench.world.session(session(10)).expect("there").worker.online);
    begin(&mut bench, 11).expect("at once");
    let found = bench.world.environment(environment).expect("there");
    assert_eq!(found.work.items().len(), 0, "nobody polls an agent's queue");
    let called = bench.log.iter().filter(|record| matches!(record.event, Event::WorkQueued { .. })).count();
    assert_eq!(called, 1, "whoever holds the line hears of it");
    assert!(bench.world.session(session(11)).expect("there").worker.online);
    assert_eq!(next_step(&bench.world, environment, false), Some(Step::Start { session: session(10) }));
    check(&bench);
}
