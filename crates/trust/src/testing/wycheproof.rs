//! The cases of Project Wycheproof in one shape for all algorithms of signatures, and one way of going through them that counts: a set
//! that holds fewer cases than it should fails, as one that is judged wrongly does.

use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

pub(crate) use wycheproof::ecdsa::TestName as Ecdsa;
pub(crate) use wycheproof::eddsa::TestName as Eddsa;
pub(crate) use wycheproof::rsa_pkcs1_verify::TestName as Pkcs1;
pub(crate) use wycheproof::rsa_pss_verify::TestName as Pss;

/// A signature, and whether it is one.
pub(crate) struct Case {
    /// The key as a DER SubjectPublicKeyInfo.
    pub(crate) key: Vec<u8>,
    pub(crate) message: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    result: TestResult,
    label: String,
}

/// A set of cases by name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Set {
    Ecdsa(Ecdsa),
    Eddsa(Eddsa),
    Pkcs1(Pkcs1),
    Pss(Pss),
}

macro_rules! cases {
    ($module:ident, $name:expr) => {{
        let set = $module::TestSet::load($name).unwrap();
        let mut cases = Vec::new();
        for group in set.test_groups {
            for test in group.tests {
                cases.push(Case {
                    key: group.der.to_vec(),
                    message: test.msg.to_vec(),
                    signature: test.sig.to_vec(),
                    result: test.result,
                    label: format!("{:?} {}: {}", $name, test.tc_id, test.comment),
                });
            }
        }
        cases
    }};
}

impl Set {
    fn cases(self) -> Vec<Case> {
        match self {
            Self::Ecdsa(name) => cases!(ecdsa, name),
            Self::Eddsa(name) => cases!(eddsa, name),
            Self::Pkcs1(name) => cases!(rsa_pkcs1_verify, name),
            Self::Pss(name) => cases!(rsa_pss_verify, name),
        }
    }

    /// Asks about every case. `counts` are those that must hold, those that must not, and those on which readers differ: what is
    /// said here about the last kind is no.
    pub(crate) fn judge(self, counts: (usize, usize, usize), holds: impl Fn(&Case) -> bool) {
        let mut found = (0, 0, 0);
        for case in self.cases() {
            let expected = match case.result {
                TestResult::Valid => {
                    found.0 += 1;
                    true
                }
                TestResult::Invalid => {
                    found.1 += 1;
                    false
                }
                TestResult::Acceptable => {
                    found.2 += 1;
                    false
                }
            };
            assert_eq!(holds(&case), expected, "{}", case.label);
        }
        assert_eq!(found, counts, "{self:?}");
    }

    /// Where none of the set's good signatures may hold, because this is not the algorithm that they are of. (Among the bad ones are
    /// some that are only of another algorithm, and may be of this.)
    pub(crate) fn refuse(self, count: usize, holds: impl Fn(&Case) -> bool) {
        let cases = self.cases();
        let good = cases.iter().filter(|case| case.result == TestResult::Valid);
        let mut found = 0;
        for case in good {
            assert!(!holds(case), "{}", case.label);
            found += 1;
        }
        assert_eq!(found, count, "{self:?}");
    }
}
