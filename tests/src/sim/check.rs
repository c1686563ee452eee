//! What must be true when things are at rest.

use std::collections::BTreeMap;

use flux_core::ObjectId;
use flux_core::cluster::{Cluster as _, ClusterError, ListOptions};
use flux_core::reconcile::Phase;

use super::model::{Form, Model, keeper, random_name};
use super::names::{Kind, Name, SHARED};
use super::story::{Fault, INTERVAL, REST, SOURCE_INTERVAL, Story};
use super::unit;
use crate::random::Random;

impl Story {
    /// Nothing goes wrong any more: everything must come to be as the newest commit says.
    pub(super) async fn come_to_rest(&mut self) -> Result<(), Fault> {
        self.server.clear_faults();
        self.mend().await;
        if self.kind.roll_back {
            // What was gone back from is not tried again before there is something new.
            self.edit("something new everywhere", Model::touch).await;
        }
        self.note("rest");
        self.pass(REST).await;
        self.stay_at_rest().await?;
        self.model.lock().unwrap().rest();
        if self.kind.roll_back && self.random.percent(40) {
            self.go_back().await?;
        }
        Ok(())
    }

    /// A commit that never gets ready: everything must come to be as it was before.
    async fn go_back(&mut self) -> Result<(), Fault> {
        self.edit("a commit that never gets ready", |model, random| {
            if let Some(i) = model.living(random) {
                model.poison(i, random);
            }
        })
        .await;
        self.pass(REST).await;
        self.stay_at_rest().await
    }

    /// Everything is as it should be, and stays so without a write.
    async fn stay_at_rest(&mut self) -> Result<(), Fault> {
        self.check_crimes()?;
        let state = self.check_state().await?;
        let writes = self.writes();
        self.note("nothing happens");
        self.pass(INTERVAL * 2).await;
        if self.random.percent(50) {
            self.note("the process is started anew");
            self.kill().await;
            self.start().await;
            self.pass(INTERVAL + SOURCE_INTERVAL).await;
        }
        self.check_crimes()?;
        if self.writes() != writes {
            return Err(self.fault("something was written although nothing had changed"));
        }
        if self.check_state().await? != state {
            return Err(self.fault("something changed although nothing was written"));
        }
        Ok(())
    }

    fn writes(&self) -> usize {
        self.log.lock().unwrap().writes
    }

    fn check_crimes(&self) -> Result<(), Fault> {
        let crime = self.log.lock().unwrap().crimes.first().cloned();
        crime.map_or(Ok(()), |crime| Err(self.fault(crime)))
    }

    /// The cluster, the inventories and the statuses are as the newest commit says. Answers with every object and its
    /// resource version.
    async fn check_state(&self) -> Result<BTreeMap<String, String>, Fault> {
        let model = self.model.lock().unwrap().clone();
        for i in 0..model.folders.len() {
            self.check_pipeline(&model, i).await?;
        }
        let expected = model.expected();
        let mut seen = BTreeMap::new();
        for kind in Kind::all() {
            let gvk = Name::new(kind, "", "").reference().gvk();
            let list = match self.server.list(&self.cx, &gvk, &ListOptions::default()).await {
                Ok(list) => list,
                Err(ClusterError::UnknownKind(_)) => continue,
                Err(error) => return Err(self.fault(error)),
            };
            for live in list.items {
                // Of several kinds that are all definitions each looks at its own.
                let Some(name) = Name::of(&live).filter(|name| name.kind == kind) else { continue };
                let version = live.resource_version().unwrap_or_default().to_owned();
                let owner = live.label("kustomize.toolkit.fluxcd.io/name");
                match expected.get(&name) {
                    Some((value, holder)) => {
                        let holder = format!("p{holder}");
                        if name.value_of(&live) != Some(*value) || owner != Some(holder.as_str()) {
                            let is = format!("{:?} of {owner:?}", name.value_of(&live));
                            return Err(self.fault(format!("{live} is {is} and should be {value} of {holder}")));
                        }
                    }
                    None if owner.is_some() => return Err(self.fault(format!("{live} should be gone"))),
                    None => {}
                }
                if let Some(before) = self.strangers.get(live.name())
                    && *before != version
                {
                    return Err(self.fault(format!("{live} was touched")));
                }
                seen.insert(live.to_string(), version);
            }
        }
        let missing = expected.keys().find(|name| !seen.contains_key(&name.reference().to_string()));
        match missing {
            Some(name) => Err(self.fault(format!("{} is missing", name.reference()))),
            None => Ok(seen),
        }
    }

    /// What a pipeline says of itself, and what it remembers.
    async fn check_pipeline(&self, model: &Model, i: usize) -> Result<(), Fault> {
        let folder = &model.folders[i];
        let Some(process) = &self.process else { return Err(self.fault("no process is left")) };
        let status = process.engine.handle().status(unit(i)).await.ok().flatten();
        match (&status, folder.deleted) {
            (None, true) => return Ok(()),
            (Some(status), false) if folder.fallback.is_some() => {
                if status.phase != Phase::Stalled || status.reason != "RollbackSucceeded" {
                    return Err(self.fault(format!("p{i} has not gone back: {status:?}")));
                }
            }
            (Some(_), false) if model.waits(i) => {}
            (Some(status), false) if status.phase == Phase::Ready => {}
            _ => return Err(self.fault(format!("p{i} is {status:?}"))),
        }
        let state = process.engine.state(&unit(i)).await.ok().flatten().unwrap_or_default();
        let owned: Vec<ObjectId> = state.inventory.iter().map(|object| object.id).collect();
        let mut wanted: Vec<ObjectId> = model.owned(i).keys().map(|name| name.reference().id).collect();
        wanted.sort();
        if owned != wanted {
            return Err(self.fault(format!("the inventory of p{i} is {owned:?} and should be {wanted:?}")));
        }
        Ok(())
    }
}

impl Model {
    /// Changes something in every folder.
    fn touch(&mut self, _: &mut Random) {
        for i in 0..self.folders.len() {
            if !self.folders[i].deleted {
                let value = self.next_value();
                self.folders[i].wants.insert(keeper(i), value);
            }
        }
    }

    /// Changes some objects of a folder, and adds one that never gets ready.
    fn poison(&mut self, i: usize, random: &mut Random) {
        let before = self.folders[i].wants.clone();
        for name in before.keys().filter(|name| !name.kind.holds_others()) {
            match random.below(6) {
                // What others hold for it would go with it, and be gone when it is wanted back.
                0 if *name != keeper(i) && name.kind != Kind::Widget(SHARED) => {
                    self.folders[i].wants.remove(name);
                }
                1..=3 => {
                    let value = self.next_value();
                    self.folders[i].wants.insert(name.clone(), value);
                }
                _ => {}
            }
        }
        let name = random_name(random);
        if self.holder(&name).is_none() && !before.contains_key(&name) && name.needs().next().is_none() {
            let value = self.next_value();
            self.folders[i].wants.insert(name, value);
        }
        self.folders[i].form = Form::Poisoned;
        self.folders[i].fallback = Some(before);
    }
}
