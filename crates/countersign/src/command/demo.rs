//! `countersign demo`: the whole way of one image on a temporary server, told step by step. What happens is in `demo/`; this file
//! only takes the arguments.

use crate::demo;
use crate::exit::Exit;
use anyhow::Result;
use std::net::SocketAddr;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "With --exit, exit code 0 means that every step went as told.\n\n\
    Examples:\n  countersign demo\n  countersign demo --exit\n  countersign demo --listen 127.0.0.1:5900"
)]
pub(crate) struct Demo {
    /// End after the last step, and take everything away.
    #[arg(long)]
    exit: bool,
    /// Where to listen; without it 127.0.0.1:5800, or a free port where that one is taken.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<Exit> {
        demo::run(demo::Options {
            exit: self.exit,
            listen: self.listen,
        })
        .await?;
        Ok(Exit::Done)
    }
}
