//! Texts that are signed and still readable: the cleartext signature framework of OpenPGP (RFC 9580, section 7).
//!
//! What is returned as the text is exactly what the signature is over, so that nothing is believed that was not signed.

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";

/// A text and its signature in armor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clearsigned<'a> {
    /// The lines, without the dashes that escape them and without the blanks at their ends.
    lines: Vec<&'a str>,
    pub(super) signature: &'a str,
}

impl<'a> Clearsigned<'a> {
    /// Takes a message apart. There may be nothing before it, after it, or in its header but the names of digests.
    ///
    /// # Errors
    /// In words: a message that is not of this form.
    pub(super) fn read(message: &'a str) -> Result<Self, &'static str> {
        let message = message.trim_ascii();
        let mut rest = message;
        if next_line(&mut rest) != Some(BEGIN) {
            return Err("it does not begin with a signed message");
        }
        loop {
            match next_line(&mut rest).ok_or("the signed message ends in its header")? {
                "" => break,
                line if line.starts_with("Hash: ") => {}
                _ => return Err("the header of the signed message holds something else than digests"),
            }
        }
        let mut lines = Vec::new();
        loop {
            let before = rest;
            let line = next_line(&mut rest).ok_or("the signed message has no signature")?;
            if line == SIGNATURE {
                rest = before;
                break;
            }
            match line.strip_prefix("- ") {
                Some(escaped) => lines.push(escaped),
                None if line.starts_with('-') => return Err("a line of the signed message begins with a dash"),
                None => lines.push(line),
            }
        }
        if rest.matches("-----BEGIN").count() > 1 || !rest.ends_with(END) || rest.matches(END).count() > 1 {
            return Err("there is not one signature at its end");
        }
        Ok(Self { lines, signature: rest })
    }

    /// The text.
    pub(super) fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The text as it was signed: every line ends as on the network.
    pub(super) fn signed(&self) -> String {
        self.lines.join("\r\n")
    }
}

/// Takes the next line off, without its end and the blanks before that.
fn next_line<'a>(rest: &mut &'a str) -> Option<&'a str> {
    if rest.is_empty() {
        return None;
    }
    let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
    *rest = after;
    Some(line.strip_suffix('\r').unwrap_or(line).trim_end_matches([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str = "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----";

    #[test]
    fn the_text_is_what_was_signed() {
        for end in ["\n", "\r\n"] {
            let message =
                format!("{BEGIN}\nHash: SHA512\n\na: 1 \t\n- - dash\n\n...\nb: 2\n{TAIL}\n").replace('\n', end);
            let read = Clearsigned::read(&message).unwrap();
            assert_eq!(read.text(), "a: 1\n- dash\n\n...\nb: 2");
            assert_eq!(read.signed(), "a: 1\r\n- dash\r\n\r\n...\r\nb: 2");
            assert_eq!(read.signature.replace('\r', ""), TAIL);
        }
        let empty = format!("{BEGIN}\n\n{TAIL}");
        assert_eq!(Clearsigned::read(&empty).unwrap().text(), "");
    }

    #[test]
    fn h27_what_could_be_read_in_two_ways_is_refused() {
        for (message, problem) in [
            (String::new(), "does not begin"),
            ("text".into(), "does not begin"),
            (format!("x\n{BEGIN}\n\na\n{TAIL}"), "does not begin"),
            (format!("{BEGIN}\nHash: SHA512"), "ends in its header"),
            (format!("{BEGIN}\nComment: x\n\na\n{TAIL}"), "something else than digests"),
            (format!("{BEGIN}\n\na\n"), "has no signature"),
            (format!("{BEGIN}\n\na\n{SIGNATURE}\n\nAAAA"), "not one signature"),
            (format!("{BEGIN}\n\na\n-----END PGP SIGNATURE-----"), "begins with a dash"),
            (format!("{BEGIN}\n\n{BEGIN}\n\na\n{TAIL}"), "begins with a dash"),
            (format!("{BEGIN}\n\na\n{TAIL}\nfiles: {{}}"), "not one signature"),
            (format!("{BEGIN}\n\na\n{TAIL}\n{TAIL}"), "not one signature"),
        ] {
            assert!(Clearsigned::read(&message).unwrap_err().contains(problem), "{problem}: {message}");
        }
    }
}
