//! `rcsctl session send`.

use std::io::{self, IsTerminal, Read};

use clap::Args;
use serde_json::value::RawValue;

use crate::{
    ctl::{Context, CtlError, client},
    domain::{MessageId, limits},
    wire::web::{MessageAccepted, PostMessage},
};

/// See [`Session::Send`](super::Session::Send).
#[derive(Debug, Args)]
pub(crate) struct Send {
    #[command(flatten)]
    which: super::Which,
    /// What to say; without it, or as -, it is read from stdin
    #[arg(value_name = "TEXT", default_value = "-", hide_default_value = true)]
    text: Words,
    /// A UUID for the message: sending the same one again sends nothing [default: a fresh one]
    #[arg(long, value_name = "UUID")]
    message_id: Option<MessageId>,
}

/// Words of a person, from the command line or from stdin.
#[derive(Debug, Clone)]
pub(crate) enum Words {
    Given(String),
    Stdin,
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        if text == "-" { Self::Stdin } else { Self::Given(text) }
    }
}

/// The words as a message's content.
pub(crate) fn content(words: Words) -> Result<Box<RawValue>, CtlError> {
    let text = match words {
        Words::Given(text) => text,
        Words::Stdin => {
            if io::stdin().is_terminal() {
                return Err(CtlError::usage("nothing to say").hint("give the text, or pipe it in"));
            }
            let mut text = String::new();
            // One byte more than the server takes tells "too long" from "just fits" without reading a device for ever.
            io::stdin().take(limits::BODY_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
            text.truncate(text.trim_end().len());
            text
        }
    };
    if text.trim().is_empty() {
        return Err(CtlError::usage("nothing to say").hint("give the text, or pipe it in"));
    }
    serde_json::value::to_raw_value(&text).map_err(CtlError::failed)
}

impl Send {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let message_id = match self.message_id {
            Some(id) => id,
            None => MessageId::from_uuid(client::fresh_id()?),
        };
        let body = PostMessage { content: content(self.text)?, file_attachments: None, message_id: Some(message_id) };
        let path = format!("/sessions/{}/messages", self.which.id);
        let accepted: MessageAccepted = context.client()?.post(&path, &body)?;
        let words = format!("accepted as #{} (message {})", accepted.sequence, accepted.message_id);
        context.out.say(&accepted, words)
    }
}
