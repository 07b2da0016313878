//! `rcsctl session rename|pin|unpin|interrupt|mode|model`: what changes a session's course in one word.

use clap::Args;
use serde_json::value::RawValue;

use super::Which;
use crate::{
    ctl::{Context, CtlError, list},
    wire::web::{ArrangeSession, ControlRequested, Session, SetMode, SetModel},
};

/// `rename`.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    #[command(flatten)]
    which: Which,
    /// Its new title
    title: String,
}

/// `mode`.
#[derive(Debug, Args)]
pub(crate) struct Mode {
    #[command(flatten)]
    which: Which,
    /// The mode
    mode: String,
}

/// `model`.
#[derive(Debug, Args)]
pub(crate) struct Model {
    #[command(flatten)]
    which: Which,
    /// The model
    model: String,
}

impl Rename {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let path = format!("/sessions/{}", self.which.id);
        let raw: Box<RawValue> =
            context.client()?.patch(&path, &ArrangeSession { title: Some(self.title), pinned: None })?;
        list::one(&mut context.out, &raw, |out, session: Session| out.line(format!("renamed {}", session.id)))
    }
}

/// `pin` and `unpin`.
pub(crate) fn pin(which: Which, pinned: bool, context: &mut Context<'_>) -> Result<(), CtlError> {
    let body = ArrangeSession { title: None, pinned: Some(pinned) };
    let raw: Box<RawValue> = context.client()?.patch(&format!("/sessions/{}", which.id), &body)?;
    let done = if pinned { "pinned" } else { "unpinned" };
    list::one(&mut context.out, &raw, |out, session: Session| out.line(format!("{done} {}", session.id)))
}

impl Mode {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        ask(self.which, "mode", &SetMode { mode: self.mode }, context)
    }
}

impl Model {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        ask(self.which, "model", &SetModel { model: self.model }, context)
    }
}

/// `interrupt`.
pub(crate) fn interrupt(which: Which, context: &mut Context<'_>) -> Result<(), CtlError> {
    ask(which, "interrupt", &serde_json::Map::new(), context)
}

fn ask(which: Which, what: &str, body: &impl serde::Serialize, context: &mut Context<'_>) -> Result<(), CtlError> {
    let asked: ControlRequested = context.client()?.post(&format!("/sessions/{}/{what}", which.id), body)?;
    context.out.say(&asked, format!("asked for as #{} (request {})", asked.sequence, asked.request_id))
}
