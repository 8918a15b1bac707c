//! Sends spans to a collector of OpenTelemetry: OTLP over HTTP, in its JSON form.
//!
//! A collector that is slow, gone or wrong costs the spans that no longer fit into the queue, and
//! nothing else.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use metrics::{Counter, counter, describe_counter};
use serde_json::{Value as Json, json};
use tokio::{sync::mpsc, time::timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    bench::{http::Http, target::Target},
    config::telemetry::Otlp,
    rate::Seldom,
    trace::{self, Span, Trace, Value},
};

/// The most spans in one request: some 300 KiB.
const BATCH: usize = 512;

/// How long spans wait for others to come with them.
const GATHER: Duration = Duration::from_secs(1);

/// How often the log says that the collector takes nothing.
const TELL: Duration = Duration::from_secs(60);

static TROUBLE: Seldom = Seldom::new(TELL);

type Ended = (Trace, SystemTime, Span);

/// Describes the metrics of this module.
pub fn describe_metrics() {
    describe_counter!(
        "confab_spans_total",
        "Spans of traces that were to go to the collector, by what became of them."
    );
}

/// Sends spans until `stop`, if there is a collector to send them to.
pub fn export_spans(config: &Otlp, tasks: &TaskTracker, stop: &CancellationToken) {
    // The address was checked with the configuration.
    let Some(target) = config.endpoint.as_ref().and_then(|it| it.parse::<Target>().ok()) else {
        return;
    };
    let Some(spans) = trace::start_export(config.one_in, config.queue) else { return };
    let exporter = Exporter {
        http: Http::new(&target).with_limit(config.timeout.0),
        service: config.service.clone(),
        instance: format!("{:016x}", trace::random()),
        exported: counter!("confab_spans_total", "result" => "exported"),
        failed: counter!("confab_spans_total", "result" => "failed"),
    };
    tasks.spawn(exporter.run(spans, stop.clone()));
}

struct Exporter {
    http: Http,
    service: String,
    instance: String,
    exported: Counter,
    failed: Counter,
}

impl Exporter {
    async fn run(mut self, mut spans: mpsc::Receiver<Ended>, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let first = stop.run_until_cancelled(spans.recv_many(&mut batch, BATCH)).await;
            let until = tokio::time::Instant::now() + GATHER;
            while first.is_some() && batch.len() < BATCH {
                let room = BATCH - batch.len();
                let more = timeout_at(until, spans.recv_many(&mut batch, room));
                if !matches!(stop.run_until_cancelled(more).await, Some(Ok(1..))) {
                    break;
                }
            }
            if stop.is_cancelled() {
                // What is there yet goes in one last request.
                while batch.len() < BATCH
                    && let Ok(span) = spans.try_recv()
                {
                    batch.push(span);
                }
            }
            if !batch.is_empty() {
                self.send(&batch).await;
                batch.clear();
            }
            if stop.is_cancelled() {
                return;
            }
        }
    }

    async fn send(&mut self, batch: &[Ended]) {
        let body = self.request(batch);
        let why = match self.http.post_json("/v1/traces", &body).await {
            Ok(answer) if answer.status.is_success() => {
                return self.exported.increment(batch.len() as u64);
            }
            Ok(answer) => format!("it answered {}", answer.status),
            Err(error) => error.to_string(),
        };
        self.failed.increment(batch.len() as u64);
        if let Some(untold) = TROUBLE.due(Instant::now()) {
            tracing::warn!(
                error = %why.escape_debug(),
                untold,
                "the collector of telemetry.otlp takes no spans: they are dropped"
            );
        }
    }

    /// An `ExportTraceServiceRequest`, in the JSON form of OTLP.
    fn request(&self, batch: &[Ended]) -> Json {
        let version = env!("CARGO_PKG_VERSION");
        let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        let resource = [
            text("service.name", &self.service),
            text("service.version", version),
            text("service.instance.id", &self.instance),
        ];
        let spans: Vec<_> = batch.iter().map(span).collect();
        json!({"resourceSpans": [{
            "resource": {"attributes": resource},
            "scopeSpans": [{"scope": {"name": "confab", "version": version}, "spans": spans}],
        }]})
    }
}

fn span((trace, ended, span): &Ended) -> Json {
    // 64-bit numbers are texts in the JSON form of protobuf, and ids are hexadecimal.
    let nanos = |time: SystemTime| {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_nanos().to_string()
    };
    let attributes = span.attributes.iter().map(|(key, value)| match value {
        Value::Text(text) => json!({"key": key, "value": {"stringValue": text}}),
        Value::Number(number) => json!({"key": key, "value": {"intValue": number.to_string()}}),
    });
    let mut told = json!({
        "traceId": trace.to_string(),
        "spanId": format!("{:016x}", span.id),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": nanos(ended.checked_sub(span.took).unwrap_or(*ended)),
        "endTimeUnixNano": nanos(*ended),
        "attributes": attributes.collect::<Vec<_>>(),
    });
    if let Some(parent) = span.parent {
        told["parentSpanId"] = format!("{parent:016x}").into();
    }
    if span.failed {
        told["status"] = json!({"code": 2});
    }
    told
}
