//! What client text hides: characters that nobody sees, and characters that deceive.

/// Whether `c` takes no place on the screen: controls but for white space, bidi controls,
/// joiners, fillers, variation selectors, tags (Unicode's `Default_Ignorable_Code_Point`, and a
/// little more). Take them away before you compare what a client wrote with words or patterns.
///
/// ```
/// use confab_plugin::text::is_invisible;
///
/// let seen: String = "b\u{200b}a\u{ad}d".chars().filter(|c| !is_invisible(*c)).collect();
/// assert_eq!(seen, "bad");
/// ```
pub fn is_invisible(c: char) -> bool {
    match c {
        ' '..='~' | '\t'..='\r' => false,
        '\0'..='\u{9f}' => c != '\u{85}',
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

/// Whether `c` could forge or disguise a line of a log: controls with the ends of lines, line and
/// paragraph separators, and the format characters (bidi controls, zero-width characters, tags).
/// Escape them in what is logged.
///
/// ```
/// use confab_plugin::text::is_deceptive;
///
/// assert!("ann\n2026-01-01 ERROR".contains(is_deceptive));
/// assert!(!"ann é 漢 😀".contains(is_deceptive));
/// ```
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}
