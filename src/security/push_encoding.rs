//! What is pushed to a browser, encrypted so that only that browser reads it (RFC 8291): its push service, which is
//! somebody else's, carries bytes.
//!
//! ring agrees on keys that it drew itself and on no others. So the agreement is one line at the top, and everything
//! below it takes the agreed secret: that is what the vectors of the standards are held against. The receiving end, in
//! tests, is another library.

use ring::{
    aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral},
    hmac,
    rand::SystemRandom,
};

use super::random::{self, NoRandomness};
use crate::domain::limits::PUSH_BYTES_MAX;

/// A public key of P-256, uncompressed.
pub const PUBLIC_KEY_BYTES: usize = 65;
/// What a browser and its page share beside it.
pub const AUTH_BYTES: usize = 16;

const SALT_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// One record holds all that we ever push.
const RECORD_BYTES: u32 = 4_096;
/// The delimiter of the last record.
const LAST: u8 = 2;

const _: () = assert!(PUSH_BYTES_MAX + TAG_BYTES < RECORD_BYTES as usize);
// Push services take 4,096 bytes in all.
const _: () = assert!(SALT_BYTES + 4 + 1 + PUBLIC_KEY_BYTES + PUSH_BYTES_MAX + 1 + TAG_BYTES <= 4_096);

/// Why something could not be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotEncrypted {
    #[error("the browser's key is no point of P-256")]
    Key,
    #[error("it is longer than {PUSH_BYTES_MAX} bytes")]
    TooLong,
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// Encrypts for a browser with this public key and shared secret.
pub fn encrypt(
    text: &[u8],
    browser: &[u8; PUBLIC_KEY_BYTES],
    auth: &[u8; AUTH_BYTES],
) -> Result<Vec<u8>, NotEncrypted> {
    if text.len() > PUSH_BYTES_MAX {
        return Err(NotEncrypted::TooLong);
    }
    let ours = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).map_err(|_| NoRandomness)?;
    let public = ours.compute_public_key().map_err(|_| NoRandomness)?;
    let public: [u8; PUBLIC_KEY_BYTES] = public.as_ref().try_into().map_err(|_| NotEncrypted::Key)?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, browser);
    let ikm = agree_ephemeral(ours, &theirs, |agreed| keying_material(agreed, auth, browser, &public));
    let ikm = ikm.map_err(|_| NotEncrypted::Key)?;
    let salt = random::bytes()?;
    Ok(coded(&ikm, &salt, &public, RECORD_BYTES, &[(text, 0)]))
}

/// RFC 8291, section 3.4.
fn keying_material(
    agreed: &[u8],
    auth: &[u8; AUTH_BYTES],
    browser: &[u8; PUBLIC_KEY_BYTES],
    ours: &[u8; PUBLIC_KEY_BYTES],
) -> [u8; 32] {
    derived(auth, agreed, &[b"WebPush: info\0", browser, ours])
}

/// RFC 8188: a header, then records, each of them a piece and its padding.
fn coded(ikm: &[u8], salt: &[u8; SALT_BYTES], key_id: &[u8], size: u32, pieces: &[(&[u8], usize)]) -> Vec<u8> {
    let key: [u8; 16] = derived(salt, ikm, &[b"Content-Encoding: aes128gcm\0"]);
    let base: [u8; NONCE_LEN] = derived(salt, ikm, &[b"Content-Encoding: nonce\0"]);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).expect("16 bytes are a key of AES-128"));
    let mut out = salt.to_vec();
    out.extend_from_slice(&size.to_be_bytes());
    out.push(u8::try_from(key_id.len()).expect("a public key or a short name"));
    out.extend_from_slice(key_id);
    for (index, (piece, padding)) in pieces.iter().enumerate() {
        let is_last = index + 1 == pieces.len();
        let mut record = piece.to_vec();
        record.push(if is_last { LAST } else { LAST - 1 });
        record.resize(record.len() + padding, 0);
        let mut nonce = base;
        for (byte, count) in nonce.iter_mut().rev().zip((index as u64).to_be_bytes().iter().rev()) {
            *byte ^= count;
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record).expect("far below what GCM takes");
        out.extend_from_slice(&record);
    }
    out
}

/// HKDF with SHA-256 (RFC 5869), for what fits in one block.
fn derived<const N: usize>(salt: &[u8], ikm: &[u8], info: &[&[u8]]) -> [u8; N] {
    const { assert!(N <= 32) };
    let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), ikm);
    let mut block = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref()));
    for part in info {
        block.update(part);
    }
    block.update(&[1]);
    let mut out = [0; N];
    out.copy_from_slice(&block.sign().as_ref()[..N]);
    out
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use p256::{PublicKey, SecretKey, ecdh::diffie_hellman};

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text.replace(char::is_whitespace, "")).expect("base64url")
    }

    fn exactly<const N: usize>(text: &str) -> [u8; N] {
        bytes(text).try_into().expect("so many bytes")
    }

    fn agreed(private: &[u8], public: &[u8]) -> Vec<u8> {
        let private = SecretKey::from_slice(private).expect("a private key");
        let public = PublicKey::from_sec1_bytes(public).expect("a point");
        diffie_hellman(private.to_nonzero_scalar(), public.as_affine()).raw_secret_bytes().to_vec()
    }

    const TEXT: &[u8] = b"When I grow up, I want to be a watermelon";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
    const BROWSER: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const BROWSER_PRIVATE: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
    const OURS: &str = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
    const OURS_PRIVATE: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";

    #[test]
    fn the_example_of_rfc_8291() {
        let secret = agreed(&bytes(OURS_PRIVATE), &bytes(BROWSER));
        assert_eq!(secret, bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs"));
        assert_eq!(secret, agreed(&bytes(BROWSER_PRIVATE), &bytes(OURS)));
        let ikm = keying_material(&secret, &exactly(AUTH), &exactly(BROWSER), &exactly(OURS));
        assert_eq!(ikm.to_vec(), bytes("S4lYMb_L0FxCeq0WhDx813KgSYqU26kOyzWUdsXYyrg"));
        let salt = exactly("DGv6ra1nlYgDCS1FRnbzlw");
        let body = coded(&ikm, &salt, &bytes(OURS), RECORD_BYTES, &[(TEXT, 0)]);
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmY
            WAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(body, bytes(expected));
    }

    #[test]
    fn the_examples_of_rfc_8188() {
        let text = b"I am the walrus";
        let salt = exactly("I1BsxtFttlv3u_Oo94xnmw");
        let one = coded(&bytes("yqdlZ-tYemfogSmv7Ws5PQ"), &salt, b"", 4_096, &[(text, 0)]);
        assert_eq!(one, bytes("I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg"));
        let salt = exactly("uNCkWiNYzKTnBN9ji3-qWA");
        let two = coded(&bytes("BO3ZVPxUlnLORbVGMpbT1Q"), &salt, b"a1", 25, &[(&text[..7], 1), (&text[7..], 0)]);
        let expected = "uNCkWiNYzKTnBN9ji3-qWAAAABkCYTHOG8chz_gnvgOqdGYovxyjuqRyJFjEDyoF1Fvkj6hQPdPHI51OEUKEpgz3SsLWI
            qS_uA";
        assert_eq!(two, bytes(expected));
    }

    /// The other library agrees, derives and decrypts by itself.
    #[test]
    fn the_browser_reads_it_and_no_two_are_alike() {
        let (browser, auth) = (exactly(BROWSER), exactly(AUTH));
        let body = encrypt(TEXT, &browser, &auth).expect("encrypted");
        assert_ne!(encrypt(TEXT, &browser, &auth).expect("encrypted"), body);
        let (salt, rest) = body.split_at(SALT_BYTES);
        assert_eq!(rest[..5], [0, 0, 16, 0, 65]);
        let (ours, record) = rest[5..].split_at(PUBLIC_KEY_BYTES);
        let secret = agreed(&bytes(BROWSER_PRIVATE), ours);
        let ikm = keying_material(&secret, &auth, &browser, ours.try_into().expect("a key"));
        let key: [u8; 16] = derived(salt, &ikm, &[b"Content-Encoding: aes128gcm\0"]);
        let nonce: [u8; 12] = derived(salt, &ikm, &[b"Content-Encoding: nonce\0"]);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).expect("a key"));
        let mut record = record.to_vec();
        let text = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record).expect("ours");
        assert_eq!(text, [TEXT, &[LAST]].concat());
    }

    #[test]
    fn what_is_no_key_and_what_is_too_long_is_refused() {
        let auth = exactly(AUTH);
        assert_eq!(encrypt(TEXT, &[4; PUBLIC_KEY_BYTES], &auth), Err(NotEncrypted::Key));
        let long = vec![0; PUSH_BYTES_MAX + 1];
        assert_eq!(encrypt(&long, &exactly(BROWSER), &auth), Err(NotEncrypted::TooLong));
        let longest = encrypt(&long[1..], &exactly(BROWSER), &auth).expect("encrypted");
        assert!(longest.len() <= 4_096);
    }
}
