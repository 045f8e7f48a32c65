//! A network bridge of our own, which leads nowhere, taken away again at the end.

use super::Program;

/// A bridge.
#[derive(Debug)]
pub(crate) struct Bridge(());

/// Its name: the kernel takes 15 letters.
const NAME: &str = "countersign0";
/// Its address, in a network that nobody is likely to use.
const ADDRESS: &str = "10.231.77.1/24";

impl Bridge {
    /// Makes it. One that an interrupted run left behind goes away first.
    pub(crate) fn new() -> Self {
        ip(&["link", "delete", NAME]).run();
        ip(&["link", "add", NAME, "type", "bridge"]).ok();
        let bridge = Self(());
        ip(&["address", "add", ADDRESS, "dev", NAME]).ok();
        ip(&["link", "set", NAME, "up"]).ok();
        bridge
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        NAME
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        ip(&["link", "delete", NAME]).run();
    }
}

fn ip(words: &[&str]) -> Program {
    Program::new("ip").args(words)
}
