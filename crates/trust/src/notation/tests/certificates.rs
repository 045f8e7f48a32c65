//! The rules of certificates, each broken once. signature-specification "Certificate Requirements".

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose as Extended,
    IsCa, KeyPair, KeyUsagePurpose as Usage, PKCS_ED25519,
};

use super::super::chain::{CHAIN_MAX, check};
use super::super::testing::*;
use super::super::*;
use crate::pem;

/// A chain whose leaf or root was changed.
fn with_leaf(change: impl FnOnce(&mut CertificateParams)) -> Result<(), ChainFault> {
    let mut params = signer("signer");
    change(&mut params);
    check(&World::with(params).chain(), Purpose::CodeSigning)
}

fn with_middle(change: impl FnOnce(&mut CertificateParams)) -> Result<(), ChainFault> {
    let root = Holder::root(authority("root"));
    let mut params = authority("middle");
    change(&mut params);
    let middle = root.issue(params);
    let leaf = middle.issue(signer("signer"));
    check(&chain([&leaf, &middle, &root]), Purpose::CodeSigning)
}

fn chain<const N: usize>(holders: [&Holder; N]) -> Vec<Certificate> {
    holders.map(|one| one.certificate.clone()).to_vec()
}

fn key_usage(content: &str, critical: bool) -> CustomExtension {
    extension(&[2, 5, 29, 15], content, critical)
}

fn extension(oid: &[u64], content: &str, critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, hex::decode(content).unwrap());
    extension.set_criticality(critical);
    extension
}

#[test]
fn a_chain_that_keeps_the_rules_is_taken() {
    assert_eq!(with_leaf(|_| {}), Ok(()));
    assert_eq!(with_leaf(|leaf| leaf.extended_key_usages.clear()), Ok(()));
    assert_eq!(with_leaf(|leaf| leaf.is_ca = IsCa::ExplicitNoCa), Ok(()));
    assert_eq!(
        with_leaf(|leaf| leaf.key_usages.push(Usage::ContentCommitment)),
        Ok(())
    );
}

#[test]
fn a_leaf_that_signed_itself_stands_alone() {
    let alone = Holder::root(signer("alone"));
    assert_eq!(check(&chain([&alone]), Purpose::CodeSigning), Ok(()));
    let authority = Holder::root(authority("root"));
    let fault = check(&chain([&authority]), Purpose::CodeSigning);
    assert!(
        matches!(fault, Err(ChainFault::LeafIsAuthority { .. })),
        "{fault:?}"
    );
}

#[test]
fn no_certificate_is_no_chain() {
    assert_eq!(check(&[], Purpose::CodeSigning), Err(ChainFault::Empty));
}

#[test]
fn a_chain_that_is_too_long_is_refused() {
    let root = Holder::root(authority("root"));
    let long = vec![root.certificate.clone(); CHAIN_MAX + 1];
    assert!(matches!(
        check(&long, Purpose::CodeSigning),
        Err(ChainFault::Length { .. })
    ));
}

#[test]
fn a_chain_without_its_root_is_refused() {
    let mut chain = World::new().chain();
    chain.pop();
    assert!(matches!(
        check(&chain, Purpose::CodeSigning),
        Err(ChainFault::NoRoot { .. })
    ));
}

#[test]
fn a_chain_in_another_order_is_refused() {
    let mut chain = World::new().chain();
    chain.swap(1, 2);
    assert!(matches!(
        check(&chain, Purpose::CodeSigning),
        Err(ChainFault::Order { .. })
    ));
}

#[test]
fn a_certificate_that_does_not_belong_there_is_refused() {
    let mut chain = World::new().chain();
    chain.insert(2, Holder::root(authority("other")).certificate);
    assert!(matches!(
        check(&chain, Purpose::CodeSigning),
        Err(ChainFault::Order { .. })
    ));
}

#[test]
fn a_root_of_the_same_name_with_another_key_is_refused() {
    let mut chain = World::new().chain();
    chain.pop();
    chain.push(Holder::root(authority("root")).certificate);
    assert!(matches!(
        check(&chain, Purpose::CodeSigning),
        Err(ChainFault::Order { .. })
    ));
}

#[test]
fn a_root_twice_is_refused() {
    let mut chain = World::new().chain();
    chain.push(chain.last().unwrap().clone());
    assert!(matches!(
        check(&chain, Purpose::CodeSigning),
        Err(ChainFault::SelfSigned { .. })
    ));
}

#[test]
fn a_signature_over_sha1_is_refused_before_it_is_verified() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/certificate/sha1.pem"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let sha1 = Certificate::parse(&pem::decode(&text, &["CERTIFICATE"]).unwrap()).unwrap();
    assert!(matches!(
        check(&[sha1], Purpose::CodeSigning),
        Err(ChainFault::Sha1 { .. })
    ));
}

#[test]
fn an_authority_without_basic_constraints_is_refused() {
    let fault = with_middle(|middle| middle.is_ca = IsCa::NoCa);
    assert!(
        matches!(fault, Err(ChainFault::AuthorityConstraints { .. })),
        "{fault:?}"
    );
}

#[test]
fn an_authority_whose_basic_constraints_are_not_critical_is_refused() {
    let fault = with_middle(|middle| {
        middle.is_ca = IsCa::NoCa;
        middle.custom_extensions = vec![extension(&[2, 5, 29, 19], "30030101ff", false)];
    });
    assert!(
        matches!(fault, Err(ChainFault::AuthorityConstraints { .. })),
        "{fault:?}"
    );
}

#[test]
fn an_authority_that_is_none_is_refused() {
    let fault = with_middle(|middle| middle.is_ca = IsCa::ExplicitNoCa);
    assert!(
        matches!(fault, Err(ChainFault::AuthorityConstraints { .. })),
        "{fault:?}"
    );
}

#[test]
fn an_authority_without_key_usage_is_refused() {
    let fault = with_middle(|middle| middle.key_usages.clear());
    assert!(
        matches!(fault, Err(ChainFault::NoKeyUsage { .. })),
        "{fault:?}"
    );
}

#[test]
fn an_authority_whose_key_usage_is_not_critical_is_refused() {
    let fault = with_middle(|middle| {
        middle.key_usages.clear();
        middle.custom_extensions = vec![key_usage("03020106", false)];
    });
    assert!(
        matches!(fault, Err(ChainFault::NoKeyUsage { .. })),
        "{fault:?}"
    );
}

#[test]
fn an_authority_that_may_not_sign_certificates_is_refused() {
    let fault = with_middle(|middle| middle.key_usages = vec![Usage::CrlSign]);
    assert!(
        matches!(fault, Err(ChainFault::AuthorityKeyUsage { .. })),
        "{fault:?}"
    );
}

#[test]
fn more_authorities_than_a_path_length_allows_are_refused() {
    let with_root = |max: u8| {
        let mut params = authority("root");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(max));
        let root = Holder::root(params);
        let middle = root.issue(authority("middle"));
        let leaf = middle.issue(signer("signer"));
        check(&chain([&leaf, &middle, &root]), Purpose::CodeSigning)
    };
    assert_eq!(with_root(1), Ok(()));
    let fault = with_root(0);
    assert!(
        matches!(fault, Err(ChainFault::PathLength { .. })),
        "{fault:?}"
    );
}

#[test]
fn a_leaf_that_is_an_authority_is_refused() {
    let fault = with_leaf(|leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert!(
        matches!(fault, Err(ChainFault::LeafIsAuthority { .. })),
        "{fault:?}"
    );
}

#[test]
fn a_leaf_without_key_usage_is_refused() {
    let fault = with_leaf(|leaf| leaf.key_usages.clear());
    assert!(
        matches!(fault, Err(ChainFault::NoKeyUsage { .. })),
        "{fault:?}"
    );
}

#[test]
fn a_leaf_whose_key_usage_is_not_critical_is_refused() {
    let fault = with_leaf(|leaf| {
        leaf.key_usages.clear();
        leaf.custom_extensions = vec![key_usage("03020780", false)];
    });
    assert!(
        matches!(fault, Err(ChainFault::NoKeyUsage { .. })),
        "{fault:?}"
    );
}

#[test]
fn a_leaf_that_may_not_sign_is_refused() {
    let fault = with_leaf(|leaf| leaf.key_usages = vec![Usage::ContentCommitment]);
    assert!(
        matches!(fault, Err(ChainFault::LeafKeyUsage { .. })),
        "{fault:?}"
    );
}

#[test]
fn a_leaf_with_any_other_key_usage_is_refused() {
    for usage in [
        Usage::KeyEncipherment,
        Usage::DataEncipherment,
        Usage::KeyAgreement,
        Usage::KeyCertSign,
        Usage::CrlSign,
        Usage::EncipherOnly,
        Usage::DecipherOnly,
    ] {
        let fault = with_leaf(|leaf| leaf.key_usages.push(usage));
        assert!(
            matches!(fault, Err(ChainFault::LeafKeyUsage { .. })),
            "{usage:?}: {fault:?}"
        );
    }
}

#[test]
fn a_leaf_for_something_else_than_code_is_refused() {
    for usage in [
        Extended::Any,
        Extended::ServerAuth,
        Extended::ClientAuth,
        Extended::EmailProtection,
        Extended::TimeStamping,
    ] {
        let fault = with_leaf(|leaf| leaf.extended_key_usages.push(usage.clone()));
        let is_it = matches!(fault, Err(ChainFault::LeafExtendedKeyUsage { .. }));
        assert!(is_it, "{usage:?}: {fault:?}");
    }
}

#[test]
fn a_leaf_for_code_may_not_stamp() {
    let fault = check(&World::new().chain(), Purpose::TimeStamping);
    assert!(
        matches!(fault, Err(ChainFault::LeafExtendedKeyUsage { .. })),
        "{fault:?}"
    );
}

#[test]
fn a_stamper_needs_its_extended_key_usage_critical_and_alone() {
    assert_eq!(
        check(&World::with(stamper("tsa")).chain(), Purpose::TimeStamping),
        Ok(())
    );
    let changed = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = stamper("tsa");
        params.custom_extensions.clear();
        change(&mut params);
        check(&World::with(params).chain(), Purpose::TimeStamping)
    };
    let only = |usages: &[Extended]| {
        let usages = usages.to_vec();
        move |params: &mut CertificateParams| params.extended_key_usages.clone_from(&usages)
    };
    for fault in [
        changed(&|_| {}),
        changed(&only(&[Extended::TimeStamping])),
        changed(&only(&[Extended::TimeStamping, Extended::CodeSigning])),
    ] {
        assert!(
            matches!(fault, Err(ChainFault::LeafExtendedKeyUsage { .. })),
            "{fault:?}"
        );
    }
}

#[test]
fn a_key_of_another_kind_is_refused() {
    let root = Holder::root(authority("root"));
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let leaf = root.issue_with(signer("signer"), key);
    let fault = check(&chain([&leaf, &root]), Purpose::CodeSigning);
    assert!(matches!(fault, Err(ChainFault::Key { .. })), "{fault:?}");
}

#[test]
fn extensions_that_are_not_honoured_change_nothing() {
    // Name constraints and one that nobody knows, critical: "the rest of the extensions MUST NOT be evaluated".
    let odd = extension(&[1, 2, 3, 4], "0500", true);
    assert_eq!(with_leaf(|leaf| leaf.custom_extensions.push(odd)), Ok(()));
}

#[test]
fn an_extension_that_counts_and_cannot_be_read_makes_no_certificate() {
    let mut params = signer("signer");
    params.key_usages.clear();
    params.custom_extensions = vec![key_usage("0500", true)];
    let der = params.self_signed(&p256()).unwrap();
    assert_eq!(
        Certificate::parse(der.der()),
        Err(CertificateError::Extensions)
    );
}

#[test]
fn bytes_behind_a_certificate_are_refused() {
    let root = Holder::root(authority("root"));
    let der = [root.certificate.as_der(), &[0]].concat();
    assert_eq!(Certificate::parse(&der), Err(CertificateError::Trailing));
    assert_eq!(
        Certificate::parse(&der[..der.len() - 2]),
        Err(CertificateError::Form)
    );
}

#[test]
fn validity_includes_both_ends() {
    let leaf = World::new().leaf.certificate;
    assert!(leaf.is_valid_at(END) && !leaf.is_valid_at(END + 1));
    assert!(leaf.is_valid_at(leaf.not_before()) && !leaf.is_valid_at(leaf.not_before() - 1));
}
