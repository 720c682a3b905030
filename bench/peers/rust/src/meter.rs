//! Counts the completions of one slice, as worker/meter.ts does. One thread, so cells are enough.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub struct Meter {
    latency: bool,
    limit: u64,
    stopped: Cell<bool>,
    completions: Cell<u64>,
    started: Instant,
    window: Cell<(Instant, Instant)>,
    at_start: Cell<u64>,
    at_end: Cell<u64>,
    latencies: RefCell<Vec<Duration>>,
}

impl Meter {
    /// Starts counting; must be called within a LocalSet, which runs its timers.
    pub fn start(params: &Value, latency: bool) -> Rc<Meter> {
        let now = Instant::now();
        let meter = Rc::new(Meter {
            latency,
            limit: params["maxCompletions"].as_u64().unwrap_or(0),
            stopped: Cell::new(false),
            completions: Cell::new(0),
            started: now,
            window: Cell::new((now, now)),
            at_start: Cell::new(0),
            at_end: Cell::new(0),
            latencies: RefCell::new(Vec::new()),
        });
        let milliseconds = |name: &str| Duration::from_secs_f64(params[name].as_f64().unwrap_or(0.0) / 1000.0);
        let (ramp, duration) = (milliseconds("rampMs"), milliseconds("durationMs"));
        let timed = Rc::downgrade(&meter);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(ramp).await;
            if let Some(meter) = timed.upgrade() {
                meter.open_window();
            }
            tokio::time::sleep(duration).await;
            if let Some(meter) = timed.upgrade() {
                meter.stop();
            }
        });
        meter
    }

    pub fn stopped(&self) -> bool {
        self.stopped.get()
    }

    pub fn begin(&self) -> Option<Instant> {
        self.latency.then(Instant::now)
    }

    pub fn end(&self, started: Option<Instant>) {
        if let Some(started) = started {
            self.latencies.borrow_mut().push(started.elapsed());
        }
        self.complete();
    }

    pub fn complete(&self) {
        self.completions.set(self.completions.get() + 1);
        if self.limit > 0 && self.completions.get() >= self.limit {
            self.stop();
        }
    }

    fn open_window(&self) {
        if self.stopped.get() {
            return;
        }
        self.window.set((Instant::now(), self.window.get().1));
        self.at_start.set(self.completions.get());
        self.latencies.borrow_mut().clear();
    }

    pub fn stop(&self) {
        if !self.stopped.replace(true) {
            self.window.set((self.window.get().0, Instant::now()));
            self.at_end.set(self.completions.get());
        }
    }

    pub fn result(&self) -> Value {
        self.stop();
        let (from, to) = self.window.get();
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let latency = if self.latency { summary(&mut self.latencies.borrow_mut()) } else { Value::Null };
        json!({
            "completions": self.at_end.get() - self.at_start.get(),
            "windowMs": milliseconds(to - from),
            "totalCompletions": self.completions.get(),
            "totalMs": milliseconds(self.started.elapsed()),
            "latency": latency,
        })
    }
}

fn summary(latencies: &mut [Duration]) -> Value {
    latencies.sort_unstable();
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    let at = |share: f64| match latencies.len() {
        0 => 0.0,
        count => micros(latencies[(share * (count - 1) as f64) as usize]),
    };
    let sum: f64 = latencies.iter().map(|each| micros(*each)).sum();
    json!({
        "count": latencies.len(),
        "mean": if latencies.is_empty() { 0.0 } else { sum / latencies.len() as f64 },
        "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": at(1.0),
    })
}
