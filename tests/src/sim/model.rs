//! What should be in the cluster: said by commits, known without rendering them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use flux_core::ObjectId;

use super::names::{HOMES, Kind, Name, SHARED, poison};
use crate::random::Random;

/// What one pipeline wants.
pub(super) type Wants = BTreeMap<Name, u32>;

/// How a folder is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    Whole,
    /// Not YAML: cannot be rendered.
    Broken,
    /// Without any manifest.
    Empty,
    /// With something more that never gets ready.
    Poisoned,
}

/// One folder of the repository.
#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    /// What its manifests say.
    pub(super) wants: Wants,
    pub(super) form: Form,
    /// What every commit since things were last at rest agreed on: it counts while nothing can be rendered, or while what
    /// is rendered may be taken back.
    pub(super) agreed: BTreeSet<Name>,
    /// What its pipeline must have gone back to, when that is certain.
    pub(super) fallback: Option<Wants>,
    /// Its pipeline is deleted.
    pub(super) deleted: bool,
    /// The folder whose pipeline comes first.
    pub(super) depends_on: Option<usize>,
}

/// The repository: one folder for each pipeline.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) folders: Vec<Folder>,
    /// In which folder the objects of each home are.
    pub(super) homes: [usize; HOMES],
    /// What was wanted by anybody, commit by commit, since things were last at rest.
    history: Vec<Vec<Name>>,
    value: u32,
    /// The highest value there was at each commit.
    commits: Vec<u32>,
    /// The last commit of each revision.
    revisions: HashMap<String, usize>,
}

impl Model {
    pub(super) fn new(pipelines: usize) -> Self {
        Self {
            folders: vec![Folder::default(); pipelines],
            homes: std::array::from_fn(|home| if home == SHARED { 0 } else { home % pipelines }),
            history: Vec::new(),
            value: 0,
            commits: Vec::new(),
            revisions: HashMap::new(),
        }
    }

    pub(super) fn next_value(&mut self) -> u32 {
        self.value += 1;
        self.value
    }

    /// Somebody wants this object, wherever it is wanted.
    pub(super) fn holder(&self, name: &Name) -> Option<usize> {
        self.folders.iter().position(|folder| folder.wants.contains_key(name))
    }

    /// A folder whose pipeline is not deleted.
    pub(super) fn living(&self, random: &mut Random) -> Option<usize> {
        let living: Vec<usize> = (0..self.folders.len()).filter(|i| !self.folders[*i].deleted).collect();
        random.pick(&living).copied()
    }

    /// Moves a home with everything in it to another folder. What others need stays where nothing comes first: those that
    /// come first could need it too.
    pub(super) fn hand_over(&mut self, home: usize, to: usize) {
        if home == SHARED && self.folders[to].depends_on.is_some() {
            return;
        }
        let from = std::mem::replace(&mut self.homes[home], to);
        let (moved, rest) =
            std::mem::take(&mut self.folders[from].wants).into_iter().partition(|(name, _)| name.home() == Some(home));
        self.folders[from].wants = rest;
        let moved: Wants = moved;
        self.folders[to].wants.extend(moved);
    }

    /// Takes note of a commit, or of a pipeline that was deleted. A namespace and a definition are wanted as long as
    /// anything that needs them is.
    pub(super) fn commit(&mut self) {
        let needed: BTreeSet<Name> =
            self.folders.iter().flat_map(|folder| folder.wants.keys()).flat_map(Name::needs).collect();
        for (i, folder) in self.folders.iter_mut().enumerate() {
            folder.wants.retain(|name, _| !name.kind.holds_others() || needed.contains(name));
            for name in needed.iter().filter(|name| name.home().is_some_and(|home| self.homes[home] == i)) {
                folder.wants.entry(name.clone()).or_insert(0);
            }
            if folder.deleted {
                folder.agreed.clear();
            } else if matches!(folder.form, Form::Whole | Form::Poisoned) {
                folder.agreed.retain(|name| folder.wants.contains_key(name));
            }
        }
        // A folder that renders to nothing keeps what it has, but for what others ask for.
        let whole = self.folders.iter().filter(|folder| folder.form == Form::Whole && !folder.deleted);
        let asked: Vec<Name> = whole.flat_map(|folder| folder.wants.keys().cloned()).collect();
        for folder in self.folders.iter_mut().filter(|folder| folder.form == Form::Empty) {
            folder.agreed.retain(|name| !asked.contains(name));
        }
        let spoiled = self.folders.iter().filter(|folder| folder.form != Form::Whole);
        let kept: Vec<Name> = spoiled.flat_map(|folder| folder.agreed.iter().cloned()).collect();
        self.history.push([asked, kept].concat());
        self.commits.push(self.value);
    }

    /// The last commit is this revision.
    pub(super) fn committed(&mut self, revision: &str) {
        self.revisions.insert(revision.to_owned(), self.commits.len().saturating_sub(1));
    }

    /// The commit that a value came with; none for the value that those have that are there for others.
    pub(super) fn commit_of(&self, value: u32) -> Option<usize> {
        (value > 0).then(|| self.commits.partition_point(|last| *last < value))
    }

    /// The last commit of a revision.
    pub(super) fn last_commit_at(&self, revision: &str) -> Option<usize> {
        self.revisions.get(revision).copied()
    }

    /// Things are at rest: what was wanted before does not count any more.
    pub(super) fn rest(&mut self) {
        let last = self.history.pop();
        self.history = last.into_iter().collect();
        for folder in &mut self.folders {
            folder.agreed = folder.wants.keys().cloned().collect();
        }
    }

    /// Whether somebody wanted an object at every moment since things were last at rest.
    pub(super) fn was_always_wanted(&self, object: &ObjectId) -> bool {
        !self.history.is_empty()
            && self.history.iter().all(|wanted| wanted.iter().any(|name| name.reference().id == *object))
    }

    /// What a pipeline should own.
    pub(super) fn owned(&self, i: usize) -> &Wants {
        let folder = &self.folders[i];
        folder.fallback.as_ref().unwrap_or(&folder.wants)
    }

    /// Everything that should be there, and whose it is.
    pub(super) fn expected(&self) -> BTreeMap<Name, (u32, usize)> {
        let live = (0..self.folders.len()).filter(|i| !self.folders[*i].deleted);
        live.flat_map(|i| self.owned(i).iter().map(move |(name, value)| (name.clone(), (*value, i)))).collect()
    }

    /// Whether a pipeline waits for one that went back, however far away.
    pub(super) fn waits(&self, i: usize) -> bool {
        let dependency = self.folders[i].depends_on;
        dependency.is_some_and(|on| self.folders[on].fallback.is_some() || self.waits(on))
    }

    /// The files of the repository.
    pub(super) fn files(&self, random: &mut Random) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for (i, folder) in self.folders.iter().enumerate() {
            // There is always something in the folder, so that it is there.
            files.push((format!("p{i}/README.md"), "A folder of manifests.".to_owned()));
            if folder.form == Form::Empty {
                continue;
            }
            let mut text = String::new();
            let mut wants: Vec<_> = folder.wants.iter().collect();
            let shift = random.below(wants.len());
            wants.rotate_left(shift);
            for (name, value) in wants {
                let _ = writeln!(text, "---\n{}", name.manifest(*value));
            }
            match folder.form {
                Form::Broken => text.push_str("---\nkind: [\n"),
                Form::Poisoned => drop(writeln!(text, "---\n{}", poison(i))),
                Form::Whole | Form::Empty => {}
            }
            files.push((format!("p{i}/all.yaml"), text));
        }
        files
    }
}

/// The object that keeps a folder from being empty.
pub(super) fn keeper(i: usize) -> Name {
    Name::new(Kind::ConfigMap, "default", &format!("keeper{i}"))
}

/// One of a few names, so that commits meet.
pub(super) fn random_name(random: &mut Random) -> Name {
    let home = random.below(HOMES);
    let namespace = if random.percent(20) { format!("own-{home}") } else { "default".to_owned() };
    let kinds = [Kind::ConfigMap, Kind::Secret, Kind::Service, Kind::Deployment, Kind::Widget(home)];
    let kind = kinds[random.below(kinds.len())];
    Name::new(kind, &namespace, &format!("o{}", random.below(4)))
}
