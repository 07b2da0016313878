//! `rcsctl session search`.

use clap::Args;

use crate::{
    ctl::{Context, CtlError, terminal},
    domain::limits,
    wire::web::{SearchHit, SearchPage},
};

/// See [`Session::Search`](super::Session::Search).
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// What to look for, inside of words too
    #[arg(value_name = "WORD", required = true)]
    words: Vec<String>,
    /// Also in sessions that were put away
    #[arg(long)]
    archived: bool,
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

impl Search {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let client = context.client()?;
        let (mut after, mut left) = (None, self.limit);
        loop {
            let query = [
                ("q", Some(self.words.join(" "))),
                ("archived", self.archived.then(|| "true".to_owned())),
                ("limit", Some(left.clamp(1, limits::SEARCH_HITS_MAX).to_string())),
                ("after", after),
            ];
            let page: SearchPage = client.get("/search", &query)?;
            for hit in page.hits.into_iter().take(left) {
                left -= 1;
                context.out.say(&hit, line(&hit))?;
            }
            after = page.next;
            if after.is_none() || left == 0 {
                return Ok(());
            }
        }
    }
}

/// Session and sequence lead to the place: `session show`, `session tail --after`.
fn line(hit: &SearchHit) -> String {
    let place = hit.sequence.map_or_else(String::new, |sequence| format!(" #{sequence}"));
    let said = terminal::one_line(&hit.snippet);
    format!("{} {}{place} {}: {said}", hit.at, hit.session_id, hit.from.as_str())
}
