//! Base 64 and 32 as Go decodes them: where it stops, and at which byte it complains.

const ALPHABET32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn digit64(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// `base64.StdEncoding.DecodeString`: line breaks are skipped, and bits left over do not matter.
///
/// # Errors
/// `illegal base64 data at input byte 4`
pub(super) fn decode64(text: &[u8]) -> Result<Vec<u8>, String> {
    let illegal = |at: usize| Err(format!("illegal base64 data at input byte {at}"));
    let skip = |mut at: usize| {
        while text.get(at).copied().is_some_and(is_line_break) {
            at += 1;
        }
        at
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut at = 0;
    loop {
        let (mut bits, mut digits) = (0u32, 0);
        while digits < 4 {
            at = skip(at);
            let Some(byte) = text.get(at).copied() else {
                return if digits == 0 { Ok(out) } else { illegal(at - digits) };
            };
            if let Some(digit) = digit64(byte) {
                bits |= u32::from(digit) << (18 - 6 * digits);
                digits += 1;
                at += 1;
                continue;
            }
            if byte != b'=' || digits < 2 {
                return illegal(at);
            }
            at += 1;
            if digits == 2 {
                at = skip(at);
                match text.get(at) {
                    None => return illegal(text.len()),
                    Some(b'=') => at += 1,
                    Some(_) => return illegal(at - 1),
                }
            }
            at = skip(at);
            if at < text.len() {
                return illegal(at);
            }
            break;
        }
        out.extend(bits.to_be_bytes().iter().skip(1).take(digits * 6 / 8));
        if digits < 4 {
            return Ok(out);
        }
    }
}

/// `base32.StdEncoding.EncodeToString`
pub(super) fn encode32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut block = [0u8; 8];
        for (slot, byte) in block.iter_mut().skip(3).zip(chunk) {
            *slot = *byte;
        }
        let bits = u64::from_be_bytes(block);
        let symbols = (chunk.len() * 8).div_ceil(5);
        for i in 0..8 {
            let symbol = ALPHABET32.get((bits >> (35 - 5 * i) & 31) as usize).copied().unwrap_or(b'=');
            out.push(char::from(if i < symbols { symbol } else { b'=' }));
        }
    }
    out
}

/// `base32.StdEncoding.DecodeString`: line breaks are skipped.
///
/// # Errors
/// `illegal base32 data at input byte 4`
pub(super) fn decode32(text: &[u8]) -> Result<Vec<u8>, String> {
    let clean: Vec<u8> = text.iter().copied().filter(|b| !is_line_break(*b)).collect();
    let illegal = |at: usize| Err(format!("illegal base32 data at input byte {at}"));
    let mut out = Vec::new();
    let mut at = 0;
    while at < clean.len() {
        let (mut bits, mut digits) = (0u64, 0);
        let mut ended = false;
        while digits < 8 {
            let Some(byte) = clean.get(at).copied() else {
                return illegal(clean.len() - digits);
            };
            at += 1;
            let left = clean.len() - at;
            if byte == b'=' && digits >= 2 && left < 8 {
                if left + digits < 7 {
                    return illegal(clean.len());
                }
                let padding = clean.get(at..).unwrap_or_default().iter().take(7 - digits);
                if let Some(wrong) = padding.into_iter().position(|b| *b != b'=') {
                    return illegal((at + wrong).saturating_sub(1));
                }
                if matches!(digits, 1 | 3 | 6) {
                    return illegal(at - 1);
                }
                ended = true;
                break;
            }
            let Some(digit) = ALPHABET32.iter().position(|b| *b == byte) else {
                return illegal(at - 1);
            };
            bits |= (digit as u64) << (35 - 5 * digits);
            digits += 1;
        }
        out.extend(bits.to_be_bytes().iter().skip(3).take(digits * 5 / 8));
        if ended {
            break;
        }
    }
    Ok(out)
}
