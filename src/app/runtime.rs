//! What runs the tasks.

use std::io;
use std::thread::available_parallelism;
use tokio::runtime::{Builder, Runtime};

/// As many threads as there are cores (of a container: as it may use). For one, the scheduler that
/// needs no other to be told: it costs a call less.
pub(super) fn runtime() -> io::Result<Runtime> {
    let one_core = available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let mut builder = if one_core {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    builder.enable_all().build()
}
