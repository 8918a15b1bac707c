//! What a look at a backend found: for `confab check --online`.
//!
//! A probe asks, and changes nothing. What it finds never holds a password.

use std::{fmt, time::Duration};

/// The longest text of a finding, in characters: some of it is what a server wrote.
const MAX_TEXT: usize = 400;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Ok,
    /// The daemon works, but somebody should know.
    Warn,
    /// The daemon would not work.
    Fail,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What was looked at: one word or two.
    pub what: &'static str,
    /// What was found, on one line.
    pub text: String,
    /// What to do about it, on one line.
    pub advice: Option<String>,
}

/// What was found at one backend, in the order in which it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which backend, and where it is.
    pub subject: String,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// A report on `subject`, without findings yet.
    pub fn on(subject: &str) -> Self {
        Self { subject: one_line(subject), findings: Vec::new() }
    }

    /// Adds what is as it should be.
    pub fn ok(&mut self, what: &'static str, text: impl fmt::Display) {
        self.add(Level::Ok, what, &text, None);
    }

    /// Adds what works, and what to do about it nevertheless.
    pub fn warn(&mut self, what: &'static str, text: impl fmt::Display, advice: impl fmt::Display) {
        self.add(Level::Warn, what, &text, Some(&advice));
    }

    /// Adds what does not work, and what to do about it.
    pub fn fail(&mut self, what: &'static str, text: impl fmt::Display, advice: impl fmt::Display) {
        self.add(Level::Fail, what, &text, Some(&advice));
    }

    /// How long `times` took, by their median; above `slow` with this advice. Nothing without any.
    pub fn latency(&mut self, times: Vec<Duration>, slow: Duration, advice: &str) {
        const WHAT: &str = "latency";
        let pings = times.len();
        let Some(median) = median(times) else { return };
        let text = format!("{}, the median of {pings} pings", humane(median));
        if median > slow {
            self.warn(WHAT, text, advice);
        } else {
            self.ok(WHAT, text);
        }
    }

    fn add(
        &mut self,
        level: Level,
        what: &'static str,
        text: &dyn fmt::Display,
        advice: Option<&dyn fmt::Display>,
    ) {
        let advice = advice.map(|advice| one_line(&advice.to_string()));
        self.findings.push(Finding { level, what, text: one_line(&text.to_string()), advice });
    }

    /// How many findings have this level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.subject)?;
        for Finding { level, what, text, advice } in &self.findings {
            writeln!(f, "  {level:<5} {what:<12} {text}")?;
            if let Some(advice) = advice {
                writeln!(f, "  {:<5} {:<12} -> {advice}", "", "")?;
            }
        }
        Ok(())
    }
}

/// Text without line ends and other control characters, and not too long.
fn one_line(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.trim().chars().take(MAX_TEXT).map(clean).collect();
    if text.chars().nth(MAX_TEXT).is_some() {
        line.push('…');
    }
    line
}

/// What to do about a server that cannot be reached, from what the network said.
pub fn network_advice(error: &str) -> &'static str {
    let has = |parts: &[&str]| parts.iter().any(|part| error.contains(part));
    if has(&["refused"]) {
        "nothing listens there: is it running, and are host and port right?"
    } else if has(&["lookup", "DNS", "resolve", "Name or service", "nodename"]) {
        "no such host: check its name, and that this machine's DNS knows it"
    } else if has(&["ertificate", "TLS", "tls", "handshake", "corrupt message"]) {
        "check that both sides use TLS, and that this machine trusts the server's certificate"
    } else if has(&["timed out", "timeout", "in time", "within", "unreachable", "No route"]) {
        "no answer: is the machine up, and does a firewall let this one through?"
    } else if has(&["eof", "end of file", "reset", "closed"]) {
        "it answers, but not in the way that was expected: does it want TLS, and is it the right \
         port?"
    } else {
        "check host and port, and whether it runs"
    }
}

/// Whether this host is the machine itself.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// How long one of several round trips took, for people; `None` without any.
fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// A duration for people: `0.3 ms`, `12 ms`, `1.5 s`.
pub fn humane(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    match millis {
        _ if millis < 10.0 => format!("{millis:.1} ms"),
        _ if millis < 1000.0 => format!("{millis:.0} ms"),
        _ => format!("{:.1} s", millis / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_list_with_what_to_do() {
        let mut report = Report::on("Redis at localhost:6379");
        report.ok("version", "7.0");
        report.fail("sign-in", "the password is\nwrong", "check it");
        assert_eq!(
            report.to_string(),
            "Redis at localhost:6379\n  \
               ok    version      7.0\n  \
               FAIL  sign-in      the password is wrong\n                     -> check it\n"
        );
        assert_eq!((report.count(Level::Fail), report.count(Level::Warn)), (1, 0));
    }

    #[test]
    fn what_a_server_writes_is_bounded_and_clean() {
        let line = one_line(&format!("\x1b[31m{}", "é".repeat(1000)));
        assert_eq!(line.chars().count(), MAX_TEXT + 1);
        assert!(!line.contains('\x1b') && line.ends_with('…'));
    }

    #[test]
    fn numbers_for_people() {
        let times = [9, 1, 5].map(Duration::from_millis).to_vec();
        assert_eq!(median(times), Some(Duration::from_millis(5)));
        assert_eq!(median(Vec::new()), None);
        assert_eq!(humane(Duration::from_micros(340)), "0.3 ms");
        assert_eq!(humane(Duration::from_millis(12)), "12 ms");
        assert_eq!(humane(Duration::from_millis(1500)), "1.5 s");
    }

    #[test]
    fn this_machine_is_known() {
        for host in ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.org", "10.0.0.1", "", "localhost.example.org"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
