//! TLS for a connection: which certificates are believed, and how strictly.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::WireError;

/// How strictly the server is looked at; the words are those of `ssl-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mysql) enum SslMode {
    /// No TLS.
    Disabled,
    /// TLS if the server has it, of whatever certificate.
    Preferred,
    /// TLS, of whatever certificate.
    Required,
    /// A certificate that the authority signed.
    VerifyCa,
    /// A certificate that the authority signed for this host.
    VerifyIdentity,
}

/// Which files.
#[derive(Debug, Clone, Default)]
pub(in crate::mysql) struct TlsFiles {
    /// The authority; the system's when not given.
    pub(in crate::mysql) authority: Option<PathBuf>,
    /// Our own certificate and its key.
    pub(in crate::mysql) certificate: Option<PathBuf>,
    pub(in crate::mysql) key: Option<PathBuf>,
}

/// The configuration of a connection's TLS.
pub(super) fn config(mode: SslMode, files: &TlsFiles) -> Result<ClientConfig, WireError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match mode {
        SslMode::VerifyIdentity => authority(files, &provider)?,
        SslMode::VerifyCa => {
            let authority = Some(authority(files, &provider)?);
            Arc::new(Lenient { provider: Arc::clone(&provider), authority })
        }
        SslMode::Disabled | SslMode::Preferred | SslMode::Required => {
            Arc::new(Lenient { provider: Arc::clone(&provider), authority: None })
        }
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| WireError::Insecure(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => {
            let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
            config
                .with_client_auth_cert(certificates(certificate)?, key_der)
                .map_err(|error| WireError::Insecure(error.to_string()))
        }
        _ => Ok(config.with_no_client_auth()),
    }
}

fn authority(
    files: &TlsFiles,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, WireError> {
    let mut roots = RootCertStore::empty();
    match &files.authority {
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| unreadable(file, &error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(WireError::Insecure("this machine knows no certificate authority".into()));
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| WireError::Insecure(error.to_string()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, WireError> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| unreadable(file, &error))?;
    if found.is_empty() { Err(unreadable(file, &"it holds no certificate")) } else { Ok(found) }
}

fn unreadable(file: &Path, error: &dyn std::fmt::Display) -> WireError {
    WireError::Insecure(format!("{}: {error}", file.display()))
}

/// What is left of verifying where `ssl-mode` asks for less than all of it: that the other side holds
/// its certificate's key, and for `verify_ca` that the authority signed it.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    /// None for `required` and `preferred`: nobody listens, and nobody knows who answers. Refused for
    /// another host unless the configuration allows it.
    authority: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authority) = &self.authority else { return Ok(ServerCertVerified::assertion()) };
        // The name is looked at last.
        match authority.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
