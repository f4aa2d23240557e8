//! What Linux says of a process and of the machine: proc(5).

use std::fs;

use anyhow::Context as _;

/// Ticks of `/proc/<pid>/stat` in a second: `USER_HZ`, on every machine we build for.
const TICKS: f64 = 100.0;

/// A process that is watched.
#[derive(Clone, Copy)]
pub(super) struct Watched(pub(super) u32);

/// How it was before something happened.
pub(super) struct Before {
    resident_kib: u64,
    cpu_seconds: f64,
}

/// What something cost it.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    /// The peak of its resident memory, above what it had before.
    pub(super) memory_kib: u64,
    pub(super) cpu_seconds: f64,
}

impl Watched {
    /// Begins to watch.
    pub(super) fn begin(self) -> anyhow::Result<Before> {
        // "5": the peak begins anew. Where we may not write it, the peak of its whole life stands,
        // and the cost comes out too high rather than too low.
        let _ = fs::write(format!("/proc/{}/clear_refs", self.0), "5");
        Ok(Before { resident_kib: self.status("VmRSS:")?, cpu_seconds: self.cpu_seconds()? })
    }

    /// What it cost since.
    pub(super) fn since(self, before: &Before) -> anyhow::Result<Cost> {
        Ok(Cost {
            memory_kib: self.status("VmHWM:")?.saturating_sub(before.resident_kib),
            cpu_seconds: self.cpu_seconds()? - before.cpu_seconds,
        })
    }

    /// Its resident memory.
    pub(super) fn resident_kib(self) -> anyhow::Result<u64> {
        self.status("VmRSS:")
    }

    /// What it has computed since it began.
    pub(super) fn cpu_seconds(self) -> anyhow::Result<f64> {
        let stat = read(&format!("/proc/{}/stat", self.0))?;
        let [user, system, ..] = times(&stat).context("`stat` of a process")?;
        Ok((user + system) / TICKS)
    }

    /// The same of it and of all it started itself, whether they still live or not.
    pub(super) fn family_cpu_seconds(self) -> anyhow::Result<f64> {
        let Self(pid) = self;
        let stat = read(&format!("/proc/{pid}/stat"))?;
        let own: f64 = times(&stat).context("`stat` of a process")?.iter().sum();
        let family = self.family()?;
        // One that ended just now is counted with its parent the next time.
        let living = family.iter().skip(1).filter_map(|child| child.cpu_seconds().ok());
        Ok(own / TICKS + living.sum::<f64>())
    }

    /// It and the processes it started that live.
    pub(super) fn family(self) -> anyhow::Result<Vec<Self>> {
        let Self(pid) = self;
        let children = read(&format!("/proc/{pid}/task/{pid}/children"))?;
        let children = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
        Ok([self].into_iter().chain(children.map(Self)).collect())
    }

    /// Its memory, of which it pays only a part where it shares it with others: `Pss`.
    pub(super) fn proportional_kib(self) -> anyhow::Result<u64> {
        self.field("smaps_rollup", "Pss:")
    }

    /// The most that was resident since it was last [watched](Self::begin).
    pub(super) fn peak_kib(self) -> anyhow::Result<u64> {
        self.status("VmHWM:")
    }

    /// A number of its status, such as `Threads:`.
    pub(super) fn status(self, field: &str) -> anyhow::Result<u64> {
        self.field("status", field)
    }

    fn field(self, file: &str, field: &str) -> anyhow::Result<u64> {
        let text = read(&format!("/proc/{}/{file}", self.0))?;
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.with_context(|| format!("the server has no `{field}`"))?.parse()?)
    }
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))
}

// The name stands in parentheses and may hold anything; the 14th to 17th field are user and system
// time of the process, and of those it started that have ended.
fn times(stat: &str) -> Option<[f64; 4]> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok().map(f64::from);
    Some([next()?, next()?, next()?, next()?])
}

/// The machine, for the head of a table.
pub(super) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let model = cpus.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": ")).map_or("?", |(_, model)| model);
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), load());
    format!("{cores} x {model}, Linux {}, load {load}", kernel.trim())
}

/// How many wanted to run in the last minute.
pub(super) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("?").to_owned()
}

#[cfg(test)]
mod tests {
    use super::times;

    #[test]
    fn user_and_system_time_are_read_behind_any_name() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 120 30 5 6 20";
        assert_eq!(times(stat), Some([120.0, 30.0, 5.0, 6.0]));
        assert_eq!(times("7 (a"), None);
    }
}
