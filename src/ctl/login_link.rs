//! `rcsctl login-link`.

use std::io::{self, IsTerminal as _};

use clap::Args;

use super::{Context, CtlError, output, terminal::one_line};
use crate::wire::web::LoginLink as Wire;

/// See [`Command::LoginLink`](super::cli::Command::LoginLink).
#[derive(Debug, Args)]
pub(crate) struct LoginLink {
    /// Leave the QR code out, which is drawn only on a terminal anyway
    #[arg(long)]
    no_qr: bool,
}

impl LoginLink {
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let link: Wire = context.client()?.post("/login-links", &serde_json::json!({}))?;
        if context.out.look.json {
            return context.out.json(&link);
        }
        output::note(&format!("it lets one browser in, once, until {}:", one_line(&link.expires_at)));
        context.out.line(one_line(&link.url))?;
        let code = qrcode::QrCode::new(&link.url).ok().filter(|_| !self.no_qr && io::stdout().is_terminal());
        match code {
            Some(code) => context.out.line(code.render::<qrcode::render::unicode::Dense1x2>().build()),
            None => Ok(()),
        }
    }
}
