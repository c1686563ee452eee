//! What the system says of this process, and runs of it for one figure each.

use std::process::Command;
use std::time::Duration;

/// The memory of this process, in MiB.
pub(crate) fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(f64::NAN);
    kib / 1024.0
}

/// The time that processors have spent on this process so far: where other work shares the machine, this says more than
/// the time that passed.
pub(crate) fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    // utime and stime, in hundredths of a second, are the 12th and 13th after the name.
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// What this program prints when it is run anew: memory and caches start empty.
pub(crate) fn anew(arguments: &[&str]) -> String {
    let me = std::env::current_exe().expect("this program");
    let output = Command::new(me).args(arguments).output().expect("runs");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
