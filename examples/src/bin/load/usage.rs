//! What a process has used so far, from `/proc`.

use std::{fs, iter::Sum, time::Duration};

use anyhow::Context;
use serde::Serialize;

/// The unit of `/proc/PID/stat`: `USER_HZ`, which Linux shows as 100 on every machine.
const TICKS_A_SECOND: f64 = 100.0;

/// At one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    cpu: Duration,
    rss_bytes: u64,
}

/// Over a phase.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Used {
    pub(crate) cpu_seconds: f64,
    pub(crate) rss_bytes_before: u64,
    pub(crate) rss_bytes_after: u64,
}

impl Usage {
    /// Of a process of this machine.
    pub(crate) fn of(pid: &str) -> anyhow::Result<Self> {
        let read = |file| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
        };
        let cpu = cpu(&read("stat")?).context("odd /proc/PID/stat")?;
        let rss_bytes = rss(&read("status")?).context("odd /proc/PID/status")?;
        Ok(Self { cpu, rss_bytes })
    }

    /// Of several together.
    pub(crate) fn of_all(pids: &[u32]) -> anyhow::Result<Self> {
        let all = pids.iter().map(|pid| Self::of(&pid.to_string()));
        all.sum::<anyhow::Result<Self>>()
    }

    /// Since `before`.
    pub(crate) fn since(self, before: Self) -> Used {
        Used {
            cpu_seconds: self.cpu.saturating_sub(before.cpu).as_secs_f64(),
            rss_bytes_before: before.rss_bytes,
            rss_bytes_after: self.rss_bytes,
        }
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            cpu: sum.cpu + one.cpu,
            rss_bytes: sum.rss_bytes + one.rss_bytes,
        })
    }
}

/// `utime` and `stime` (proc_pid_stat(5)). The second field, the name, may hold anything.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u32>);
    let ticks = ticks.sum::<Result<u32, _>>().ok()?;
    Some(Duration::from_secs_f64(f64::from(ticks) / TICKS_A_SECOND))
}

fn rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_whatever_the_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 900 0 0 0 150 50 9 9 20 0 3 0 12345 1 2";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
        assert_eq!(cpu("7 (a"), None);
        assert_eq!(rss("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 * 1024 * 1024));
    }
}
