//! Base64 (RFC 4648 §4), standard alphabet with padding.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `bytes` as base64.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, index| bits << 8 | u32::from(group.get(index).copied().unwrap_or(0)));
        for place in 0..4 {
            let symbol = ALPHABET[(bits >> (18 - 6 * place)) as usize % 64];
            text.push(if place <= group.len() { char::from(symbol) } else { '=' });
        }
    }
    text
}

/// The bytes that `text` encodes; `None` when it is not base64 with padding.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let symbols = text.as_bytes();
    if symbols.len() % 4 != 0 {
        return None;
    }
    let value = |symbol: u8| match symbol {
        b'A'..=b'Z' => Some(symbol - b'A'),
        b'a'..=b'z' => Some(symbol - b'a' + 26),
        b'0'..=b'9' => Some(symbol - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let padding = symbols.iter().rev().take(2).take_while(|&&symbol| symbol == b'=').count();
    let (filled, groups) = (symbols.len() - padding, symbols.len() / 4);
    let mut bytes = Vec::with_capacity(groups * 3);
    for group in symbols[..filled].chunks(4) {
        let mut bits = 0u32;
        for &symbol in group {
            bits = bits << 6 | u32::from(value(symbol)?);
        }
        bits <<= 6 * (4 - group.len());
        // What is left of the last symbol beyond whole bytes must be 0.
        let whole = group.len() * 3 / 4;
        if bits & ((1 << (24 - 8 * whole)) - 1) != 0 {
            return None;
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=whole]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["Zg", "Zg=", "Z===", "Zh==", "Zm9=", "Zg==Zg==", "Zm 9", "====", "Zm9v\n"] {
            assert_eq!(super::decode(text), None, "{text:?}");
        }
    }

    /// RFC 4648 §10.
    #[test]
    fn the_standards_examples() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(super::encode(plain.as_bytes()), encoded);
            assert_eq!(super::decode(encoded).as_deref(), Some(plain.as_bytes()));
        }
    }
}
