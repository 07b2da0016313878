//! The servers that are measured: ours, and the rivals of the same protocol that somebody started.

use std::str::FromStr;

use crate::ctl::{
    CtlError,
    bench::{
        house::check,
        load::Template,
        target::{Ask, Line, Target},
    },
    client::fresh_id,
};

/// Where all servers of the protocol have their streams.
const ROOT: &str = "/v1/stream/";

/// Another server, as `--rival` names it.
#[derive(Debug, Clone)]
pub(crate) struct Rival {
    name: String,
    target: Target,
}

impl FromStr for Rival {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, url) = text.split_once('=').unwrap_or_default();
        if name.is_empty() || url.is_empty() {
            return Err("a rival is given as NAME=URL, like other=http://127.0.0.1:4437".to_owned());
        }
        // None of those that are known has keys.
        let target = Target::new(url, None).map_err(|error| error.source.to_string())?;
        Ok(Self { name: name.to_owned(), target })
    }
}

/// A server with streams of ours.
#[derive(Debug)]
pub(super) struct Server {
    /// Absent for the server under test.
    pub(super) rival: Option<String>,
    pub(super) target: Target,
    line: Line,
    made: Vec<String>,
}

impl Server {
    pub(super) async fn ours(target: &Target) -> Result<Self, CtlError> {
        Ok(Self { rival: None, target: target.clone(), line: Line::open(target).await?, made: Vec::new() })
    }

    pub(super) async fn rival(rival: &Rival) -> Result<Self, CtlError> {
        let server = Self::ours(&rival.target).await.map_err(|error| error.hint(format!("it is {}", rival.name)))?;
        Ok(Self { rival: Some(rival.name.clone()), ..server })
    }

    /// Makes an empty stream; its path.
    pub(super) async fn stream(&mut self, media: &str) -> Result<String, CtlError> {
        let path = format!("{ROOT}rcsctl-bench-{}", fresh_id()?.as_simple());
        let ask = Ask { content_type: Some(media), ..Ask::new("PUT", &path) };
        check(&path, &self.line.call(&self.target.bytes(&ask)).await?)?;
        self.made.push(path.clone());
        Ok(path)
    }

    /// Appends so many times.
    pub(super) async fn fill(&mut self, mut template: Template, times: u64) -> Result<(), CtlError> {
        for number in 0..times {
            check("filling a stream", &self.line.call(template.number(number)).await?)?;
        }
        Ok(())
    }

    /// Deletes what was made.
    pub(super) async fn clear(&mut self) -> Result<(), CtlError> {
        for path in std::mem::take(&mut self.made) {
            let request = self.target.bytes(&Ask::new("DELETE", &path));
            check(&path, &self.line.call(&request).await?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rival_is_a_name_and_an_address() {
        let rival: Rival = "other=http://h:1/?a=b".parse().expect("parses");
        assert_eq!(rival.name, "other");
        for bad in ["", "other", "=http://h:1", "other=", "other=https://h", "http://h:1"] {
            assert!(bad.parse::<Rival>().is_err(), "{bad}");
        }
    }
}
