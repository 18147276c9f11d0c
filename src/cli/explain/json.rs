//! JSON text laid out anew: keys, their order and the digits of numbers stay as they are.
//!
//! A tree of values would lose both, and what is shown here must be what is sent.

/// With line breaks, two spaces a level; empty objects and lists on one line.
pub(super) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0;
    let mut tokens = Tokens(json).peekable();
    while let Some(token) = tokens.next() {
        match token {
            "{" | "[" => {
                out.push_str(token);
                if let Some(&close @ ("}" | "]")) = tokens.peek() {
                    out.push_str(close);
                    tokens.next();
                } else {
                    depth += 1;
                    line(depth, &mut out);
                }
            }
            "}" | "]" => {
                depth -= 1;
                line(depth, &mut out);
                out.push_str(token);
            }
            "," => {
                out.push(',');
                line(depth, &mut out);
            }
            ":" => out.push_str(": "),
            other => out.push_str(other),
        }
    }
    out
}

fn line(depth: usize, out: &mut String) {
    out.push('\n');
    (0..depth).for_each(|_| out.push_str("  "));
}

/// Without any white space between tokens.
pub(super) fn compact(json: &str) -> String {
    Tokens(json).collect()
}

/// The tokens of valid JSON.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
        let first = *text.as_bytes().first()?;
        let length = match first {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            b'"' => string_length(text),
            _ => text
                .find([',', '}', ']', ':', ' ', '\t', '\n', '\r'])
                .unwrap_or(text.len()),
        };
        let (token, rest) = text.split_at_checked(length)?;
        self.0 = rest;
        Some(token)
    }
}

/// The length of the string that `text` begins with, its quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_digits_and_escapes_stay() {
        let json = r#"{"z":0.70,"a":[1,{"é\"\\":"x: [,]"},[],{}],"e":1e-3,"t":true,"n":null}"#;
        let shown = "{\n  \"z\": 0.70,\n  \"a\": [\n    1,\n    {\n      \"é\\\"\\\\\": \"x: [,]\"\n    \
                     },\n    [],\n    {}\n  ],\n  \"e\": 1e-3,\n  \"t\": true,\n  \"n\": null\n}";
        assert_eq!(pretty(json), shown);
        assert_eq!(compact(shown), json);
    }
}
