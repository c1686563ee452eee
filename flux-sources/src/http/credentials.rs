//! Who a source is to a server.

use std::fmt;

use flux_core::source::SourceError;
use reqwest::Url;

use crate::secret::Secret;

/// Credentials for a server. They are never shown, and sent to no other server than the one they are for.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// None.
    #[default]
    Anonymous,
    /// A user and a password, such as a Git host's access token.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// A token.
    Bearer {
        /// The token.
        token: String,
    },
}

impl Credentials {
    /// A user and a password.
    pub fn basic(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Basic { username: username.into(), password: password.into() }
    }

    /// A token.
    pub fn bearer(token: impl Into<String>) -> Self {
        Self::Bearer { token: token.into() }
    }

    /// What a Secret in Flux's format holds: `username` and `password`, or `bearerToken`; anonymous if it holds neither.
    ///
    /// # Errors
    /// A password without a user, or both kinds at once.
    pub fn from_secret(secret: &Secret) -> Result<Self, SourceError> {
        match (secret.text("username")?, secret.text("password")?, secret.text("bearerToken")?) {
            (None, None, None) => Ok(Self::Anonymous),
            (None, None, Some(token)) => Ok(Self::bearer(token)),
            (_, _, Some(_)) => {
                Err(secret.invalid("bearerToken", "basic auth and bearer token cannot be set at the same time"))
            }
            (Some(username), password, None) => Ok(Self::basic(username, password.unwrap_or_default())),
            (None, Some(_), None) => Err(secret.invalid("username", "is missing; a password needs a user")),
        }
    }

    /// Takes the user and the password out of a URL, where they are; given credentials outrank them.
    pub(crate) fn or_from(self, url: &mut Url) -> Self {
        let user = percent_decoded(url.username());
        let password = percent_decoded(url.password().unwrap_or_default());
        // Neither can fail for a URL with a host, and one without has no user.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        match self {
            Self::Anonymous if !user.is_empty() || !password.is_empty() => Self::basic(user, password),
            given => given,
        }
    }
}

/// The text behind `%41`; bytes that are no UTF-8 are replaced, and are then not what the server knows.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let decoded = after.get(..2).filter(|_| byte == b'%').and_then(|hex| {
            u8::from_str_radix(std::str::from_utf8(hex).ok().filter(|hex| !hex.starts_with('+'))?, 16).ok()
        });
        bytes.push(decoded.unwrap_or(byte));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Basic { .. } => "Basic(…)",
            Self::Bearer { .. } => "Bearer(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_hold_a_user_and_a_password_or_a_token() {
        let read = |data: &[(&str, &str)]| {
            Credentials::from_secret(&Secret::new("ns/s", data.iter().copied())).map_err(|error| error.to_string())
        };
        assert_eq!(read(&[]), Ok(Credentials::Anonymous));
        assert_eq!(read(&[("username", "a"), ("password", "p")]), Ok(Credentials::basic("a", "p")));
        assert_eq!(read(&[("username", "a")]), Ok(Credentials::basic("a", "")));
        assert_eq!(read(&[("bearerToken", "t"), ("password", "")]), Ok(Credentials::bearer("t")));
        let error = read(&[("password", "hunter2")]).unwrap_err();
        assert_eq!(error, "Secret `ns/s`: data.username: is missing; a password needs a user");
        assert!(read(&[("bearerToken", "t"), ("username", "a")]).unwrap_err().contains("at the same time"));
    }

    #[test]
    fn a_user_in_a_url_is_taken_out_of_it() {
        let mut url = Url::parse("https://a%40b:p%2Fq%@example.com/x").unwrap();
        assert_eq!(Credentials::Anonymous.or_from(&mut url), Credentials::basic("a@b", "p/q%"));
        assert_eq!(url.as_str(), "https://example.com/x");
        let mut url = Url::parse("https://user:p@example.com/x").unwrap();
        assert_eq!(Credentials::bearer("t").or_from(&mut url), Credentials::bearer("t"));
        assert_eq!(url.as_str(), "https://example.com/x");
    }
}
