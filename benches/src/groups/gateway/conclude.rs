//! From rounds to figures, and whether they are what is aimed at.

use std::time::Duration;

use super::row::{BARE, GATEWAY_ANSWERS, HYPER_ANSWERS, LISTENER_ANSWERS, NGINX, OVER_HTTP, Round, Row, SUBPROCESS};
use crate::harness::{median, quantile};

/// What was found out about one program.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// The row.
    pub name: &'static str,
    /// Median of the requests that were answered in a second at full speed.
    pub per_second: f64,
    /// Median of its user and system time for one of them, in us.
    pub cpu: f64,
    /// That time relative to nginx.
    pub cpu_to_nginx: Option<f64>,
    /// The same relative to the bare proxy.
    pub cpu_to_bare: Option<f64>,
    /// Median over the rounds of their median latency at a given rate, in us.
    pub p50: f64,
    /// That relative to nginx.
    pub p50_to_nginx: Option<f64>,
    /// The 99th percentile of all latencies, in us.
    pub p99: f64,
    /// Bytes at the end.
    pub memory: u64,
}

pub(super) fn all(rows: &[Row]) -> Result<Vec<Figures>, String> {
    let peer = |name: &str| rows.iter().find(|row| row.name == name).map(|row| &row.rounds[..]);
    let (nginx, bare) = (peer(NGINX), peer(BARE));
    rows.iter().map(|row| Ok(figures(row.name, &row.rounds, nginx, bare, row.memory()?))).collect()
}

fn figures(
    name: &'static str,
    rounds: &[Round],
    nginx: Option<&[Round]>,
    bare: Option<&[Round]>,
    memory: u64,
) -> Figures {
    let cpu_to = |peer: Option<&[Round]>| peer.map(|peer| ratio(rounds, peer, Round::cpu_per_call));
    let latencies: Vec<f64> = rounds.iter().flat_map(Round::micros).collect();
    Figures {
        name,
        per_second: middle(rounds, Round::per_second),
        cpu: middle(rounds, Round::cpu_per_call),
        cpu_to_nginx: cpu_to(nginx),
        cpu_to_bare: cpu_to(bare),
        p50: middle(rounds, Round::p50),
        p50_to_nginx: nginx.map(|nginx| ratio(rounds, nginx, Round::p50)),
        p99: quantile(&latencies, 0.99).unwrap_or(f64::NAN),
        memory,
    }
}

fn middle(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    median(&rounds.iter().map(figure).collect::<Vec<_>>()).unwrap_or(f64::NAN)
}

/// The median of the ratios within each round: what slows a whole round cancels out.
fn ratio(rounds: &[Round], peer: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    let ratios: Vec<f64> = rounds.iter().zip(peer).map(|(own, its)| figure(own) / figure(its)).collect();
    median(&ratios).unwrap_or(f64::NAN)
}

impl Round {
    fn per_second(&self) -> f64 {
        self.calls as f64 / self.took.as_secs_f64()
    }

    fn cpu_per_call(&self) -> f64 {
        micros(self.cpu) / self.calls as f64
    }

    fn micros(&self) -> impl Iterator<Item = f64> {
        self.latencies.iter().copied().map(micros)
    }

    fn p50(&self) -> f64 {
        median(&self.micros().collect::<Vec<_>>()).unwrap_or(f64::NAN)
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// What is measured of a row against a peer, and the most that it is to be.
type Aim = (&'static str, &'static str, fn(&Figures) -> Option<f64>, f64);

const AIMS: [Aim; 4] = [
    (OVER_HTTP, "CPU to the bare proxy", |row| row.cpu_to_bare, 1.25),
    (OVER_HTTP, "CPU to nginx", |row| row.cpu_to_nginx, 1.5),
    (OVER_HTTP, "p50 to nginx", |row| row.p50_to_nginx, 1.3),
    (SUBPROCESS, "CPU to nginx", |row| row.cpu_to_nginx, 1.0),
];

/// What is aimed at, and whether it is so here.
pub(super) fn aims(rows: &[Figures]) -> Option<String> {
    let said: Vec<String> = AIMS
        .iter()
        .filter_map(|(name, what, figure, most)| {
            let found = figure(rows.iter().find(|row| row.name == *name)?)?;
            let missed = if found > *most { " (missed)" } else { "" };
            Some(format!("{name}, {what}: {found:.2}x of {most:.2}x{missed}"))
        })
        .collect();
    (!said.is_empty()).then(|| format!("Aims, each at most: {}.", said.join("; ")))
}

/// What each step of a request adds to the CPU of the one before.
pub(super) fn steps(rows: &[Figures]) -> Option<String> {
    let cpu = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.cpu);
    let (hyper, listener, gateway) = (cpu(HYPER_ANSWERS)?, cpu(LISTENER_ANSWERS)?, cpu(GATEWAY_ANSWERS)?);
    let mut said = vec![
        format!("hyper's server {hyper:.1} us"),
        format!("what bounds a connection {:+.1}", listener - hyper),
        format!("routes, manager and default stack {:+.1}", gateway - listener),
    ];
    let hops = [(SUBPROCESS, "then the pipes and the subprocess"), (OVER_HTTP, "or instead the client of HTTP")];
    said.extend(hops.iter().filter_map(|(row, hop)| Some(format!("{hop} {:+.1}", cpu(row)? - gateway))));
    said.extend(cpu(BARE).map(|bare| format!("(hyper's own client {:+.1})", bare - hyper)));
    Some(format!("CPU step by step: {}.", said.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(calls: u64, cpu_ms: u64, latencies: &[u64]) -> Round {
        let latencies = latencies.iter().copied().map(Duration::from_micros).collect();
        Round { calls, took: Duration::from_secs(1), cpu: Duration::from_millis(cpu_ms), latencies }
    }

    #[test]
    fn ratios_are_taken_within_rounds_and_latencies_over_all() {
        let nginx = [round(1000, 10, &[100, 100]), round(500, 10, &[200]), round(1000, 10, &[100])];
        let ours = [round(1000, 15, &[150]), round(500, 15, &[300]), round(1000, 90, &[150, 7000])];
        let found = figures(OVER_HTTP, &ours, Some(&nginx), None, 7);
        assert_eq!((found.per_second, found.cpu), (1000.0, 30.0));
        assert_eq!((found.cpu_to_nginx, found.cpu_to_bare), (Some(1.5), None));
        assert_eq!((found.p50, found.p50_to_nginx), (300.0, Some(1.5)));
        assert!(found.p99 > 6000.0, "{}", found.p99);
    }

    #[test]
    fn a_step_is_what_it_adds_to_the_one_before() {
        let row = |name, cpu_us| figures(name, &[round(1000, cpu_us, &[1])], None, None, 0);
        let mut rows = vec![row(HYPER_ANSWERS, 10), row(LISTENER_ANSWERS, 12), row(GATEWAY_ANSWERS, 17)];
        let said = "CPU step by step: hyper's server 10.0 us, what bounds a connection +2.0, routes, manager and default stack +5.0";
        assert_eq!(steps(&rows), Some(format!("{said}.")));
        rows.extend([row(OVER_HTTP, 60), row(SUBPROCESS, 40), row(BARE, 37)]);
        let hops =
            "then the pipes and the subprocess +23.0, or instead the client of HTTP +43.0, (hyper's own client +27.0)";
        assert_eq!(steps(&rows), Some(format!("{said}, {hops}.")));
        assert_eq!(steps(&rows[1..]), None);
    }

    #[test]
    fn an_aim_that_is_missed_says_so_and_one_without_its_peer_says_nothing() {
        let ours = figures(OVER_HTTP, &[round(1000, 14, &[1])], Some(&[round(1000, 10, &[1])]), None, 0);
        assert_eq!(
            aims(&[ours]).as_deref(),
            Some(
                "Aims, each at most: gateway, plugin over HTTP, CPU to nginx: 1.40x of 1.50x; gateway, plugin over HTTP, p50 to nginx: \
                 1.00x of 1.30x."
            )
        );
        let slow = figures(SUBPROCESS, &[round(1000, 14, &[1])], Some(&[round(1000, 10, &[1])]), None, 0);
        assert!(aims(&[slow]).is_some_and(|said| said.ends_with("1.40x of 1.00x (missed).")));
        assert_eq!(aims(&[]), None);
    }
}
