//! What the process has used since its start, as bench/protocol.ts defines it.

use serde_json::{Value, json};

#[derive(Clone, Copy, Default)]
pub struct Usage {
    user_micros: i64,
    system_micros: i64,
    involuntary_switches: i64,
    read_calls: i64,
    write_calls: i64,
    read_octets: i64,
    written_octets: i64,
    rss_octets: i64,
}

impl Usage {
    /// The difference since `before`; memory stays that of now.
    pub fn since(self, before: Usage) -> Usage {
        Usage {
            user_micros: self.user_micros - before.user_micros,
            system_micros: self.system_micros - before.system_micros,
            involuntary_switches: self.involuntary_switches - before.involuntary_switches,
            read_calls: self.read_calls - before.read_calls,
            write_calls: self.write_calls - before.write_calls,
            read_octets: self.read_octets - before.read_octets,
            written_octets: self.written_octets - before.written_octets,
            rss_octets: self.rss_octets,
        }
    }

    pub fn to_json(self) -> Value {
        json!({
            "userMicros": self.user_micros,
            "systemMicros": self.system_micros,
            "involuntarySwitches": self.involuntary_switches,
            "readCalls": self.read_calls,
            "writeCalls": self.write_calls,
            "readOctets": self.read_octets,
            "writtenOctets": self.written_octets,
            "loopTurns": 0,
            "rssOctets": self.rss_octets,
            "heapUsedOctets": 0,
        })
    }
}

pub fn current() -> Usage {
    let mut usage = Usage::default();
    // SAFETY: getrusage fills the struct it is given, and a zeroed rusage is a valid one.
    let measured: libc::rusage = unsafe {
        let mut measured = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut measured);
        measured
    };
    usage.user_micros = measured.ru_utime.tv_sec * 1_000_000 + measured.ru_utime.tv_usec;
    usage.system_micros = measured.ru_stime.tv_sec * 1_000_000 + measured.ru_stime.tv_usec;
    usage.involuntary_switches = measured.ru_nivcsw;
    for line in std::fs::read_to_string("/proc/self/io").unwrap_or_default().lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        let value = value.parse().unwrap_or(0);
        match name {
            "syscr" => usage.read_calls = value,
            "syscw" => usage.write_calls = value,
            "rchar" => usage.read_octets = value,
            "wchar" => usage.written_octets = value,
            _ => {}
        }
    }
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: i64 = statm.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    usage.rss_octets = pages * 4096;
    usage
}
