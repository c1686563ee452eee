//! Those who sign artifacts, each with a certificate of another.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PSS_SHA256, RsaKeyPair,
};

/// A key and its certificate.
pub(crate) struct Party {
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
    /// The certificate in DER.
    pub(crate) der: Vec<u8>,
}

/// A name such as those that the Notary Project compares.
pub(crate) fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in [
        (DnType::CountryName, "US"),
        (DnType::StateOrProvinceName, "WA"),
        (DnType::OrganizationName, "example"),
        (DnType::CommonName, common),
    ] {
        name.push(kind, value);
    }
    name
}

fn authority_params(common: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// What the certificate of a signer says.
pub(crate) fn signer_params(common: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params
}

impl Party {
    /// An authority that nobody trusts unless told to.
    pub(crate) fn root(common: &str) -> Self {
        Self::alone(authority_params(common), KeyPair::generate().unwrap())
    }

    /// Somebody who vouches for himself.
    pub(crate) fn alone(params: CertificateParams, key: KeyPair) -> Self {
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { params, key, der }
    }

    pub(crate) fn authority(&self, common: &str) -> Self {
        self.issue(authority_params(common), KeyPair::generate().unwrap())
    }

    pub(crate) fn signer(&self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = signer_params("signer");
        change(&mut params);
        self.issue(params, KeyPair::generate().unwrap())
    }

    /// A certificate for a key.
    pub(crate) fn issue(&self, params: CertificateParams, key: KeyPair) -> Self {
        let der = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap().der().to_vec();
        Self { params, key, der }
    }

    /// A signature in the form of JOSE, and the name of its algorithm there.
    pub(crate) fn sign_jose(&self, message: &[u8]) -> (&'static str, Vec<u8>) {
        let (random, der) = (SystemRandom::new(), self.key.serialize_der());
        let ecdsa = |algorithm| {
            let key = EcdsaKeyPair::from_pkcs8(algorithm, &der, &random).unwrap();
            key.sign(&random, message).unwrap().as_ref().to_vec()
        };
        if self.key.algorithm() == &rcgen::PKCS_ECDSA_P256_SHA256 {
            ("ES256", ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING))
        } else if self.key.algorithm() == &rcgen::PKCS_ECDSA_P384_SHA384 {
            ("ES384", ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING))
        } else {
            let key = RsaKeyPair::from_pkcs8(&der).unwrap();
            let mut made = vec![0; key.public().modulus_len()];
            key.sign(&RSA_PSS_SHA256, &random, message, &mut made).unwrap();
            ("PS256", made)
        }
    }
}
