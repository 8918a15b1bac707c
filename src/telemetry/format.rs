//! How a line of the log is written: no text that somebody else chose can forge a line, or steer a
//! terminal.

use std::fmt::{self, Write};

use confab_plugin::text::is_deceptive;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::LookupSpan,
};

/// The longest value of a field in the journal, in bytes; what is longer is cut.
const MOST_VALUE: usize = 4096;

/// The longest line for people in the journal, in bytes.
const MOST_MESSAGE: usize = 16 * 1024;

/// Stands for what was cut off.
const CUT: &str = "…";

/// Writes lines as another format does, with control characters, and those that change the order
/// of a text or hide in it, as escapes.
pub(super) struct Escaped<F> {
    format: F,
    escape: fn(&mut dyn Write, char) -> fmt::Result,
}

impl<F> Escaped<F> {
    /// Of a format for people: `\u{1b}`.
    pub(super) fn text(format: F) -> Self {
        Self { format, escape: |to, c| write!(to, "{}", c.escape_default()) }
    }

    /// Of a format of JSON, in whose strings alone such characters stand: `\u001b`.
    pub(super) fn json(format: F) -> Self {
        let escape = |to: &mut dyn Write, c: char| {
            c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(to, "\\u{unit:04x}"))
        };
        Self { format, escape }
    }
}

impl<S, N, F> FormatEvent<S, N> for Escaped<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        cx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::with_capacity(256);
        self.format.format_event(cx, Writer::new(&mut line), event)?;
        escaped(&mut writer, line.strip_suffix('\n').unwrap_or(&line), self.escape)?;
        writer.write_char('\n')
    }
}

fn escaped(
    to: &mut dyn Write,
    text: &str,
    escape: fn(&mut dyn Write, char) -> fmt::Result,
) -> fmt::Result {
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_deceptive(*c)) {
        let (plain, odd) = rest.split_at(at);
        to.write_str(plain)?;
        escape(to, c)?;
        rest = odd.get(c.len_utf8()..).unwrap_or_default();
    }
    to.write_str(rest)
}

/// Writes an event in the journal's native protocol: a line `NAME=value` for each field.
///
/// `MESSAGE` holds all of it for people, the fields behind the message, so that `journalctl` shows
/// what is wrong without options. Each field stands also by itself, as `CONFAB_NAME`, to search by.
/// Values have no line ends, for they are escaped, so the protocol's binary form is not needed.
pub(super) struct Journal;

impl<S> FormatEvent<S, JournalFields> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        cx: &FmtContext<'_, S, JournalFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (meta, mut found) = (event.metadata(), Found::default());
        event.record(&mut found);
        let spans =
            cx.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root);
        for span in spans {
            if let Some(fields) = span.extensions().get::<FormattedFields<JournalFields>>() {
                found.lines.push_str(fields.as_str());
            }
        }
        let mut message = found.message;
        for (name, value) in found.lines.lines().filter_map(|line| line.split_once('=')) {
            let gap = if message.is_empty() { "" } else { " " };
            write!(message, "{gap}{name}={value}")?;
        }
        cut(&mut message, MOST_MESSAGE);
        let priority = match *meta.level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        writeln!(writer, "MESSAGE={message}\nPRIORITY={priority}\nSYSLOG_IDENTIFIER=confab")?;
        writeln!(writer, "CONFAB_TARGET={}", found.target.as_deref().unwrap_or(meta.target()))?;
        for (name, value) in found.lines.lines().filter_map(|line| line.split_once('=')) {
            write!(writer, "CONFAB_")?;
            for c in name.chars() {
                let valid = if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
                writer.write_char(valid)?;
            }
            writeln!(writer, "={value}")?;
        }
        Ok(())
    }
}

/// Keeps a span's fields as lines `name=value`.
pub(super) struct JournalFields;

impl<'w> FormatFields<'w> for JournalFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut found = Found::default();
        fields.record(&mut found);
        writer.write_str(&found.lines)
    }
}

/// The fields of an event or a span.
#[derive(Default)]
struct Found {
    message: String,
    /// The module, where a library told it by the `log` crate.
    target: Option<String>,
    /// `name=value` and a line's end, for each field.
    lines: String,
}

impl Found {
    fn take(&mut self, field: &Field, value: &str) {
        let mut safe = String::with_capacity(value.len());
        // Writing to a String never fails.
        let _ = escaped(&mut safe, value, |to, c| write!(to, "{}", c.escape_default()));
        match field.name() {
            "message" => self.message = safe,
            "log.target" => self.target = Some(safe),
            name if name.starts_with("log.") => {}
            name => {
                cut(&mut safe, MOST_VALUE);
                let _ = writeln!(self.lines, "{name}={safe}");
            }
        }
    }
}

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, &format!("{value:?}"));
    }
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push_str(CUT);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// What is written of an event whose texts are hostile.
    fn written(subscriber: impl FnOnce(Lines) -> Box<dyn Subscriber + Send + Sync>) -> String {
        let lines = Lines::default();
        tracing::subscriber::with_default(subscriber(lines.clone()), || {
            let hostile = "a\nPRIORITY=0\u{1b}[31m\u{85}\u{202e}z";
            let span = tracing::error_span!("request", id = "r-1", path = hostile);
            let _entered = span.enter();
            tracing::warn!(who = hostile, shown = %hostile, number = 7, "said {hostile}");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_for_people_is_one_line() {
        let text = written(|to| {
            let format = Escaped::text(tracing_subscriber::fmt::format().with_ansi(false));
            Box::new(
                tracing_subscriber::fmt()
                    .with_ansi(false)
                    .with_writer(to)
                    .event_format(format)
                    .finish(),
            )
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.ends_with('\n') && !text.trim_end().contains(is_deceptive), "{text:?}");
        for part in ["said a\\nPRIORITY=0", "\\u{202e}z", "number=7", "id=\"r-1\""] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_line_of_json_says_what_was_said() {
        let text = written(|to| {
            let format =
                Escaped::json(tracing_subscriber::fmt::format().json().flatten_event(true));
            let builder = tracing_subscriber::fmt().json().with_writer(to);
            Box::new(builder.event_format(format).finish())
        });
        assert!(!text.trim_end().contains(is_deceptive), "{text:?}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["who"], "a\nPRIORITY=0\u{1b}[31m\u{85}\u{202e}z");
        assert_eq!((&line["number"], &line["span"]["id"]), (&7.into(), &"r-1".into()));
    }

    #[test]
    fn the_journal_gets_a_field_a_line() {
        let text = written(|to| {
            let builder = tracing_subscriber::fmt().with_writer(to).fmt_fields(JournalFields);
            Box::new(builder.event_format(Journal).finish())
        });
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("MESSAGE=said a\\nPRIORITY=0\\u{1b}[31m"), "{text}");
        assert!(lines[0].contains(" number=7") && lines[0].contains(" id=r-1"), "{text}");
        assert_eq!(lines[1..3], ["PRIORITY=4", "SYSLOG_IDENTIFIER=confab"]);
        assert!(lines[3].starts_with("CONFAB_TARGET=confab::telemetry::format"), "{text}");
        for field in ["CONFAB_NUMBER=7", "CONFAB_ID=r-1"] {
            assert!(lines.contains(&field), "{field}: {text}");
        }
        let names: Vec<_> = lines.iter().map(|line| line.split('=').next().unwrap()).collect();
        assert_eq!(names.iter().filter(|name| **name == "PRIORITY").count(), 1, "{text}");
        assert_eq!(
            names[4..],
            ["CONFAB_WHO", "CONFAB_SHOWN", "CONFAB_NUMBER", "CONFAB_ID", "CONFAB_PATH"]
        );
    }

    #[test]
    fn what_is_long_is_cut() {
        let mut long = "é".repeat(MOST_VALUE);
        cut(&mut long, MOST_VALUE);
        assert_eq!(long.len(), MOST_VALUE + CUT.len());
    }
}
