//! Countersign: guards a container image from build to production. The one binary: arguments in, exit code out.
//! What a command does is in its file below `command/`; this file only starts it.

mod anchors;
mod arguments;
mod attach;
mod bundle;
mod command;
mod configuration;
mod context;
mod demo;
mod exit;
mod log;
mod output;
mod pkcs11;
mod progress;
mod receipts;
mod sequences;
mod service;
mod source;
mod tlog;

use arguments::Arguments;
use clap::Parser;
use std::process::ExitCode;
use std::time::Duration;

/// Gives memory back when it is free, whichever thread had it; the system's keeps what each thread once needed. Without pages of
/// 2 MiB, of which a server that is mostly idle uses little and pays all; its version 2, which gives back within 10 ms (3: a second).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // One TLS and cryptography provider for the whole program; a second installation would be refused, and there is none.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = Arguments::parse();
    output::set_colour(arguments.colour);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return exit::failed(&anyhow::anyhow!("cannot start the runtime: {error}")),
    };
    let outcome = runtime.block_on(command::run(arguments));
    // Who was asked twice to stop does not wait for what runs in the background.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => exit::failed(&error),
    }
}
