//! Names that somebody else chose, made inert for each channel; and texts cut to what a service takes.
//!
//! A table may be called `<at user_id="all">` or `[invoice](https://…)`. Backslashes do not help in every
//! reader of Markdown, so in robots' messages whatever could open markup is replaced by its full-width
//! twin, which looks the same and does nothing.

/// Makes text inert in the Markdown of DingTalk and WeCom and in Feishu's texts.
pub fn robot(text: &str) -> String {
    let mut inert = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' | '>' | '[' | ']' | '(' | ')' | '{' | '}' | '*' | '`' | '~' | '|' | '\\' | '#' | '@'
            | '!' => {
                inert.push(full_width(c));
            }
            c => inert.push(c),
        }
    }
    no_links(&inert)
}

/// As [`robot`], with a backslash before `_`, which names of tables are full of.
pub fn robot_markdown(text: &str) -> String {
    robot(text).replace('_', "\\_")
}

/// Makes text inert in Slack's `text`, where `<!channel>` calls everybody.
pub fn slack(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    no_links(&text.replace(['*', '`', '~'], "'"))
}

/// Makes text inert where Slack shows plain text: nothing is parsed there but links.
pub fn slack_plain(text: &str) -> String {
    no_links(
        &text.chars().map(|c| if matches!(c, '<' | '>') { full_width(c) } else { c }).collect::<String>(),
    )
}

/// Makes text inert in HTML.
pub fn html(text: &str) -> String {
    let mut inert = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => inert.push_str("&amp;"),
            '<' => inert.push_str("&lt;"),
            '>' => inert.push_str("&gt;"),
            '"' => inert.push_str("&quot;"),
            '\'' => inert.push_str("&#39;"),
            c => inert.push(c),
        }
    }
    inert
}

/// Chats turn whatever looks like an address into a link.
fn no_links(text: &str) -> String {
    text.replace("://", "：//")
}

/// The form of an ASCII character that fills a Chinese character's width (U+FF01 to U+FF5E).
fn full_width(c: char) -> char {
    char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c)
}

/// One line of text in at most `chars_max` characters: control characters shown, the rest cut.
pub fn value(text: &str, chars_max: usize) -> String {
    let line = lifeboat_console::escape(text.trim());
    match line.char_indices().nth(chars_max) {
        None => line.into_owned(),
        Some(_) => {
            let kept: String = line.chars().take(chars_max - 1).collect();
            format!("{kept}…")
        }
    }
}

/// `body` and `tail`, in at most `bytes_max` bytes: `body` is cut before a character, never within one,
/// and `tail`, which holds the run's id, is kept.
pub fn fit(body: &str, tail: &str, bytes_max: usize) -> String {
    if body.len() + tail.len() <= bytes_max {
        return format!("{body}{tail}");
    }
    let mut end = bytes_max.saturating_sub(tail.len() + "…\n".len()).min(body.len());
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…\n{tail}", &body[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_robot_would_obey_is_left() {
        let evil = "<at user_id=\"all\">x</at> <@all> [a](https://evil.example) *b* `c` @13800000000 ![](x)";
        for text in [robot(evil), robot_markdown(evil)] {
            assert!(!text.contains(['<', '>', '[', ']', '(', ')', '*', '`', '@', '!']), "{text}");
            assert!(!text.contains("://"), "{text}");
        }
        assert_eq!(robot_markdown("crm_main 客户"), "crm\\_main 客户");
        assert_eq!(robot("<a>"), "＜a＞");
    }

    #[test]
    fn slack_and_html_are_escaped() {
        assert_eq!(slack("<!channel> & *b*"), "&lt;!channel&gt; &amp; 'b'");
        assert_eq!(slack_plain("<!channel> https://evil.example"), "＜!channel＞ https：//evil.example");
        assert_eq!(html("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn a_value_is_one_line_and_short() {
        assert_eq!(value("a\nb", 10), "a\\nb");
        assert_eq!(value("客户客户客户", 4), "客户客…");
        assert_eq!(value("客户", 2), "客户");
    }

    #[test]
    fn text_is_cut_before_a_character_and_keeps_its_tail() {
        assert_eq!(fit("ab\n", "run r-1", 100), "ab\nrun r-1");
        for bytes_max in 20..60 {
            let text = fit(&"王".repeat(30), "run r-1", bytes_max);
            assert!(text.len() <= bytes_max && text.ends_with("…\nrun r-1"), "{bytes_max}: {text}");
        }
    }
}
