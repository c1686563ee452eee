//! One version.

use std::cmp::Ordering;
use std::fmt;

use super::scan::{Pieces, pieces};

/// Why a text is no version or no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SemverError {
    /// Not of the form of a version.
    #[error("invalid semantic version")]
    Invalid,
    /// Nothing there.
    #[error("version string empty")]
    Empty,
    /// Something else than digits in a number.
    #[error("invalid characters in version")]
    Characters,
    /// A number that is written with leading zeros.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// A prerelease that is not dot-separated identifiers.
    #[error("invalid prerelease string")]
    Prerelease,
    /// Metadata that is not dot-separated identifiers.
    #[error("invalid metadata string")]
    Metadata,
    /// A number beyond 64 bits.
    #[error("error parsing version segment: {0:?}: value out of range")]
    Range(String),
    /// Not a range of versions.
    #[error("improper constraint: {0:?}")]
    Constraint(String),
    /// A range that looks right but names no version.
    #[error("constraint parser error")]
    ConstraintVersion,
}

/// A version, remembered as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: String,
    metadata: String,
    original: String,
}

impl Version {
    /// Reads a version: an optional `v`, one to three numbers, a prerelease, metadata (`NewVersion`).
    ///
    /// # Errors
    /// If it is not of that form.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        let pieces = pieces(text, |b| b.is_ascii_digit()).filter(|p| p.length == text.len());
        Self::from_pieces(&pieces.ok_or(SemverError::Invalid)?, text)
    }

    /// Reads a version as SemVer 2.0 has it: three numbers without leading zeros and no `v` (`StrictNewVersion`).
    ///
    /// # Errors
    /// If it is not of that form.
    pub fn parse_strict(text: &str) -> Result<Self, SemverError> {
        if text.is_empty() {
            return Err(SemverError::Empty);
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SemverError::Invalid);
        };
        let (rest, metadata) = rest.split_once('+').map_or((rest, None), |(rest, metadata)| (rest, Some(metadata)));
        let (patch, prerelease) = rest.split_once('-').map_or((rest, None), |(patch, pre)| (patch, Some(pre)));
        metadata.map_or(Ok(()), check_metadata)?;
        prerelease.map_or(Ok(()), check_prerelease)?;
        for number in [major, minor, patch] {
            if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
                return Err(SemverError::Characters);
            }
            if number.len() > 1 && number.starts_with('0') {
                return Err(SemverError::LeadingZero);
            }
        }
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
            patch: number(patch)?,
            prerelease: prerelease.unwrap_or_default().to_owned(),
            metadata: metadata.unwrap_or_default().to_owned(),
            original: text.to_owned(),
        })
    }

    /// Reads a version as Flux's sources do: as [`Version::parse`], but all three numbers must be there
    /// (`version.ParseVersion` of fluxcd/pkg).
    ///
    /// # Errors
    /// If it is not of that form.
    pub fn parse_flux(text: &str) -> Result<Self, SemverError> {
        if text.splitn(3, '.').count() != 3 {
            return Err(SemverError::Invalid);
        }
        Self::parse(text)
    }

    pub(super) fn from_pieces(pieces: &Pieces<'_>, original: &str) -> Result<Self, SemverError> {
        let after_dot = |piece: &str| piece.strip_prefix('.').map_or(Ok(0), number);
        let version = Self {
            major: number(pieces.major)?,
            minor: after_dot(pieces.minor)?,
            patch: after_dot(pieces.patch)?,
            prerelease: pieces.prerelease.get(1..).unwrap_or("").to_owned(),
            metadata: pieces.metadata.get(1..).unwrap_or("").to_owned(),
            original: original.to_owned(),
        };
        if !version.prerelease.is_empty() {
            check_prerelease(&version.prerelease)?;
        }
        Ok(version)
    }

    /// The first number.
    pub fn major(&self) -> u64 {
        self.major
    }

    /// The second number.
    pub fn minor(&self) -> u64 {
        self.minor
    }

    /// The third number.
    pub fn patch(&self) -> u64 {
        self.patch
    }

    /// What follows the `-`; empty for a release.
    pub fn prerelease(&self) -> &str {
        &self.prerelease
    }

    /// What follows the `+`.
    pub fn metadata(&self) -> &str {
        &self.metadata
    }

    /// The text this was read from.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// Which version comes first; metadata and spelling do not count.
    pub fn cmp_precedence(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| compare_prereleases(&self.prerelease, &other.prerelease))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

fn number(text: &str) -> Result<u64, SemverError> {
    text.parse().map_err(|_| SemverError::Range(text.to_owned()))
}

fn check_prerelease(text: &str) -> Result<(), SemverError> {
    for part in text.split('.') {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(SemverError::Prerelease);
        }
        if part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(SemverError::LeadingZero);
        }
    }
    Ok(())
}

fn check_metadata(text: &str) -> Result<(), SemverError> {
    let valid = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if text.split('.').all(valid) { Ok(()) } else { Err(SemverError::Metadata) }
}

/// A release follows its prereleases; identifiers compare one by one, numbers before words.
pub(super) fn compare_prereleases(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// The versions among `texts` that `range` admits, newest first; what is no version is left out. Equal ones keep
/// their order.
pub fn newest_first<'t>(texts: impl IntoIterator<Item = &'t str>, range: Option<&super::Constraint>) -> Vec<Version> {
    let mut versions: Vec<_> = texts
        .into_iter()
        .filter_map(|text| Version::parse_flux(text).ok())
        .filter(|version| range.is_none_or(|range| range.matches(version)))
        .collect();
    versions.sort_by(|a, b| b.cmp_precedence(a));
    versions
}
