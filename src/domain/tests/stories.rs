//! Single histories, each named after what somebody would see.

use super::{super::outbox::Item, *};

fn ready() -> Bench {
    let mut bench = Bench::default();
    let work = WorkId::from_uuid(Uuid::from_u128(1));
    bench
        .submit(Actor::System, Command::RegisterEnvironment { particulars: registration(0, 0, 1), reattach: None })
        .expect("new");
    bench
        .submit(
            Actor::System,
            Command::CreateSession { particulars: creation(0, 0, Some(0)), work, course: Vec::new(), prompt: None },
        )
        .expect("new");
    bench
}

#[test]
fn of_two_answers_the_first_wins_and_the_second_is_told_who() {
    let mut bench = ready();
    bench
        .submit(
            Actor::Worker(session(0)),
            Command::Receive { session: session(0), epoch: None, messages: vec![asks(0, 1)] },
        )
        .expect("kept");
    assert_eq!(bench.world.session(session(0)).expect("there").status(), Status::Waiting);
    let decide = |n, verdict| Command::DecidePermission {
        session: session(0),
        request: request(1),
        answer: answer(verdict, n, false),
    };
    let first = bench.submit(Actor::System, decide(1, Verdict::Deny)).expect("wins");
    assert_eq!(
        bench.submit(Actor::System, decide(1, Verdict::Deny)),
        Ok(first),
        "the same answer again gets the same result"
    );
    let refusal = bench.submit(Actor::System, decide(2, Verdict::Allow)).unwrap_err();
    assert!(matches!(refusal, Refusal::AlreadyDecided { verdict: Verdict::Deny, .. }), "{refusal}");
}

/// An agent's program that starts again counts its questions from the beginning.
#[test]
fn an_answer_to_what_was_taken_back_does_not_allow_what_is_asked_now_under_its_id() {
    let mut bench = ready();
    let mut receive = |meaning| {
        let messages = vec![Incoming { key: None, payload: Bytes::new(), meaning }];
        bench.submit(Actor::System, Command::Receive { session: session(0), epoch: None, messages }).expect("kept");
        bench.world.session(session(0)).and_then(|found| Some(found.permissions.get_open(&request(1))?.sequence))
    };
    let Meaning::Asks(asked) = asks(0, 1).meaning else { panic!("a question") };
    let first = receive(Meaning::Asks(asked.clone())).expect("open");
    assert_eq!(receive(Meaning::TakesBack(request(1))), None);
    let second = receive(Meaning::Asks(asked)).expect("open again");
    let decide = |asked| Command::DecidePermission {
        session: session(0),
        request: request(1),
        answer: Answer { asked: Some(asked), ..answer(Verdict::Allow, 1, false) },
    };
    assert_eq!(bench.submit(Actor::System, decide(first)), Err(Refusal::TakenBack { request: request(1) }));
    bench.submit(Actor::System, decide(second)).expect("the one that is asked");
}

#[test]
fn a_rule_answers_the_next_question_of_its_kind_and_no_other() {
    let mut bench = ready();
    let ask = |n| Command::Receive { session: session(0), epoch: None, messages: vec![asks(0, n)] };
    bench.submit(Actor::System, ask(0)).expect("kept");
    bench
        .submit(
            Actor::System,
            Command::DecidePermission {
                session: session(0),
                request: request(0),
                answer: answer(Verdict::Allow, 0, true),
            },
        )
        .expect("decided");
    bench.submit(Actor::System, ask(3)).expect("kept");
    bench.submit(Actor::System, ask(4)).expect("kept");
    let permissions = &bench.world.session(session(0)).expect("there").permissions;
    assert!(matches!(
        permissions.get_settled(&request(3)).map(|settled| &settled.how),
        Some(Settlement::Decided { verdict: Verdict::Allow, .. })
    ));
    assert!(permissions.get_open(&request(4)).is_some());
}

#[test]
fn a_lost_reply_is_redelivered_and_a_stubborn_item_is_parked() {
    let mut bench = ready();
    let lease = |n| Command::LeaseWork {
        environment: environment(0),
        reclaim_after_ms: 5_000,
        fresh: WorkId::from_uuid(Uuid::from_u128(n)),
    };
    for attempt in 1..=limits::WORK_ATTEMPTS_MAX {
        let outcome = bench.submit(Actor::System, lease(9)).expect("leased");
        assert!(matches!(outcome, Outcome::Work { item: Some(grant) } if grant.attempt == attempt));
        assert_eq!(bench.submit(Actor::System, lease(9)), Ok(Outcome::Work { item: None }), "a lease has one holder");
        bench.now = bench.now.plus_ms(5_000);
    }
    assert_eq!(bench.submit(Actor::System, lease(9)), Ok(Outcome::Work { item: None }));
    let item = bench.world.environment(environment(0)).expect("there").work.items()[0];
    assert_eq!(item.stage, Stage::Parked);
}

#[test]
fn a_repl_that_lets_go_gets_its_session_back_but_a_finished_child_does_not() {
    for archive in [false, true] {
        let mut bench = ready();
        let lease = |n| Command::LeaseWork {
            environment: environment(0),
            reclaim_after_ms: 5_000,
            fresh: WorkId::from_uuid(Uuid::from_u128(n)),
        };
        let work = WorkId::from_uuid(Uuid::from_u128(1));
        bench.submit(Actor::System, lease(8)).expect("leased");
        bench.submit(Actor::System, Command::AckWork { environment: environment(0), work }).expect("acked");
        bench
            .submit(Actor::System, Command::StopWork { environment: environment(0), work, force: false })
            .expect("stopped");
        if archive {
            bench.submit(Actor::System, Command::ArchiveSession { session: session(0) }).expect("archived");
        }
        bench.now = bench.now.plus_ms(limits::STOP_SETTLE_MS - 1);
        assert_eq!(bench.submit(Actor::System, lease(8)), Ok(Outcome::Work { item: None }), "not before it settled");
        bench.now = bench.now.plus_ms(1);
        let again = bench.submit(Actor::System, lease(8)).expect("answered");
        assert_eq!(matches!(again, Outcome::Work { item: Some(_) }), !archive);
    }
}

#[test]
fn a_superseded_worker_is_told_so_and_changes_nothing() {
    let mut bench = ready();
    assert_eq!(
        bench.submit(Actor::System, Command::AttachWorker { session: session(0) }),
        Ok(Outcome::Attached { epoch: 1 })
    );
    assert_eq!(
        bench.submit(Actor::System, Command::AttachWorker { session: session(0) }),
        Ok(Outcome::Attached { epoch: 2 })
    );
    let before = bench.log.len();
    let stale =
        Command::Receive { session: session(0), epoch: Some(1), messages: vec![said(1, MessageKind::Assistant, None)] };
    let refusal = bench.submit(Actor::Worker(session(0)), stale).unwrap_err();
    assert_eq!(refusal, Refusal::Superseded { session: session(0), given: 1, current: 2 });
    assert_eq!(bench.log.len(), before);
}

#[test]
fn an_environment_of_somebody_else_cannot_be_taken_over_by_naming_it() {
    let mut bench = ready();
    let taken = bench.submit(
        Actor::System,
        Command::RegisterEnvironment { particulars: registration(1, 1, 1), reattach: Some(environment(0)) },
    );
    assert_eq!(taken, Ok(Outcome::Environment { environment: environment(1), reattached: false }));
    let back = bench.submit(
        Actor::System,
        Command::RegisterEnvironment { particulars: registration(2, 0, 1), reattach: Some(environment(0)) },
    );
    assert_eq!(back, Ok(Outcome::Environment { environment: environment(0), reattached: true }));
}

#[test]
fn an_interrupt_does_not_outlive_the_connection_it_was_meant_for() {
    let mut bench = ready();
    let interrupt = Command::RequestControl { session: session(0), request: request(1), control: Control::Interrupt };
    assert_eq!(bench.submit(Actor::System, interrupt.clone()), Err(Refusal::WorkerOffline(session(0))));
    bench.submit(Actor::System, Command::WorkerSeen { session: session(0) }).expect("seen");
    bench.submit(Actor::System, interrupt).expect("requested");
    let mode = Control::SetPermissionMode { mode: "plan".into() };
    bench
        .submit(Actor::System, Command::RequestControl { session: session(0), request: request(2), control: mode })
        .expect("requested");
    bench.submit(Actor::System, Command::WorkerLost { session: session(0) }).expect("lost");
    let outbox = &bench.world.session(session(0)).expect("there").outbox;
    assert!(outbox.control(&request(1)).is_none());
    assert!(outbox.control(&request(2)).is_some());
}

#[test]
fn a_worker_that_says_yes_to_a_model_has_that_model_and_one_that_says_no_has_not() {
    for ok in [true, false] {
        let mut bench = ready();
        let model = Control::SetModel { model: "opus".into() };
        let ask = Command::RequestControl { session: session(0), request: request(1), control: model };
        bench.submit(Actor::System, ask).expect("requested");
        assert_eq!(bench.world.session(session(0)).expect("there").model, None, "what was asked is not what is");
        let meaning = Meaning::Answers { request: request(1), ok, mode: None, model: None };
        let answer = Incoming { key: Some(key(5, 1)), payload: Bytes::from_static(b"{}"), meaning };
        let say = Command::Receive { session: session(0), epoch: None, messages: vec![answer] };
        bench.submit(Actor::Worker(session(0)), say).expect("kept");
        let confirmed = bench.world.session(session(0)).expect("there").model.as_deref();
        assert_eq!(confirmed, ok.then_some("opus"));
    }
}

#[test]
fn a_pin_and_a_title_are_changed_together_and_what_is_put_away_stands_nowhere() {
    let mut bench = ready();
    let arrange = |title: Option<&str>, pinned| Command::ArrangeSession {
        session: session(0),
        title: title.map(str::to_owned),
        pinned,
    };
    let before = bench.log.len();
    assert_eq!(bench.submit(Actor::System, arrange(Some("first"), Some(true))), Ok(Outcome::Done));
    assert_eq!(bench.log.len(), before + 2);
    assert_eq!(bench.submit(Actor::System, arrange(Some("first"), Some(true))), Ok(Outcome::Unchanged));
    assert_eq!(bench.submit(Actor::System, arrange(None, None)), Ok(Outcome::Unchanged));
    let found = bench.world.session(session(0)).expect("there");
    assert_eq!((found.pinned, found.title.as_deref()), (true, Some("first")));
    bench.submit(Actor::System, Command::ArchiveSession { session: session(0) }).expect("put away");
    assert!(!bench.world.session(session(0)).expect("there").pinned);
    assert_eq!(bench.submit(Actor::System, arrange(None, Some(true))), Err(Refusal::Archived(session(0))));
    assert_eq!(bench.submit(Actor::System, arrange(Some("later"), None)), Ok(Outcome::Done));
    check(&bench);
}

#[test]
fn a_session_that_shall_begin_in_a_mode_has_it_asked_for_before_its_first_prompt() {
    let mut bench = ready();
    let mode = Control::SetPermissionMode { mode: "plan".into() };
    let create = Command::CreateSession {
        particulars: creation(1, 0, Some(0)),
        work: WorkId::from_uuid(Uuid::from_u128(2)),
        course: vec![(request(1), mode.clone())],
        prompt: Some(prompt(1)),
    };
    bench.submit(Actor::System, create).expect("new");
    let found = bench.world.session(session(1)).expect("there");
    let waits: Vec<_> = found.outbox.items().map(|(_, item)| item.clone()).collect();
    assert!(
        matches!(&waits[..], [Item::Control { control, .. }, Item::Prompt { .. }] if *control == mode),
        "{waits:?}"
    );
    check(&bench);
}
