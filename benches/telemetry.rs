//! What telling nothing costs on the way of a message: `cargo bench --bench telemetry`.

use confab::trace::{self, Kind, Span, Trace};
use divan::{Bencher, black_box};
use tracing_subscriber::EnvFilter;

fn main() {
    // As the daemon does at its default level, into nothing.
    let filter = EnvFilter::new("poem=warn,tungstenite=warn,info");
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::sink);
    let handle = subscriber.with_filter_reloading();
    handle.init();
    divan::main();
}

/// The trace id that every event gets.
#[divan::bench]
fn a_trace_id() -> Trace {
    Trace::current()
}

/// A line of a level that is off.
#[divan::bench]
fn a_line_that_is_off(bencher: Bencher<'_, '_>) {
    let trace = Trace::new();
    bencher.bench_local(|| {
        tracing::debug!(trace = %black_box(trace), micros = black_box(7), "an event");
    });
}

/// A span, where there is no collector.
#[divan::bench]
fn a_span_that_is_not_exported(bencher: Bencher<'_, '_>) {
    let trace = Trace::new();
    bencher.bench_local(|| {
        trace::export(black_box(trace), || Span {
            id: trace::random(),
            parent: None,
            name: "message".into(),
            kind: Kind::Server,
            took: std::time::Duration::ZERO,
            failed: false,
            attributes: vec![("confab.outcome", "accepted".into())],
        });
    });
}

/// What surrounds an HTTP request.
#[divan::bench]
fn the_span_of_a_request(bencher: Bencher<'_, '_>) {
    let trace = Trace::new();
    bencher.bench_local(|| {
        let id = black_box(trace).to_string();
        tracing::error_span!("request", %id, method = "GET", path = black_box("/users/me"))
    });
}
