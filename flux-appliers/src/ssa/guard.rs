//! Guards against deleting too much.

use flux_core::{Action, ApplyError, Plan};

/// What a plan may delete without being refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// At most so many objects; any number when none.
    pub max_deletions: Option<usize>,
    /// At most this part of what is owned, in percent; any part when none.
    pub max_deletion_percent: Option<u8>,
    /// Whether a set without any object may delete all that is owned.
    pub allow_empty: bool,
}

impl Guards {
    /// Looks at a plan before anything is changed.
    ///
    /// # Errors
    /// The plan deletes more than it may.
    pub fn check(&self, plan: &Plan) -> Result<(), ApplyError> {
        let (deletions, owned) = (plan.count(Action::Delete), plan.owned.len());
        if deletions == 0 {
            return Ok(());
        }
        let refuse = |why: String| {
            const SHOWN: usize = 5;
            let deleted = plan.changes.iter().filter(|change| change.action == Action::Delete);
            let mut names: Vec<String> = deleted.take(SHOWN).map(|change| change.object.to_string()).collect();
            if deletions > SHOWN {
                names.push(format!("and {} more", deletions - SHOWN));
            }
            Err(ApplyError::Guard(format!("{why}; nothing was changed ({})", names.join(", "))))
        };
        if !self.allow_empty && plan.changes.iter().all(|change| change.digest.is_none()) {
            return refuse(format!(
                "no object is desired and {deletions} of {owned} owned ones would be deleted; allow_empty permits it"
            ));
        }
        if let Some(max) = self.max_deletions.filter(|max| deletions > *max) {
            return refuse(format!("{deletions} objects would be deleted and at most {max} may be (max_deletions)"));
        }
        if let Some(max) = self.max_deletion_percent.filter(|max| deletions * 100 > owned * usize::from(*max)) {
            return refuse(format!(
                "{deletions} of {owned} owned objects would be deleted and at most {max}% may be (max_deletion_percent)"
            ));
        }
        Ok(())
    }
}
