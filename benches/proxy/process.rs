//! What the kernel says about a process: CPU time and resident memory. Linux only.

use crate::Result;
use std::time::Duration;

/// User and system time of all threads since the start, in steps of 10 ms (the kernel reports
/// clock ticks; 100 a second on every Linux that matters).
pub(crate) fn cpu_time(process: u32) -> Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is the name in brackets, which may contain spaces.
    let (_, fields) = text.rsplit_once(')').ok_or("no name in stat")?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || -> Result<u64> { Ok(times.next().ok_or("stat is too short")?.parse()?) };
    Ok(Duration::from_millis((ticks()? + ticks()?) * 10))
}

/// Resident memory in bytes.
pub(crate) fn resident(process: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// Keeps a process, all its threads and its later children on one core.
pub(crate) fn pin(process: u32, core: &str) -> Result<()> {
    let output = std::process::Command::new("taskset")
        .args([
            "--all-tasks",
            "--cpu-list",
            "--pid",
            core,
            &process.to_string(),
        ])
        .output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("taskset: {}", String::from_utf8_lossy(&output.stderr)).into())
    }
}
