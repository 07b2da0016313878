//! From work that is queued to the answer of the runner's poll that waits for it.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use super::{house::House, http::Connection, report::Report, samples::Samples, target::Ask};
use crate::{
    ctl::CtlError,
    domain::{EnvironmentId, SessionId, WorkId},
};

/// Pieces of work. Enough for a 99th percentile, few enough for the limit on new things.
const ROUNDS: usize = 200;
/// The poll has to be with the server before the work is queued; what it takes to get there is not what is measured.
const SETTLE: Duration = Duration::from_millis(5);

#[derive(Debug, Deserialize)]
struct Registered {
    environment_id: EnvironmentId,
    environment_secret: String,
}

#[derive(Debug, Deserialize)]
struct Item {
    id: WorkId,
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    id: SessionId,
}

pub(crate) async fn measure(house: &mut House<'_>, report: &mut Report) -> Result<(), CtlError> {
    let body = json!({"machine_name": "rcsctl bench", "directory": "/", "branch": "main", "git_repo_url": null,
        "max_sessions": 1, "metadata": {"worker_type": "bench"}});
    let runner: Registered = house.json("POST", "/v1/environments/bridge", &body.to_string()).await?;
    let environment = runner.environment_id;
    let measured = rounds(house, &runner, report).await;
    house.done("DELETE", &format!("/v1/environments/bridge/{environment}"), "").await?;
    measured
}

async fn rounds(house: &mut House<'_>, runner: &Registered, report: &mut Report) -> Result<(), CtlError> {
    let environment = runner.environment_id;
    let bearer = format!("Bearer {}", runner.environment_secret);
    let path = format!("/v1/environments/{environment}/work/poll");
    let poll = house.target.bytes(&Ask { bearer: Some(&bearer), ..Ask::new("GET", &path) });
    let create = format!("{{\"title\":\"rcsctl bench\",\"environment_id\":\"{environment}\"}}");
    let mut connection = house.target.connect().await?;
    let mut times = Samples::default();
    let mut failures = 0;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        let waiting = tokio::spawn(wait_for_work(connection, poll.clone()));
        tokio::time::sleep(SETTLE).await;
        let queued = Instant::now();
        house.done("POST", "/api/v1/sessions", &create).await?;
        let (back, item, at) = waiting.await.map_err(CtlError::failed)??;
        connection = back;
        match item {
            Some(Item { id, data }) => {
                times.add(at.duration_since(queued));
                let work = format!("/v1/environments/{environment}/work/{id}/stop");
                house.done("POST", &work, r#"{"force":true}"#).await?;
                house.done("POST", &format!("/api/v1/sessions/{}/archive", data.id), "{}").await?;
            }
            None => failures += 1,
        }
    }
    let row = report.add("queued work to a waiting poll", 1, times.len() as u64, start.elapsed(), times);
    row.failures = failures;
    Ok(())
}

/// Polls once; when the answer came, and the work in it if there was any.
async fn wait_for_work(
    mut connection: Connection,
    poll: Vec<u8>,
) -> Result<(Connection, Option<Item>, Instant), CtlError> {
    let answer = connection.call(&poll).await?;
    let at = Instant::now();
    Ok((connection, serde_json::from_slice(&answer.body).ok(), at))
}
