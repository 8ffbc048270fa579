//! Masking and unmasking (RFC 6455, section 5.3).

/// XORs `bytes` with `key`; masking and unmasking are the same.
///
/// `offset` is how many bytes of the payload came before `bytes`, so that a payload may be unmasked piece by piece. Eight
/// bytes a step; the compiler makes vector instructions of it.
pub fn apply_mask(key: [u8; 4], offset: usize, bytes: &mut [u8]) {
    let [a, b, c, d] = rotated(key, offset);
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = bytes.chunks_exact_mut(8);
    for word in words.by_ref() {
        let plain = u64::from_ne_bytes((&*word).try_into().expect("chunks_exact gives eight bytes")) ^ wide;
        word.copy_from_slice(&plain.to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}

/// The key as it stands `offset` bytes into the payload.
pub(crate) fn rotated(mut key: [u8; 4], offset: usize) -> [u8; 4] {
    key.rotate_left(offset % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_piece_is_unmasked_as_in_the_whole(
            key: [u8; 4], plain in proptest::collection::vec(any::<u8>(), 0..80), at: prop::sample::Index,
        ) {
            let expected: Vec<u8> = plain.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
            let at = at.index(plain.len() + 1);
            let mut pieces = plain.clone();
            let (left, right) = pieces.split_at_mut(at);
            apply_mask(key, 0, left);
            apply_mask(key, at, right);
            prop_assert_eq!(pieces, expected);
        }
    }
}
