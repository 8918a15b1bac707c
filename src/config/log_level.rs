//! What `log.level` may be.

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::{schema::quoted, suggest::did_you_mean};

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Checks a list of directives: a level, or `module=level`.
///
/// # Errors
/// What is wrong, in one sentence.
pub(super) fn check(level: &str) -> Result<(), String> {
    let example = "write a level, such as info, or \"info,confab::http=debug\"";
    if level.trim().is_empty() {
        return Err(format!("the log level is empty: {example}"));
    }
    for part in level.split(',') {
        let bare = !part.contains(['=', '[', ']', '{', '}']);
        // The filter takes a bare word for a module and logs nothing else: "inof" would be silence.
        let is_level = !part.is_empty() && part.trim().parse::<LevelFilter>().is_ok();
        if bare && !is_level {
            let hint = did_you_mean(part.trim(), LEVELS);
            return Err(format!("{} is not a log level{hint}; {example}", quoted(part.trim())));
        }
    }
    match EnvFilter::try_new(level) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{} is not a log level: {error}; {example}", quoted(level))),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn levels_and_modules() {
        for good in ["info", "WARN", "off", "info,confab::http=debug", "confab[{session=7}]=trace"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "  ",
            "inof",
            "info,confab::http",
            "confab=loud",
            "info,,debug",
            "warn, confab=debug",
            "a[b=debug",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check("inof").unwrap_err().contains("did you mean \"info\"?"));
    }
}
