//! What an agent lets people choose from, and what becomes of a choice.

use super::*;

fn offer(ids: &[&str], option: Option<&str>) -> Offer {
    Offer { ids: ids.iter().map(|id| (*id).to_owned()).collect(), option: option.map(str::to_owned) }
}

#[test]
fn a_course_that_the_agent_does_not_offer_is_refused_and_so_is_one_that_its_link_has_no_word_for() {
    let mut bench = Bench::default();
    let (id, home) = register(&mut bench, ALICE, 0, "node", &[]);
    identify(&mut bench, ALICE, 0, &[]).expect("new");
    let set = |bench: &mut Bench, n: u8, control: Control| {
        bench.submit(ALICE, Command::RequestControl { session: home, request: request(n), control }).map(drop)
    };
    let mode = |name: &str| Control::SetPermissionMode { mode: name.into() };
    let model = |name: &str| Control::SetModel { model: name.into() };
    assert_eq!(set(&mut bench, 1, mode("anything")), Ok(()), "it goes along when the conversation begins");
    report(&mut bench, true, true, true);
    bound(
        &mut bench,
        home,
        "a",
        Offers { modes: Some(offer(&["ask", "code"], None)), models: Some(offer(&["small"], None)) },
    );
    let offered = vec!["ask".to_owned(), "code".to_owned()];
    let refusal = Refusal::NotOffered { what: "mode", id: "nonsense".into(), offered };
    assert_eq!(set(&mut bench, 2, mode("nonsense")), Err(refusal));
    assert_eq!(set(&mut bench, 3, mode("code")), Err(Refusal::NoWord { what: "mode" }));
    assert_eq!(set(&mut bench, 4, model("small")), Ok(()), "every link has this one");
    let thinking = Control::SetMaxThinkingTokens { max_thinking_tokens: None };
    assert!(matches!(set(&mut bench, 5, thinking), Err(Refusal::NoWord { .. })));
    // Coming back, some links say less: what was said before stands.
    bound(&mut bench, home, "a", Offers { modes: None, models: Some(offer(&["small", "large"], Some("model"))) });
    let found = bench.world.session(home).expect("there");
    assert!(found.offers.modes.is_some());
    assert!(found.bound.as_ref().is_some_and(|bound| bound.described < bound.sequence));
    assert_eq!(set(&mut bench, 6, model("large")), Err(Refusal::NoWord { what: "model" }));
    let abilities = Abilities { set_mode: true, set_option: true, ..Abilities::default() };
    let told = AgentReported { environment: id, connected: true, fresh: true, abilities };
    let command = Command::ReportAgent { report: told, payload: Bytes::new(), notice: Bytes::new() };
    bench.submit(ALICE, command).expect("known");
    let found = bench.world.session(home).expect("there");
    assert_eq!(steering(abilities, found, &mode("code")), Ok(Steering::Mode));
    assert_eq!(steering(abilities, found, &model("large")), Ok(Steering::Option("model".into())));
    assert_eq!((set(&mut bench, 7, mode("code")), set(&mut bench, 8, model("large"))), (Ok(()), Ok(())));
}

#[test]
fn a_conversation_that_was_begun_anew_offers_what_its_agent_says_now_and_no_more() {
    let mut bench = Bench::default();
    let (_, home) = register(&mut bench, ALICE, 0, "node", &[]);
    identify(&mut bench, ALICE, 0, &[]).expect("new");
    report(&mut bench, true, true, true);
    let both = Offers { modes: Some(offer(&["ask"], None)), models: Some(offer(&["small"], None)) };
    bound(&mut bench, home, "a", both.clone());
    let described = |bench: &Bench| {
        let bound = bench.world.session(home).expect("there").bound.clone().expect("bound");
        (bound.described, bound.sequence)
    };
    let (first, _) = described(&bench);
    // A return in which only the models are not said again loses none of them.
    bound(&mut bench, home, "a", Offers { modes: Some(offer(&["ask", "code"], None)), models: None });
    assert_eq!(described(&bench).0, first);
    assert_eq!(bench.world.session(home).expect("there").offers.models, both.models);
    bound(&mut bench, home, "b", Offers { modes: None, models: Some(offer(&["large"], None)) });
    let (place, bound) = described(&bench);
    assert_eq!(place, bound);
    assert_eq!(bench.world.session(home).expect("there").offers.modes, None, "it may have no modes any more");
}

#[test]
fn a_refusal_names_a_few_of_a_hundred_models_and_how_many_more_there_are() {
    let named = |count: usize| {
        let offered = (0..count).map(|n| format!("m{n}")).collect();
        Refusal::NotOffered { what: "model", id: "x".into(), offered }.to_string()
    };
    assert!(named(0).ends_with("it offers none"));
    assert!(named(2).ends_with("it offers m0, m1"));
    assert!(named(limits::OFFERS_NAMED_MAX).ends_with("m10, m11"));
    assert!(named(limits::AGENT_OFFERS_MAX).ends_with("m11 and 500 more"), "{}", named(limits::AGENT_OFFERS_MAX));
}
