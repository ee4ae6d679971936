//! A certificate authority for one test, and the server certificate that it signs.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Files in PEM form, as servers and clients read them.
#[derive(Debug)]
pub(super) struct Certificates {
    pub authority: PathBuf,
    pub stranger: PathBuf,
    pub server: PathBuf,
    pub server_key: PathBuf,
}

impl Certificates {
    /// Writes an authority, a server certificate for `localhost` and 127.0.0.1 signed by it, and a
    /// second authority of the same name that signed nothing.
    pub fn create(folder: &Path) -> Self {
        let (authority, issuer) = authority();
        let (stranger, _) = self::authority();
        let key = KeyPair::generate().expect("a key can be made");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("the names are valid");
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.use_authority_key_identifier_extension = true;
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        let certificate = params.signed_by(&key, &issuer).expect("the authority can sign");
        let write = |name: &str, pem: String| {
            let path = folder.join(name);
            std::fs::write(&path, pem).expect("the folder can be written");
            path
        };
        Self {
            authority: write("authority.pem", authority),
            stranger: write("stranger.pem", stranger),
            server: write("server.pem", certificate.pem()),
            server_key: write("server.key", key.serialize_pem()),
        }
    }
}

fn authority() -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(Vec::new()).expect("no name is a valid list of names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Lifeboat test authority");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = params.self_signed(&key).expect("an authority can sign itself");
    (certificate.pem(), Issuer::new(params, key))
}
