//! What all manual pages share: their header, and roff without the flaws of its writers.

use clap_mangen::roff::{Roff, bold, roman};

/// How the library makes an apostrophe; it begins each part that it renders.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// The header of a page. The title is in capitals, as manuals have it.
pub(super) fn header(roff: &mut Roff, title: &str, section: &str, date: &str, manual: &str) {
    let source = concat!("confab ", env!("CARGO_PKG_VERSION"));
    // An empty argument has to be there, in quotes: the others keep their places.
    let date = if date.is_empty() { "\"\"" } else { date };
    roff.control("TH", [title.to_uppercase().as_str(), section, date, source, manual]);
    // Neither breaks of words nor a right margin, so that names and values stay whole.
    roff.control("nh", []);
    roff.control("ad", ["l"]);
}

/// The section that names other pages: `confab(1), confab.toml(5)`.
pub(super) fn see_also(roff: &mut Roff, pages: &[(String, &str)]) {
    roff.control("SH", ["SEE ALSO"]);
    let last = pages.len().saturating_sub(1);
    for (number, (name, section)) in pages.iter().enumerate() {
        let comma = if number == last { "" } else { "," };
        roff.text([bold(name.as_str()), roman(format!("({section}){comma}"))]);
    }
}

/// A page of parts, each rendered by the library: with its beginning once, and with backslashes
/// that every reader of roff shows.
pub(super) fn whole(parts: &[String]) -> String {
    let body = parts.concat().replace(PREAMBLE, "").replace("\\\\", "\\e");
    let body = body.replace("\n.br\n\n.br\n", "\n.sp\n");
    format!("{PREAMBLE}{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_once_and_keeps_its_backslashes() {
        let part = |text: &str| {
            let mut roff = Roff::new();
            roff.text([roman(text)]);
            roff.render()
        };
        let page = whole(&[part("it's"), part("a\\b\\\\c")]);
        assert_eq!(page, format!("{PREAMBLE}it\\*(Aqs\na\\eb\\e\\ec\n"));
    }

    #[test]
    fn a_page_names_others() {
        let mut roff = Roff::new();
        see_also(&mut roff, &[("a".to_owned(), "1"), ("b".to_owned(), "5")]);
        assert_eq!(roff.to_roff(), ".SH \"SEE ALSO\"\n\\fBa\\fR(1),\n\\fBb\\fR(5)\n");
    }
}
