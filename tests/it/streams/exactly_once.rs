//! A producer that repeats what was not acknowledged, over and over a killed server: each record is there once, in
//! order, and a reader who came back after each death saw each once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{JSON, Streams};
use crate::harness::{Server, rcsctl, text};

/// `RCS_STREAM_KILLS` sets how often.
fn kills() -> u64 {
    std::env::var("RCS_STREAM_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// Writes 0, 1, 2, ... in batches of one to three, each under its number until it is acknowledged. Returns how many.
async fn produce(streams: Streams, stop: Arc<AtomicBool>, acked: Arc<AtomicU64>, mut up: watch::Receiver<bool>) -> u64 {
    let (mut number, mut seq) = (0, 0_u64);
    while !stop.load(Ordering::Relaxed) {
        let batch: Vec<u64> = (number..=number + seq % 3).collect();
        let body = serde_json::to_string(&batch).expect("JSON");
        let label = seq.to_string();
        let headers = [JSON, ("producer-id", "p"), ("producer-epoch", "0"), ("producer-seq", &*label)];
        loop {
            match streams.try_send("POST", "log", &headers, body.clone()).await {
                Ok(answer) if matches!(answer.status, 200 | 204) => break,
                Ok(answer) => assert!(matches!(answer.status, 429 | 503), "{answer:?}"),
                Err(_) => {
                    tokio::task::yield_now().await;
                    up.wait_for(|up| *up).await.expect("the test goes on");
                }
            }
        }
        number += batch.len() as u64;
        seq += 1;
        acked.fetch_add(1, Ordering::Relaxed);
    }
    number
}

/// Reads by long polls over all deaths, until the stream is closed.
async fn follow(streams: Streams, mut up: watch::Receiver<bool>) -> Vec<u64> {
    let mut seen = Vec::new();
    let mut offset = "-1".to_owned();
    loop {
        let path = format!("log?offset={offset}&live=long-poll");
        let answer = match streams.try_send("GET", &path, &[], "").await {
            Ok(answer) if matches!(answer.status, 200 | 204) => answer,
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{answer:?}");
                continue;
            }
            Err(_) => {
                tokio::task::yield_now().await;
                up.wait_for(|up| *up).await.expect("the test goes on");
                continue;
            }
        };
        if answer.status == 200 {
            seen.extend(serde_json::from_str::<Vec<u64>>(&answer.text).expect("numbers"));
        }
        offset = answer.offset();
        if answer.header("stream-closed") == "true" {
            return seen;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_of_a_producer_is_there_once_however_often_the_server_is_killed() {
    let mut server = Server::start();
    let streams = Streams::new(&server);
    streams.send("PUT", "log", &[JSON], "").await.expect(201);
    let up = watch::Sender::new(true);
    let (stop, acked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut producer = tokio::spawn(produce(streams.clone(), Arc::clone(&stop), Arc::clone(&acked), up.subscribe()));
    let mut follower = tokio::spawn(follow(streams.clone(), up.subscribe()));
    for round in 0..kills() {
        // Not a synchronisation: the moment of the kill is what is varied.
        tokio::time::sleep(Duration::from_millis(20 + round * 37 % 150)).await;
        let before = acked.load(Ordering::Relaxed);
        up.send_replace(false);
        server.kill();
        let (code, out, error) = rcsctl(&["audit", "verify", "--file", text(&server.journal())], None);
        assert_eq!(code, Some(0), "round {round}: {out}{error}");
        server.launch();
        up.send_replace(true);
        // The next round kills a server that has work.
        while acked.load(Ordering::Relaxed) == before {
            tokio::select! {
                biased;
                ended = &mut producer => panic!("round {round}: the producer gave up: {ended:?}"),
                ended = &mut follower => panic!("round {round}: the follower gave up: {ended:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let written = producer.await.expect("the producer's own assertions");
    streams.send("POST", "log", &[("stream-closed", "true")], "").await.expect(204);
    let seen = follower.await.expect("the follower's own assertions");
    let expected: Vec<u64> = (0..written).collect();
    assert_eq!(seen, expected, "what the follower saw");
    let mut kept = Vec::new();
    let mut offset = "-1".to_owned();
    loop {
        let page = streams.get(&format!("log?offset={offset}")).await.expect(200);
        kept.extend(serde_json::from_str::<Vec<u64>>(&page.text).expect("numbers"));
        offset = page.offset();
        if page.header("stream-closed") == "true" {
            break;
        }
    }
    assert_eq!(kept, expected, "what is kept");
    println!("{written} records over {} kills", kills());
}
