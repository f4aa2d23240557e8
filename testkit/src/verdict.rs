//! Verdicts: what the road answered, and what a test expects of it.

use marque_domain::{Approval, Code, Decision, Digest, Id, Refusal};

/// The road's answer to one call.
#[derive(Debug)]
#[must_use = "a verdict that nobody looks at tests nothing"]
pub struct Verdict(pub(crate) Result<Done, Refusal>);

/// A call that went through to the end.
#[derive(Debug, Clone)]
pub struct Done {
    /// What allowed it.
    pub decision: Id<Decision>,
    /// Where that stands in the log.
    pub index: u64,
    /// The hash of that entry.
    pub leaf: Digest,
    /// Of the operation it was for.
    pub operation: Digest,
    /// The header the broker set, as text.
    pub injected: Option<(String, String)>,
}

impl Verdict {
    /// It went through.
    #[track_caller]
    pub fn is_allowed(self) -> Done {
        self.0.unwrap_or_else(|refusal| panic!("must be allowed, but: {refusal}"))
    }

    /// It was refused with that code.
    #[track_caller]
    pub fn is_refused(self, code: &str) -> Refusal {
        let refusal = self.refusal(code);
        assert_eq!(refusal.code.text(), code, "{refusal}");
        refusal
    }

    /// It was held with that code, and a human was asked.
    #[track_caller]
    pub fn is_held(self, code: &str) -> Id<Approval> {
        let refusal = self.is_refused(code);
        assert!(refusal.code.is_hold());
        refusal.approval.unwrap_or_else(|| panic!("a hold names its question: {refusal}"))
    }

    /// Whether it went through, for tests that count.
    pub fn passed(&self) -> bool {
        self.0.is_ok()
    }

    /// The code of a refusal, for tests that count.
    pub fn code(&self) -> Option<Code> {
        self.0.as_ref().err().map(|refusal| refusal.code)
    }

    #[track_caller]
    fn refusal(self, code: &str) -> Refusal {
        match self.0 {
            Err(refusal) => refusal,
            Ok(done) => panic!("must be refused with `{code}`, but {} allowed it", done.decision),
        }
    }
}

/// The code of a bare answer of the road, for tests that hold the permit themselves.
#[track_caller]
pub fn code_of<T>(answer: Result<T, Refusal>) -> String {
    match answer {
        Err(refusal) => refusal.code.text(),
        Ok(_) => panic!("must be refused, but was allowed"),
    }
}
