//! What happens by itself as the clock runs: operations start and finish, machines stop and come back, and all of
//! it is written down.

use super::{
    World,
    model::{Container, ContainerStatus, Instant, JobStatus, MachineStatus, OperationStatus, Stop, id_of},
    people::shift_at,
    records::{AndonCall, Downtime, LaborEntry, ProductionEntry, ScrapEntry, StatusEntry},
};
use chrono::TimeDelta;
use uuid::Uuid;

const SCRAP_REASONS: [&str; 5] = ["Dimension", "Burr", "Scratch", "Porosity", "Setup pieces"];

/// The next thing that production does, by the operation's place.
#[derive(Debug, Clone, Copy)]
enum Step {
    Start(usize),
    Finish(usize),
}

impl World {
    /// Lets production run until `now`; an earlier instant changes nothing.
    pub fn advance(&mut self, now: Instant) {
        while let Some((at, step)) = self.next_step(now) {
            self.now = self.now.max(at);
            match step {
                Step::Start(operation) => self.start_operation(operation, at),
                Step::Finish(operation) => self.finish_operation(operation, at),
            }
        }
        self.now = self.now.max(now);
    }

    fn next_step(&self, now: Instant) -> Option<(Instant, Step)> {
        let mut next: Option<(Instant, Step)> = None;
        for (index, operation) in self.operations.iter().enumerate() {
            let step = match operation.status {
                OperationStatus::Completed => continue,
                OperationStatus::InProcess => match operation.ends {
                    Some(ends) if self.stop_of(operation.work_center).is_none() => {
                        (ends, Step::Finish(index))
                    }
                    _ => continue,
                },
                OperationStatus::Scheduled if operation.start > now => continue,
                OperationStatus::Scheduled => match self.may_start(index) {
                    Some(at) => (at, Step::Start(index)),
                    None => continue,
                },
            };
            if step.0 <= now && next.is_none_or(|(at, _)| step.0 < at) {
                next = Some(step);
            }
        }
        next
    }

    /// When a scheduled operation can begin, if what it waits for is done.
    fn may_start(&self, index: usize) -> Option<Instant> {
        let operation = &self.operations[index];
        if self.job(operation.job)?.status != JobStatus::Open {
            return None;
        }
        let before = index.checked_sub(1).map(|before| &self.operations[before]);
        let ready = match before.filter(|before| before.job == operation.job) {
            Some(before) => before.completed?,
            None => operation.start,
        };
        let machine = self.work_center(operation.work_center)?;
        let busy = self
            .operations
            .iter()
            .any(|other| other.work_center == machine.id && other.status == OperationStatus::InProcess);
        if busy || machine.stop.is_some() {
            return None;
        }
        Some(operation.start.max(ready).max(machine.free_since))
    }

    fn start_operation(&mut self, index: usize, at: Instant) {
        let (id, work_center) = (self.operations[index].id, self.operations[index].work_center);
        let free_since = self.work_center(work_center).map_or(at, |machine| machine.free_since);
        self.log_idle(work_center, free_since, at);
        tracing::trace!(%id, %at, "operation starts");
        let operation = &mut self.operations[index];
        operation.status = OperationStatus::InProcess;
        // Another order of work than planned shows in the schedule, as an operator's clock-in does.
        operation.start = at;
        operation.began = Some(at);
        operation.resumed = Some(at);
        operation.ends = Some(at + TimeDelta::minutes(operation.minutes()));
    }

    fn finish_operation(&mut self, index: usize, at: Instant) {
        self.log_run(index, at);
        let operation = &mut self.operations[index];
        operation.status = OperationStatus::Completed;
        operation.completed = Some(at);
        operation.ends = None;
        let (id, job_id, work_center, routing) =
            (operation.id, operation.job, operation.work_center, operation.routing);
        let began = operation.began.unwrap_or(at);
        if let Some(machine) = self.work_centers.iter_mut().find(|machine| machine.id == work_center) {
            machine.free_since = at;
        }
        self.log_output(id, job_id, work_center, began, at);
        self.consume(job_id, routing);
        let last = self.operations.get(index + 1).is_none_or(|next| next.job != job_id);
        if let Some(job) = self.jobs.iter_mut().find(|job| last && job.id == job_id) {
            job.status = JobStatus::Completed;
            job.completed = Some(at);
            if let Some(container) = self.containers.last_mut() {
                container.kind = "Finished Good";
                container.location = "FG-01".to_owned();
                container.job = None;
            }
        }
    }

    /// Status entries for the stretch an operation ran without a stop, which ends now.
    fn log_run(&mut self, index: usize, until: Instant) {
        let operation = &self.operations[index];
        let (Some(began), Some(resumed)) = (operation.began, operation.resumed) else { return };
        let setup_ends =
            (began + TimeDelta::minutes(operation.setup_minutes)).clamp(resumed, until.max(resumed));
        let (work_center, id) = (operation.work_center, operation.id);
        for (status, from, to) in
            [(MachineStatus::Setup, resumed, setup_ends), (MachineStatus::Production, setup_ends, until)]
        {
            self.log_status(work_center, status, from, to, Some(id), None);
        }
    }

    /// Idle time, but for stops that were entered in between.
    fn log_idle(&mut self, work_center: Uuid, from: Instant, to: Instant) {
        let mut stops: Vec<(Instant, Instant)> = self
            .history
            .statuses
            .iter()
            .filter(|entry| entry.work_center == work_center && entry.at >= from && entry.at < to)
            .map(|entry| (entry.at, entry.at + entry.duration))
            .collect();
        stops.sort();
        let mut idle_from = from;
        for (began, ended) in stops.into_iter().chain([(to, to)]) {
            self.log_status(work_center, MachineStatus::Idle, idle_from, began, None, None);
            idle_from = idle_from.max(ended);
        }
    }

    pub(super) fn log_status(
        &mut self,
        work_center: Uuid,
        status: MachineStatus,
        from: Instant,
        to: Instant,
        operation: Option<Uuid>,
        note: Option<String>,
    ) {
        if from < to {
            self.history.statuses.push(StatusEntry {
                work_center,
                at: from,
                status,
                operation,
                duration: to - from,
                note,
            });
        }
    }

    /// Production, scrap and labor of an operation that is done, and its container.
    fn log_output(&mut self, operation: Uuid, job: Uuid, work_center: Uuid, began: Instant, at: Instant) {
        let Some(job) = self.job(job).cloned() else { return };
        let employee = self.operator_at(work_center, at);
        self.serials += 1;
        let serial = format!("P{:06}", 200_000 + self.serials);
        let lot = id_of("lot", &job.number);
        // Scrap comes from the operation's own id, so it does not depend on the order of other draws.
        let dice = operation.as_bytes();
        if dice[0].is_multiple_of(4) {
            self.history.scrap.push(ScrapEntry {
                at,
                operation,
                work_center,
                quantity: f64::from(1 + dice[1] % 9),
                reason: SCRAP_REASONS[usize::from(dice[2]) % SCRAP_REASONS.len()],
                serial: serial.clone(),
            });
        }
        self.history.production.push(ProductionEntry {
            at,
            operation,
            work_center,
            employee,
            quantity: job.quantity,
            serial: serial.clone(),
            lot,
        });
        self.history.labor.push(LaborEntry { operation, work_center, employee, begin: began, end: at });
        self.containers.retain(|container| {
            !(container.kind == "WIP" && container.job.as_deref() == Some(job.number.as_str()))
        });
        self.containers.push(Container {
            serial,
            part: job.part,
            lot,
            quantity: job.quantity,
            status: ContainerStatus::Ok,
            location: format!("WIP-{}", self.group_of(work_center).code()),
            job: Some(job.number),
            kind: "WIP",
            added: at,
            updated: at,
        });
    }

    /// The components that were staged for this operation are used up.
    fn consume(&mut self, job: Uuid, routing: Uuid) {
        let Some(number) = self.job(job).map(|job| job.number.clone()) else { return };
        let used: Vec<Uuid> =
            self.bom.iter().filter(|line| line.routing == routing).map(|line| line.component).collect();
        self.containers.retain(|container| {
            container.job.as_deref() != Some(number.as_str()) || !used.contains(&container.part)
        });
    }

    /// The operator of a work center on the shift of that instant.
    pub fn operator_at(&self, work_center: Uuid, at: Instant) -> Uuid {
        let shift = shift_at(at, self.zone);
        self.employees
            .iter()
            .find(|person| person.home == Some(work_center) && person.shift == Some(shift))
            .map_or(Uuid::nil(), |person| person.id)
    }

    /// A machine stands still: in Plex, in the CMMS and on the andon board. False when it already did.
    pub fn stop_machine(&mut self, work_center: Uuid, reason: &str, planned: bool) -> bool {
        let now = self.now;
        if self.stop_of(work_center).is_some() {
            return false;
        }
        if let Some(running) = self.running_on(work_center) {
            self.log_run(running, now);
        } else {
            let free_since = self.work_center(work_center).map_or(now, |machine| machine.free_since);
            self.log_idle(work_center, free_since, now);
        }
        let raised_by = self.operator_at(work_center, now);
        let raised_by = self.employee(raised_by).map_or_else(String::new, |person| person.badge.clone());
        let status =
            if planned { MachineStatus::PlannedMaintenance } else { MachineStatus::UnplannedDowntime };
        let Some(machine) = self.work_centers.iter_mut().find(|machine| machine.id == work_center) else {
            return false;
        };
        machine.stop = Some(Stop { since: now, status, reason: reason.to_owned() });
        let asset = machine.equipment;
        let id = self.downtimes.len() as u64 + 1;
        self.downtimes.push(Downtime { id, asset, started: now, duration: None, reason: reason.to_owned() });
        if !planned {
            self.raise_call(AndonCall {
                id: String::new(),
                work_center,
                category: "maintenance".to_owned(),
                raised_by,
                raised: now,
                acknowledged: None,
                resolved: None,
                reason_code: None,
                note: None,
                line_stop: true,
                escalation_level: 0,
                text: reason.to_owned(),
            });
        }
        true
    }

    /// The machine runs again, and what was in process goes on. False when it was not stopped.
    pub fn restart_machine(&mut self, work_center: Uuid) -> bool {
        let now = self.now;
        let running = self.running_on(work_center);
        let Some(machine) = self.work_centers.iter_mut().find(|machine| machine.id == work_center) else {
            return false;
        };
        let Some(stop) = machine.stop.take() else { return false };
        machine.free_since = now;
        let asset = machine.equipment;
        if let Some(operation) = running.map(|index| &mut self.operations[index]) {
            operation.ends = operation.ends.map(|ends| ends + (now - stop.since));
            operation.resumed = Some(now);
        }
        let during = running.map(|index| self.operations[index].id);
        self.log_status(work_center, stop.status, stop.since, now, during, Some(stop.reason));
        for downtime in self.downtimes.iter_mut().filter(|downtime| downtime.asset == asset) {
            downtime.duration.get_or_insert(now - downtime.started);
        }
        for call in &mut self.andon {
            if call.work_center == work_center
                && call.line_stop
                && call.resolved.is_none()
                && call.raised <= now
            {
                call.resolved = Some((now, "E101".to_owned()));
                call.reason_code = Some("machine_running".to_owned());
            }
        }
        true
    }

    /// Adds a call to the board under the next number.
    pub fn raise_call(&mut self, mut call: AndonCall) -> String {
        call.id = format!("AND-{}", 30 + self.andon.len());
        let id = call.id.clone();
        self.andon.push(call);
        id
    }
}
