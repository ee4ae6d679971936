//! The three ways in which services want to know that a message is ours. All are HMAC-SHA256; what is the
//! key and what the message differs, and one cannot stand in for another.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

/// DingTalk: signs `MILLISECONDS\nSECRET` with the secret, `SEC` and all.
pub fn dingtalk(milliseconds: i64, secret: &str) -> String {
    hmac_sha256(secret.as_bytes(), format!("{milliseconds}\n{secret}").as_bytes())
}

/// Feishu: signs nothing, with `SECONDS\nSECRET` as the key.
pub fn feishu(seconds: i64, secret: &str) -> String {
    hmac_sha256(format!("{seconds}\n{secret}").as_bytes(), b"")
}

/// Standard Webhooks: signs `ID.SECONDS.BODY` with the bytes that the secret stands for.
/// `None` when the secret is not `whsec_` and base64.
pub fn webhook(id: &str, seconds: i64, body: &str, secret: &str) -> Option<String> {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
    Some(format!("v1,{}", hmac_sha256(&key, format!("{id}.{seconds}.{body}").as_bytes())))
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    BASE64_STANDARD.encode(hmac::sign(&key, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "SEC0123456789abcdef-TEST-ONLY";

    #[test]
    fn signatures_are_those_of_the_vendors() {
        assert_eq!(dingtalk(1_700_000_000_000, SECRET), "mNKx5O5LsC96QLR4dU3TxobVizKq9FyTI/VdRv9eb9Y=");
        assert_eq!(feishu(1_700_000_000, SECRET), "viy71wqEbzUeF64Hdvf8Pa9bKs+vXIjYoXwHBL18iwQ=");
        let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        let signed = webhook("msg_01", 1_700_000_000, r#"{"event":"backup.failed","v":1}"#, secret);
        assert_eq!(signed.as_deref(), Some("v1,VIPR2Pz83AVgj/CtuHJACdIAtoyqJs2SzMPi33rC7yM="));
        assert_eq!(webhook("msg_01", 1_700_000_000, "{}", "not-a-secret"), None);
    }

    #[test]
    fn one_vendors_way_is_not_the_others() {
        assert_eq!(dingtalk(1_700_000_000, SECRET), "vA1FrEb766a328BOLbUXpqNnSQUcj8i/xsLeeUzPaSk=");
        assert_ne!(dingtalk(1_700_000_000, SECRET), feishu(1_700_000_000, SECRET));
    }
}
