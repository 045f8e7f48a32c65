//! A program that is run to its end, with what it said. A program that hangs is killed and fails.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Seconds after which a program has failed.
const SECONDS_MAX: &str = "400";

/// A program about to be run.
pub(crate) struct Program {
    command: Command,
    shown: String,
    stdin: Vec<u8>,
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// The command, for messages.
    pub(crate) shown: String,
    /// Its exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) out: String,
    /// Its standard error.
    pub(crate) err: String,
}

impl Program {
    /// A program by path or name.
    pub(crate) fn new(path: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", SECONDS_MAX])
            .arg(path.as_ref());
        let shown = Path::new(path.as_ref())
            .file_name()
            .unwrap_or(path.as_ref())
            .to_string_lossy()
            .into_owned();
        Self {
            command,
            shown,
            stdin: Vec::new(),
        }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.shown.push(' ');
        self.shown.push_str(&argument.as_ref().to_string_lossy());
        self.command.arg(argument.as_ref());
        self
    }

    /// Says something else in messages than the command as it is.
    pub(crate) fn shown_as(mut self, shown: &str) -> Self {
        shown.clone_into(&mut self.shown);
        self
    }

    /// Adds an argument that messages leave out.
    pub(crate) fn arg_not_shown(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument.as_ref());
        self
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value.as_ref());
        self
    }

    /// Takes a variable away.
    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs it in a folder.
    pub(crate) fn dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// What it reads from its standard input.
    pub(crate) fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = text.into();
        self
    }

    /// Runs it, whatever comes of it.
    pub(crate) fn run(mut self) -> Done {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self
            .command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run `{}`: {error}", self.shown));
        let mut input = child.stdin.take().unwrap();
        let text = std::mem::take(&mut self.stdin);
        let feeder = std::thread::spawn(move || {
            // A program that does not read to the end is not at fault.
            let _ = input.write_all(&text);
        });
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        let code = output.status.code();
        assert_ne!(
            code,
            Some(127),
            "`{}` is not installed; `.ci/install` says what is needed",
            self.shown
        );
        Done {
            shown: self.shown,
            code,
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs it; it must succeed. Answers its standard output.
    pub(crate) fn ok(self) -> String {
        let done = self.run();
        assert_eq!(done.code, Some(0), "{}", done.all());
        done.out
    }

    /// Runs it; it must fail.
    pub(crate) fn fails(self) -> Done {
        let done = self.run();
        assert_ne!(done.code, Some(0), "succeeded: {}", done.all());
        done
    }
}

impl Done {
    /// All of it, for messages.
    pub(crate) fn all(&self) -> String {
        format!(
            "`{}` ended with {:?}\n{}\n{}",
            self.shown, self.code, self.out, self.err
        )
    }

    /// Asserts that the standard error holds all these texts.
    pub(crate) fn says(&self, texts: &[&str]) {
        for text in texts {
            assert!(
                self.err.contains(text),
                "`{text}` is not in what was said: {}",
                self.all()
            );
        }
    }
}
