//! A repository of TUF 1.0 in a folder, read from its first root to its targets, and what came of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use trust::tuf::client::Remembered;
use trust::tuf::standard::{Client, Search};
use trust::tuf::{FileMeta, Problem, RoleName};

/// 2026-11-27.
pub(super) const NOW: i64 = 1_795_780_800_000;

/// One repository of a suite, and what must come of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    /// Its metadata, below the suite.
    pub folder: &'static str,
    /// The root by which a reader begins.
    pub root: &'static str,
    /// When it is read, in milliseconds since 1970.
    pub now: i64,
    pub must: Must,
    /// Where the suite calls a file otherwise than readers do: theirs, then its own, below the folder.
    pub names: &'static [(&'static str, &'static str)],
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Must {
    /// All of it is believed, to this version of the root, and these are the targets that are found or not, by whom.
    Accept(i64, &'static [(&'static str, Option<&'static str>)]),
    /// There is a root only, and it is believed.
    AcceptRoot,
    /// Refused for this reason.
    Refuse(&'static str),
}

impl Case {
    pub(super) const fn new(folder: &'static str, must: Must) -> Self {
        Self {
            folder,
            root: "1.root.json",
            now: NOW,
            must,
            names: &[],
        }
    }

    pub(super) const fn from(self, root: &'static str) -> Self {
        Self { root, ..self }
    }

    pub(super) const fn at(self, now: i64) -> Self {
        Self { now, ..self }
    }

    pub(super) const fn named(self, names: &'static [(&'static str, &'static str)]) -> Self {
        Self { names, ..self }
    }
}

/// A repository in a folder, some of whose files may be damaged.
pub(super) struct Repository {
    case: Case,
    folder: PathBuf,
    /// The name of a file whose signatures are changed on the way.
    pub damaged: Option<String>,
}

impl Repository {
    pub(super) fn of(suite: &Path, case: Case) -> Self {
        Self {
            case,
            folder: suite.join(case.folder),
            damaged: None,
        }
    }

    fn serve(&self, path: &str) -> Option<Vec<u8>> {
        let mut names = self.case.names.iter();
        let name = names.find(|(theirs, _)| *theirs == path);
        let bytes = fs::read(self.folder.join(name.map_or(path, |(_, own)| own))).ok()?;
        if self.damaged.as_deref() != Some(path) {
            return Some(bytes);
        }
        let text = String::from_utf8(bytes).unwrap();
        let (before, after) = text.split_once("\"sig\"").unwrap();
        let digits = after.find(|c: char| c.is_ascii_hexdigit()).unwrap();
        let (space, sig) = after.split_at(digits);
        // The middle of a signature, so that no length in it is hit.
        let other = if sig.as_bytes()[40] == b'0' { "1" } else { "0" };
        let sig = format!("{}{other}{}", &sig[..40], &sig[41..]);
        Some(format!("{before}\"sig\"{space}{sig}").into_bytes())
    }

    /// Reads it, looks for every target of the case, and checks the targets' own files where the suite has them. The answer is what was
    /// fetched.
    pub(super) fn read(&self) -> Result<BTreeSet<String>, Problem> {
        let Case { root, now, .. } = self.case;
        let mut fetched = BTreeSet::from([root.to_owned()]);
        let root = self.serve(root).expect("the root of the case");
        let mut client = Client::new(root, Remembered::default(), now)?;
        while let Some(file) = client.next() {
            let answer = self.serve(&file.path);
            if answer.is_some() {
                fetched.insert(file.path);
            } else if file.role == RoleName::Timestamp && matches!(self.case.must, Must::AcceptRoot)
            {
                return Ok(fetched);
            }
            client.feed(answer)?;
        }
        let mut believed = client.finish()?;
        let Must::Accept(version, targets) = self.case.must else {
            panic!("{}: all of it is believed", self.case.folder);
        };
        assert_eq!(
            believed.root().content().version,
            version,
            "{}",
            self.case.folder
        );
        for (name, role) in targets {
            let mut search = believed.search(name);
            self.feed(&mut search, &mut fetched)?;
            let found = search.finish()?;
            let by = found.as_ref().map(|found| found.role.as_str());
            assert_eq!(by, *role, "{} {name}", self.case.folder);
            if let Some(found) = found {
                self.check_file(&found.path, found.file);
            }
        }
        Ok(fetched)
    }

    fn feed(&self, search: &mut Search<'_>, fetched: &mut BTreeSet<String>) -> Result<(), Problem> {
        while let Some(file) = search.next() {
            let answer = self.serve(&file.path);
            fetched.insert(file.path);
            search.feed(answer)?;
        }
        Ok(())
    }

    /// The suites keep targets beside the metadata, some of them nowhere.
    fn check_file(&self, path: &str, file: &FileMeta) {
        let targets = self.folder.with_file_name("targets");
        // The names with `..` are cleaned by the program that wrote them.
        if targets.is_dir() && !path.contains("..") {
            let bytes = fs::read(targets.join(path)).expect(path);
            assert!(file.matches(&bytes), "{path}");
        }
    }
}

/// Every case as it must be, and every file of the suite either in a case or listed.
pub(super) fn check(suite: &Path, cases: &[Case], not_run: &[(&str, &str)]) {
    for case in cases {
        let read = Repository::of(suite, *case).read();
        match (case.must, read) {
            (Must::Accept(..) | Must::AcceptRoot, Ok(_)) => {}
            (Must::Refuse(reason), Err(problem)) => {
                assert_eq!(problem.to_string(), reason, "{}", case.folder);
            }
            (must, read) => panic!("{}: {must:?}, and it was {read:?}", case.folder),
        }
    }
    let listed: Vec<&str> = not_run.iter().map(|(path, _)| *path).collect();
    let mut unused: BTreeSet<&str> = listed.iter().copied().collect();
    let mut files = Vec::new();
    walk(suite, &mut files);
    for file in &files {
        let path = file.strip_prefix(suite).unwrap();
        if let Some(entry) = listed.iter().find(|entry| path.starts_with(entry)) {
            unused.remove(entry);
            continue;
        }
        let of_a_case = |case: &Case| {
            let folder = Path::new(case.folder);
            let beside = folder.with_file_name("targets");
            path.parent() == Some(folder) || path.starts_with(beside)
        };
        assert!(
            cases.iter().any(of_a_case),
            "{} is in no case",
            path.display()
        );
    }
    assert!(unused.is_empty(), "listed, and not there: {unused:?}");
}

/// No file of a whole repository that is accepted counts with a signature that was changed. The answer is how many were tried.
pub(super) fn check_damaged(suite: &Path, cases: &[Case]) -> usize {
    let mut tried = 0;
    for case in cases {
        if !matches!(case.must, Must::Accept(..)) {
            continue;
        }
        let mut repository = Repository::of(suite, *case);
        for path in repository.read().unwrap() {
            repository.damaged = Some(path.clone());
            let read = repository.read();
            assert!(read.is_err(), "{} {path}", case.folder);
            tried += 1;
        }
    }
    tried
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in crate::entries(folder) {
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}
