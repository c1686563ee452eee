use std::borrow::Cow;

/// The text of a scalar, borrowed for as long as it is one piece of the source.
#[derive(Default)]
pub(super) struct Text<'t>(Cow<'t, str>);

impl<'t> Text<'t> {
    pub(super) fn push_str(&mut self, piece: &'t str) {
        if self.0.is_empty() {
            self.0 = Cow::Borrowed(piece);
        } else if !piece.is_empty() {
            self.0.to_mut().push_str(piece);
        }
    }

    pub(super) fn push(&mut self, c: char) {
        self.0.to_mut().push(c);
    }

    /// Joins two lines of a flow scalar: one line break is a space, more are one fewer.
    pub(super) fn fold(&mut self, breaks: &mut Breaks) {
        match breaks.first.take() {
            Some('\n') if breaks.rest.is_empty() => self.push(' '),
            Some('\n') | None => {}
            Some(separator) => self.push(separator),
        }
        if !breaks.rest.is_empty() {
            self.0.to_mut().push_str(&breaks.rest);
            breaks.rest.clear();
        }
    }

    pub(super) fn finish(self) -> Cow<'t, str> {
        self.0
    }
}

/// The line breaks between two lines of a scalar.
#[derive(Default)]
pub(super) struct Breaks {
    pub(super) first: Option<char>,
    pub(super) rest: String,
}
