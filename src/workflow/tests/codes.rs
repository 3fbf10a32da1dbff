//! Every code has a file that breaks its rule and one that keeps it; what is said of the first is a snapshot.

use super::support::{bundle, draw, events, findings_with, registry, site, with_steps};
use crate::workflow::{
    CODES, Events, library,
    problem::{Problem, Severity},
};

/// Code, what is wrong, and what is right. Steps begin with two spaces, everything else is a whole file.
#[rustfmt::skip]
const FIXTURES: &[(&str, &str, &str)] = &[
    ("T001", "  - { id: a, if: !event.planned, end: x }\n", "  - { id: a, if: '!trigger.planned', end: x }\n"),
    ("T002", "  - id: a\n    call: tickets.create\n    wiht: { title: x }\n", "  - id: a\n    call: tickets.create\n    with: { title: x }\n"),
    ("T003", "  - { id: a, wait: 1m }\n  - { id: a, end: x }\n", "  - { id: a, wait: 1m }\n  - { id: b, end: x }\n"),
    ("T004", "  - { id: a, if: trigger.x = 1, end: x }\n", "  - { id: a, if: trigger.x == 1, end: x }\n"),
    ("T005", "  - { id: a, if: \"${{ trigger.x }} == 'y'\", end: x }\n", "  - { id: a, call: tickets.create, with: { title: '${{ trigger.x }}' } }\n"),
    ("T005", "  - { id: a, call: tickets.create, with: { title: 'down: {{ trigger.x }}' } }\n", "  - { id: a, call: tickets.create, with: { title: 'down: ${{ trigger.x }}' } }\n"),
    ("T005", "  - { id: a, call: tickets.create, with: { title: '${ trigger.x }} is down' } }\n", "  - { id: a, call: tickets.create, with: { title: '5 $ each' } }\n"),
    ("T006", "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, where: event.statu == 'DOWN', key: event.work_center }\nsteps: [{ id: a, end: x }]\n",
             "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, where: event.status == 'DOWN', key: event.work_center }\nsteps: [{ id: a, end: x }]\n"),
    ("T006", "  - { id: p, call: hr.people }\n  - { id: x, if: 'size(steps.p.?peple.orValue([])) > 0', end: done }\n", "  - { id: p, call: hr.people }\n  - { id: x, if: 'size(steps.p.?people.orValue([])) > 0', end: done }\n"),
    ("T007", "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, where: event.status == 'DOWM', key: event.work_center }\nsteps: [{ id: a, end: x }]\n",
             "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, where: event.status != 'DOWN', key: event.work_center }\nsteps: [{ id: a, end: x }]\n"),
    ("T007", "  - { id: p, call: hr.people }\n  - { id: x, if: 'steps.p.people.exists(p, p.note.contains(p.name))', end: done }\n",
             "  - { id: p, call: hr.people }\n  - { id: x, if: 'steps.p.people.exists(p, p.note != null && p.note.contains(p.name))', end: done }\n"),
    ("T007", "  - { id: x, if: minutes_between(now) > 5, end: done }\n", "  - { id: x, if: 'minutes_between(now, now) > 5', end: done }\n"),
    ("T007", "  - { id: x, if: timestamp(now) + duration('2x') > timestamp(now), end: done }\n", "  - { id: x, if: timestamp(now) + duration('2h') > timestamp(now), end: done }\n"),
    ("T008", "  - { id: p, if: trigger.big == true, call: hr.people }\n  - { id: x, if: size(steps.p.people) > 1, end: done }\n",
             "  - { id: p, if: trigger.big == true, call: hr.people }\n  - { id: x, if: trigger.big == true && size(steps.p.people) > 1, end: done }\n"),
    ("T008", "  - { id: p, call: hr.people, on_error: continue }\n  - { id: x, if: size(steps.p.people) > 1, end: done }\n",
             "  - { id: p, call: hr.people, on_error: continue }\n  - { id: x, if: steps.p != null && size(steps.p.people) > 1, end: done }\n"),
    ("T008", "  - id: c\n    choose:\n      - { if: trigger.a == 1, steps: [{ id: p, call: hr.people }] }\n  - { id: x, if: size(steps.p.people) > 1, end: done }\n",
             "  - id: c\n    choose:\n      - { if: trigger.a == 1, steps: [{ id: p, call: hr.people }] }\n      - { else: { end: no } }\n  - { id: x, if: size(steps.p.people) > 1, end: done }\n"),
    ("T009", "  - { id: a, call: tickets.creat, with: { title: x } }\n", "  - { id: a, call: tickets.create, with: { title: x } }\n"),
    ("T010", "  - { id: w, call: plex.update_sequence, with: { sequence: [] } }\n",
             "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: plex.update_sequence, with: { sequence: [] } }\n"),
    ("T010", "  - { id: t, call: tickets.create, with: { title: x }, undo: { call: plex.restore_sequence, with: { snapshot: S } } }\n",
             "  - { id: t, call: tickets.create, with: { title: x }, undo: { call: tickets.create, with: { title: y } } }\n"),
    ("T010", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: steps.a.severity == 'low', expires: 1h, on_expire: fail }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: steps.a.severity == 'low' && past.answers >= 50 && past.share >= 0.9, expires: 1h, on_expire: fail }\n"),
    ("T011", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, tools: [plex.update_sequence], fallback: { severity: low } }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, tools: [plex.inventory], fallback: { severity: low } }\n"),
    ("T012", "  - { id: g, gate: acknowledge, ask: lead, expires: 1h }\n", "  - { id: g, gate: acknowledge, ask: lead, expires: 1h, on_expire: fail }\n"),
    ("T013", "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: line.stop, with: { line: L1 } }\n",
             "  - { id: ok, gate: approve, allow: [approve], ask: lead, second: { ask: supervisor }, expires: 1h, on_expire: fail }\n  - { id: w, call: line.stop, with: { line: L1 } }\n"),
    ("T013", "  - { id: g, gate: approve, ask: lead, second: { ask: lead }, expires: 1h, on_expire: fail }\n",
             "  - { id: g, gate: approve, ask: lead, second: { ask: supervisor }, expires: 1h, on_expire: fail }\n"),
    ("T014", "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: plex.update_sequence, with: { sequence: [], work_center: P } }\n  - { id: p, call: hr.people }\n",
             "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged], undo: { call: plex.restore_sequence, with: { snapshot: S } } }\n  - { id: p, call: hr.people }\n"),
    ("T014", "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - id: both\n    parallel:\n      a: { call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged] }\n      b: { call: hr.people }\n",
             "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - id: both\n    parallel:\n      a: { call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged] }\n      b: { call: hr.people, on_error: continue }\n"),
    ("T014", "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged] }\n  - { id: then, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n",
             "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged] }\n  - { id: then, gate: approve, ask: lead, expires: 1h, on_expire: reject }\n"),
    ("T014", "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: p, call: hr.people, on_error: [{ id: w, call: plex.update_sequence, with: { sequence: [], work_center: P } }] }\n",
             "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: p, call: hr.people, on_error: [{ id: w, call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged] }] }\n"),
    ("T014", "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: e, each: '${{ [1, 2] }}', as: n, on_error: continue, steps: [{ id: w, call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged] }] }\n  - { id: p, call: hr.people }\n",
             "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - id: both\n    on_error: [{ id: told, call: notify.role, with: { role: lead, message: messages/m.hbs } }]\n    parallel:\n      a: { call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged] }\n      b: { call: hr.people }\n"),
    ("T014", "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: p, call: hr.people, on_error: [{ id: w, call: plex.restore_sequence, with: { snapshot: S } }] }\n",
             "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - id: both\n    on_error: [{ id: back, call: plex.restore_sequence, with: { snapshot: S } }]\n    parallel:\n      a: { call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged], undo: { call: plex.restore_sequence, with: { snapshot: S } } }\n      b: { call: hr.people }\n"),
    ("T015", "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: cmms.order, with: { asset: A }, retry: { times: 3 } }\n",
             "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: cmms.order, with: { asset: A }, retry: { times: 3, on: [rate_limited] } }\n"),
    ("T015", "  - { id: p, call: hr.people, retry: { times: 3, wait: 5m, max: 5s } }\n", "  - { id: p, call: hr.people, retry: { times: 3, wait: 5s, max: 5m } }\n"),
    ("T016", "  - { id: b, wait: erp.goods_receipt, where: event.po == trigger.po }\n", "  - { id: b, wait: erp.goods_receipt, where: event.po == trigger.po, timeout: 12h }\n"),
    ("T016", "workflow: w\nowner: me\ntrigger: manual\nsla: [{ step: g, within: 15m, escalate: good }]\nsteps:\n  - { id: b, wait: 30m }\n  - { id: g, gate: acknowledge, ask: lead, expires: 1h, on_expire: fail }\n",
             "workflow: w\nowner: me\ntrigger: manual\nsla: [{ step: g, within: 45m, escalate: good }]\nsteps:\n  - { id: b, wait: 30m }\n  - { id: g, gate: acknowledge, ask: lead, expires: 1h, on_expire: fail }\n"),
    ("T016", "workflow: w\nowner: me\ntrigger: manual\nsla: [{ step: g, within: 45m, escalate: good }]\nsteps:\n  - { id: e, each: '${{ [1, 2] }}', as: n, steps: [{ id: b, wait: 50m }] }\n  - { id: g, gate: acknowledge, ask: lead, expires: 1h, on_expire: fail }\n",
             "workflow: w\nowner: me\ntrigger: manual\nsla: [{ step: g, within: 45m, escalate: good }]\nsteps:\n  - { id: e, each: '${{ [1, 2] }}', as: n, steps: [{ id: b, wait: 10m }] }\n  - { id: g, gate: acknowledge, ask: lead, expires: 1h, on_expire: fail }\n"),
    ("T016", "  - { id: u, until: \"timestamp('9999-01-01T00:00:00Z')\" }\n", "  - { id: u, until: \"timestamp(now) + duration('2h')\" }\n"),
    ("T016", "  - { id: g, gate: acknowledge, ask: lead, remind: 2h, expires: 1h, on_expire: fail }\n", "  - { id: g, gate: acknowledge, ask: lead, remind: 20m, expires: 1h, on_expire: fail }\n"),
    ("T017", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severty: low } }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n"),
    ("T017", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3, time: 0s }, fallback: { severity: low } }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3, time: 1s }, fallback: { severity: low } }\n"),
    ("T007", "  - { id: x, if: 'round(1.5, 100) > trigger.x', end: done }\n", "  - { id: x, if: 'round(1.5, 15) > trigger.x', end: done }\n"),
    ("T007", "  - { id: x, if: now > trigger.time, end: done }\n", "  - { id: x, if: timestamp(now) > timestamp(trigger.time), end: done }\n"),
    ("T019", "workflow: w\nowner: me\ntrigger: manual\ninputs: { until: { type: string } }\nsteps:\n  - { id: g, gate: acknowledge, ask: lead, message: messages/until.hbs, expires: 1h, on_expire: fail }\n",
             "workflow: w\nowner: me\ntrigger: manual\ninputs: { until: { type: time } }\nsteps:\n  - { id: g, gate: acknowledge, ask: lead, message: messages/until.hbs, expires: 1h, on_expire: fail }\n"),
    ("T006", "workflow: w\nowner: me\ntrigger:\n  event: plex.work_center_status\n  key: event.work_center\n  where: >-\n    event.note != 'Störung 🔧' &&\n    event.note != '🔧🔧' && event.plannd\nsteps:\n  - id: a\n    if: |\n      trigger.note == 'ö🔧' && trigger.statu == 'DOWN'\n    end: x\n",
             "workflow: w\nowner: me\ntrigger:\n  event: plex.work_center_status\n  key: event.work_center\n  where: >-\n    event.note != 'Störung 🔧' &&\n    event.planned\nsteps:\n  - { id: a, end: x }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: '${{ steps.p.people[0].name }}', all: '${{ steps.p.people.map(p, {''badge'': p.name}) }}', text: 'it was ${{ steps.p.people[0].name }}' }, fallback: { severity: low } }\n",
             "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, mask: [who], with: { who: '${{ steps.p.people[0].name }}', people: '${{ steps.p.people }}', count: '${{ size(steps.p.people) }}' }, fallback: { severity: low } }\n"),
    ("T018", "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: event.work_center }\nsteps:\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { event: '${{ trigger }}' }, fallback: { severity: low } }\n",
             "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: event.work_center }\nsteps:\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, mask: [operator], with: { event: '${{ trigger }}' }, fallback: { severity: low } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, mask: [nme], with: { people: '${{ steps.p.people }}' }, fallback: { severity: low } }\n",
             "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, mask: [name], with: { people: '${{ steps.p.people }}' }, fallback: { severity: low } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/names.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n",
             "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n"),
    ("T019", "  - { id: p, if: trigger.big == true, call: hr.people }\n  - { id: n, call: notify.role, with: { role: lead, message: messages/people.hbs } }\n",
             "  - { id: p, call: hr.people }\n  - { id: n, call: notify.role, with: { role: lead, message: messages/people.hbs } }\n"),
    ("T019", "  - { id: g, gate: acknowledge, ask: lead, message: messages/long.hbs, expires: 1h, on_expire: fail }\n",
             "  - { id: g, gate: acknowledge, ask: lead, message: messages/m.hbs, expires: 1h, on_expire: fail }\n"),
    ("T020", "workflow: w\nowner: me\ntrigger: { event: plex.work_centre_status, key: event.work_center }\nsteps: [{ id: a, end: x }]\n",
             "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: event.work_center }\nsteps: [{ id: a, end: x }]\n"),
    ("T020", "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, where: \"site.name == 'Plant 1'\" }\nsteps: [{ id: a, end: x }]\n",
             "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, where: event.planned, key: event.work_center }\nsteps: [{ id: a, end: x }]\n"),
    ("T021", "workflow: w\nowner: me\ntrigger: manual\ninputs: { days: { type: integer, default: 2 } }\nsteps:\n  - { id: p, call: hr.people }\n  - id: q\n    parallel: { a: { call: hr.people }, b: { call: hr.people } }\n  - { id: e, each: '${{ steps.q.a.people }}', as: one, steps: [{ id: t, call: tickets.create, with: { title: x } }] }\n  - { id: x, if: trigger.a == 1, end: by_hand }\n  - { id: y, end: by_hnd }\n",
             "workflow: w\nowner: me\ntrigger: manual\ninputs: { days: { type: integer, default: 2 } }\nsteps:\n  - { id: p, call: hr.people }\n  - { id: e, each: '${{ steps.p.people }}', as: one, steps: [{ id: t, call: tickets.create, with: { title: '${{ one.shift }} ${{ inputs.days }}' } }] }\n"),
    ("T021", "  - { id: n, call: notify.role, with: { role: lead, message: messages/why.hbs, data: { wyh: x } } }\n", "  - { id: n, call: notify.role, with: { role: lead, message: messages/why.hbs, data: { why: x } } }\n"),
    ("T022", "workflow: w\nowner: me\ntrigger: manual\nsteps:\n  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: plex.update_sequence, with: { sequence: [] } }\n",
             "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: plex.update_sequence, with: { sequence: [] } }\n"),
    ("T022", "  - { id: p, call: hr.people }\non_failure:\n  - { id: t, call: tickets.create, with: { title: x } }\n  - { id: n, call: notify.role, with: { role: lead, message: messages/f.hbs } }\n",
             "  - { id: p, call: hr.people }\non_failure:\n  - { id: n, call: notify.role, with: { role: lead, message: messages/f.hbs } }\n  - { id: t, call: tickets.create, with: { title: x } }\n"),
    ("T022", "  - { id: p, call: hr.people, on_error: [{ id: x, end: gave_up }] }\n",
             "  - { id: p, call: hr.people, on_error: [{ id: n, call: notify.role, with: { role: lead, message: messages/f.hbs } }, { id: x, end: gave_up }] }\n"),
    ("T023", "  - { id: a, call: tickets.create, with: { title: NO } }\n", "  - { id: a, call: tickets.create, with: { title: 'NO' } }\n"),
    ("T010", "  - { id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: no, if: \"steps.ok.decision != 'reject'\", end: x }\n  - { id: w, call: plex.update_sequence, with: { sequence: [] } }\n", "  - { id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: no, if: \"steps.ok['decision'] == 'reject' || trigger.status == 'RUNNING'\", end: x }\n  - { id: w, call: plex.update_sequence, with: { sequence: [] } }\n"),
    ("T010", "  - { id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: no, if: \"steps.ok.decision == 'approve'\", end: x }\n  - { id: w, call: plex.update_sequence, with: { sequence: [] } }\n", "  - { id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: no, if: \"steps.ok['decision'] == 'reject' || trigger.status == 'RUNNING'\", end: x }\n  - { id: w, call: plex.update_sequence, with: { sequence: [] } }\n"),
    ("T010", "  - { id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: no, if: \"steps.ok.decision == 'reject' && trigger.status == 'RUNNING'\", end: x }\n  - { id: w, call: plex.update_sequence, with: { sequence: [] } }\n", "  - { id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: no, if: \"steps.ok['decision'] == 'reject' || trigger.status == 'RUNNING'\", end: x }\n  - { id: w, call: plex.update_sequence, with: { sequence: [] } }\n"),
    ("T010", "  - { id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: no, if: \"steps.ok.decision == 'reject' && steps.ok.by == 'lee'\", end: x }\n  - { id: w, call: plex.update_sequence, with: { sequence: [] } }\n", "  - { id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: no, if: \"steps.ok['decision'] == 'reject' || trigger.status == 'RUNNING'\", end: x }\n  - { id: w, call: plex.update_sequence, with: { sequence: [] } }\n"),
    ("T010", "  - { id: ok, gate: choose, options: '${{ [{}] }}', second: { ask: supervisor }, ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, if: steps.ok.chosen != null, call: plex.update_sequence, with: { sequence: [] } }\n", "  - { id: ok, gate: choose, options: '${{ [{}] }}', ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, if: steps.ok.chosen != null, call: plex.update_sequence, with: { sequence: [] } }\n"),
    ("T007", "  - { id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: no, if: \"steps.ok.decision == 'choose'\", end: x }\n", "  - { id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: no, if: \"steps.ok.decision == 'reject'\", end: x }\n"),
    ("T006", "  - { id: p, call: hr.people }\n  - { id: x, if: \"size(steps['p']['peple']) > 0\", end: done }\n", "  - { id: p, call: hr.people }\n  - { id: x, if: \"size(steps['p']['people']) > 0\", end: done }\n"),
    ("T007", "  - { id: x, if: trigger.?status == 'DOWN', end: done }\n", "  - { id: x, if: trigger.?status.orValue('') == 'DOWN', end: done }\n"),
    ("T007", "  - { id: b, wait: x.y, where: event.?po == trigger.po, timeout: 1h }\n", "  - { id: b, wait: x.y, where: event.?po.orValue('') == trigger.po, timeout: 1h }\n"),
    ("T007", "  - { id: x, if: trigger.a == 'Störung 🔧' && now.b, end: done }\n", "  - { id: x, if: trigger.a == 'Störung 🔧' && trigger.b, end: done }\n"),
    ("T007", "  - { id: x, if: trigger.a == 'x' && trigger.a == 'y', end: done }\n", "  - { id: x, if: trigger.a == 'x' && trigger.b == 'y', end: done }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"${{ steps.p.people[0]['name'] }}\" }, fallback: { severity: low } }\n", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"${{ steps.p.people.map(p, p['shift']) }} ${{ '%s'.format([size(steps.p.people)]) }}\" }, fallback: { severity: low } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"${{ steps.p.people.map(p, p['name']) }}\" }, fallback: { severity: low } }\n", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"${{ steps.p.people.map(p, p['shift']) }} ${{ '%s'.format([size(steps.p.people)]) }}\" }, fallback: { severity: low } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"${{ '%s'.format([steps.p.people]) }}\" }, fallback: { severity: low } }\n", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"${{ steps.p.people.map(p, p['shift']) }} ${{ '%s'.format([size(steps.p.people)]) }}\" }, fallback: { severity: low } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"${{ string(steps.p) }}\" }, fallback: { severity: low } }\n", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"${{ steps.p.people.map(p, p['shift']) }} ${{ '%s'.format([size(steps.p.people)]) }}\" }, fallback: { severity: low } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"they are ${{ steps.p.people }}\" }, fallback: { severity: low } }\n", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"${{ steps.p.people.map(p, p['shift']) }} ${{ '%s'.format([size(steps.p.people)]) }}\" }, fallback: { severity: low } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/lookup.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"x\" }, fallback: { severity: low } }\n", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/shifts.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"x\" }, fallback: { severity: low } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/each.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"x\" }, fallback: { severity: low } }\n", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/shifts.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"x\" }, fallback: { severity: low } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/root.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"x\" }, fallback: { severity: low } }\n", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/shifts.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { who: \"x\" }, fallback: { severity: low } }\n"),
    ("T009", "  - { id: a, call: schedule.resequence, with: { down: P, options: -1 } }\n", "  - { id: a, call: schedule.resequence, with: { down: P, options: 2 } }\n"),
    ("T017", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low, minutes: 9999 } }\n", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low, minutes: 5 } }\n"),
    ("T017", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 0 }, fallback: { severity: low } }\n", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 1 }, fallback: { severity: low } }\n"),
    ("T007", "  - { id: x, if: \"true\", end: done }\n", "  - { id: x, if: \"trigger.a\", end: done }\n"),
    ("T007", "  - { id: x, if: \"shift_at(now) == 'D'\", end: done }\n", "  - { id: x, if: \"shift_at(now) == 'B'\", end: done }\n"),
    ("T007", "  - { id: x, if: \"in_shift(now, 'D')\", end: done }\n", "  - { id: x, if: \"in_shift(now, 'B')\", end: done }\n"),
    ("T007", "  - { id: x, if: \"now.matches('[')\", end: done }\n", "  - { id: x, if: \"now.matches('[0-9]')\", end: done }\n"),
    ("T007", "  - { id: x, if: \"int('abc') > trigger.a\", end: done }\n", "  - { id: x, if: \"int('12') > trigger.a\", end: done }\n"),
    ("T007", "  - { id: x, if: \"1 / 0 > trigger.a\", end: done }\n", "  - { id: x, if: \"1 / 2 > trigger.a\", end: done }\n"),
    ("T007", "  - { id: x, if: \"[1, 2][5] > trigger.a\", end: done }\n", "  - { id: x, if: \"[1, 2][1] > trigger.a\", end: done }\n"),
    ("T007", "  - { id: x, if: \"min([]) > trigger.a\", end: done }\n", "  - { id: x, if: \"min([1]) > trigger.a\", end: done }\n"),
    ("T007", "  - { id: ok, gate: approve, allow: [approve], ask: lead, auto_if: \"1 == 1\", expires: 1h, on_expire: fail }\n", "  - { id: ok, gate: approve, allow: [approve], ask: lead, auto_if: trigger.small, expires: 1h, on_expire: fail }\n"),
    ("T007", "  - { id: ok, gate: approve, allow: [approve], ask: lead, second: { if: false, ask: supervisor }, expires: 1h, on_expire: fail }\n", "  - { id: ok, gate: approve, allow: [approve], ask: lead, second: { if: trigger.big, ask: supervisor }, expires: 1h, on_expire: fail }\n"),
    ("T020", "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: \"'x'\" }\nsteps: [{ id: a, end: x }]\n", "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: event.work_center }\nsteps: [{ id: a, end: x }]\n"),
    ("T025", "workflow: w\nowner: me\ntrigger: { event: erp.goods_receipt }\nflow: { concurrency: { limit: 0 } }\nsteps: [{ id: a, end: x }]\n",
             "workflow: w\nowner: me\ntrigger: { event: erp.goods_receipt }\nflow: { concurrency: { limit: 1 } }\nsteps: [{ id: a, end: x }]\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - id: e\n    each: \"${{ steps.p.people.map(q, q.name) }}\"\n    as: one\n    steps:\n      - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ one }}\" }, fallback: { severity: \"low\" } }\n",
             "  - { id: p, call: hr.people }\n  - id: e\n    each: \"${{ steps.p.people }}\"\n    as: one\n    steps:\n      - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ one.shift }}\" }, fallback: { severity: \"low\" } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - id: e\n    each: \"${{ steps.p.people.map(q, {'badge': q.name, 'shift': q.shift}) }}\"\n    as: one\n    steps:\n      - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ one.badge }}\" }, fallback: { severity: \"low\" } }\n",
             "  - { id: p, call: hr.people }\n  - id: e\n    each: \"${{ steps.p.people.map(q, {'badge': q.name, 'shift': q.shift}) }}\"\n    as: one\n    steps:\n      - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ one.shift }}\" }, fallback: { severity: \"low\" } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - id: e\n    each: \"${{ steps.p.people.map(q, q.name) }}\"\n    as: one\n    steps:\n      - { id: a, agent: prompts/one.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ size(steps.p.people) }}\" }, fallback: { severity: \"low\" } }\n",
             "  - { id: p, call: hr.people }\n  - id: e\n    each: \"${{ steps.p.people.map(q, q.shift) }}\"\n    as: one\n    steps:\n      - { id: a, agent: prompts/one.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ size(steps.p.people) }}\" }, fallback: { severity: \"low\" } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: g, gate: choose, ask: lead, options: \"${{ steps.p.people.map(q, {'title': q.name, 'shift': q.shift}) }}\", expires: 1h, on_expire: fail }\n  - { id: no, if: steps.g.decision == 'reject', end: x }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ steps.g.chosen.title }}\" }, fallback: { severity: \"low\" } }\n",
             "  - { id: p, call: hr.people }\n  - { id: g, gate: choose, ask: lead, options: \"${{ steps.p.people.map(q, {'title': q.name, 'shift': q.shift}) }}\", expires: 1h, on_expire: fail }\n  - { id: no, if: steps.g.decision == 'reject', end: x }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ steps.g.chosen.shift }}\" }, fallback: { severity: \"low\" } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ optional.of(steps.p.people[0]).optMap(q, q.name).orValue('') }}\" }, fallback: { severity: \"low\" } }\n",
             "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ optional.of(steps.p.people[0]).optMap(q, q.shift).orValue('') }}\" }, fallback: { severity: \"low\" } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ {steps.p.people[0].name: 1} }}\" }, fallback: { severity: \"low\" } }\n",
             "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ {steps.p.people[0].shift: 1} }}\" }, fallback: { severity: \"low\" } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ dyn(steps.p)['people'][0]['na' + 'me'] }}\" }, fallback: { severity: \"low\" } }\n",
             "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ steps.p.people.sortBy(q, q.name) }}\" }, fallback: { severity: \"low\" } }\n"),
    ("T018", "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ 1 }}\" }, fallback: { severity: \"${{ steps.p.people[0].name }}\" } }\n  - { id: b, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ steps.a.severity }}\" }, fallback: { severity: \"low\" } }\n",
             "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ 1 }}\" }, fallback: { severity: \"${{ steps.p.people[0].name }}\" } }\n  - { id: b, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: \"${{ steps.a.used_fallback }}\" }, fallback: { severity: \"low\" } }\n"),
    ("T010", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' || past.answers >= 50\", expires: 1h, on_expire: fail }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' && past.answers >= 50 || trigger.small && past.share > 0.9\", expires: 1h, on_expire: fail }\n"),
    ("T010", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' || trigger.planned\", expires: 1h, on_expire: fail }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' && past.answers >= 50 || trigger.small && past.share > 0.9\", expires: 1h, on_expire: fail }\n"),
    ("T010", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' ? true : trigger.planned\", expires: 1h, on_expire: fail }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' && past.answers >= 50 || trigger.small && past.share > 0.9\", expires: 1h, on_expire: fail }\n"),
    ("T010", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"trigger.planned ? steps.a.severity == 'low' : true\", expires: 1h, on_expire: fail }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' && past.answers >= 50 || trigger.small && past.share > 0.9\", expires: 1h, on_expire: fail }\n"),
    ("T010", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' && past.answers >= 0\", expires: 1h, on_expire: fail }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' && past.answers >= 50 || trigger.small && past.share > 0.9\", expires: 1h, on_expire: fail }\n"),
    ("T010", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' && past.accepted <= past.answers\", expires: 1h, on_expire: fail }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' && past.answers >= 50 || trigger.small && past.share > 0.9\", expires: 1h, on_expire: fail }\n"),
    ("T010", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' && past.share >= 0.0\", expires: 1h, on_expire: fail }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' && past.answers >= 50 || trigger.small && past.share > 0.9\", expires: 1h, on_expire: fail }\n"),
    ("T010", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"size([1]) == 1 || trigger.planned\", expires: 1h, on_expire: fail }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' && past.answers >= 50 || trigger.small && past.share > 0.9\", expires: 1h, on_expire: fail }\n"),
    ("T007", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"past.answers >= 0\", expires: 1h, on_expire: fail }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' && past.answers >= 50 || trigger.small && past.share > 0.9\", expires: 1h, on_expire: fail }\n"),
    ("T007", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"past.answers > -1\", expires: 1h, on_expire: fail }\n",
             "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: g, gate: approve, allow: [approve], ask: lead, auto_if: \"steps.a.severity == 'low' && past.answers >= 50 || trigger.small && past.share > 0.9\", expires: 1h, on_expire: fail }\n"),
    ("T010", "  - { id: ok, if: trigger.big, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, if: trigger.planned, call: plex.update_sequence, with: { sequence: [] } }\n",
             "  - { id: ok, if: trigger.planned, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, if: trigger.planned, call: plex.update_sequence, with: { sequence: [] } }\n"),
    ("T007", "  - { id: g, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: x, if: \"steps.g.chosen.sequence == 1\", end: x }\n",
             "  - { id: g, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: x, if: \"steps.g.decision == 'reject'\", end: x }\n"),
    ("T007", "  - { id: g, gate: approve, ask: lead, second: { if: answer.chosen.cost > 5, ask: supervisor }, expires: 1h, on_expire: fail }\n",
             "  - { id: g, gate: approve, ask: lead, second: { if: answer.decision == 'approve' && trigger.big, ask: supervisor }, expires: 1h, on_expire: fail }\n"),
    ("T020", "workflow: w\nowner: me\ntrigger: { event: erp.goods_receipt }\ninputs: { days: { type: integer } }\nsteps: [{ id: a, if: inputs.days > trigger.qty, end: x }]\n",
             "workflow: w\nowner: me\ntrigger: { event: erp.goods_receipt }\ninputs: { days: { type: integer, default: 2 } }\nsteps: [{ id: a, if: inputs.days > trigger.qty, end: x }]\n"),
    ("T006", "workflow: w\nowner: me\ntrigger: { cron: '0 6 * * *', time_zone: America/Chicago }\nsteps: [{ id: a, if: trigger.statuz == 'x', end: x }]\n",
             "workflow: w\nowner: me\ntrigger: { cron: '0 6 * * *', time_zone: America/Chicago }\nsteps: [{ id: a, if: trigger.subject == 'x', end: x }]\n"),
    ("T016", "workflow: w\nowner: me\ntrigger: manual\nsla: [{ step: b, within: 5m, escalate: good }]\nsteps:\n  - { id: a, call: hr.people }\n  - { id: b, wait: 2h }\n",
             "workflow: w\nowner: me\ntrigger: manual\nsla: [{ step: b, within: 3h, escalate: good }]\nsteps:\n  - { id: a, call: hr.people }\n  - { id: b, wait: 2h }\n"),
    ("T016", "workflow: w\nowner: me\ntrigger: manual\nsla: [{ step: b, within: 3h, escalate: good }]\nsteps:\n  - { id: a, call: hr.people, retry: { times: 5, wait: 1h } }\n  - { id: b, wait: 2h }\n",
             "workflow: w\nowner: me\ntrigger: manual\nsla: [{ step: b, within: 9h, escalate: good }]\nsteps:\n  - { id: a, call: hr.people, retry: { times: 5, wait: 1h } }\n  - { id: b, wait: 2h }\n"),
    ("T016", "workflow: w\nowner: me\ntrigger: manual\nsla: [{ step: ok, within: 15m, escalate: good }]\nsteps:\n  - { id: p, call: hr.people }\n  - id: c\n    choose:\n      - { if: size(steps.p.people) > 1, steps: [{ id: b, wait: 30m }, { id: ok, gate: acknowledge, ask: lead, expires: 1h, on_expire: fail }] }\n",
             "workflow: w\nowner: me\ntrigger: manual\nsla: [{ step: ok, within: 45m, escalate: good }]\nsteps:\n  - { id: p, call: hr.people }\n  - id: c\n    choose:\n      - { if: size(steps.p.people) > 1, steps: [{ id: b, wait: 30m }, { id: ok, gate: acknowledge, ask: lead, expires: 1h, on_expire: fail }] }\n"),
    ("T016", "workflow: w\nowner: me\ntrigger: manual\nsla: [{ step: told, within: 15m, escalate: good }]\nsteps:\n  - { id: p, call: hr.people }\non_failure:\n  - { id: told, call: notify.role, with: { role: lead, message: messages/f.hbs } }\n",
             "workflow: w\nowner: me\ntrigger: manual\nsla: [{ step: p, within: 15m, escalate: good }]\nsteps:\n  - { id: p, call: hr.people }\non_failure:\n  - { id: told, call: notify.role, with: { role: lead, message: messages/f.hbs } }\n"),
    ("T007", "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: event.work_center }\nsteps: [{ id: a, if: trigger.minutes * 1.5 > 90.0, end: x }]\n",
             "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: event.work_center }\nsteps: [{ id: a, if: double(trigger.minutes) * 1.5 > 90.0, end: x }]\n"),
    ("T007", "workflow: w\nowner: me\ntrigger: { event: erp.goods_receipt }\nsteps: [{ id: a, if: trigger.?qty.orValue(0) / 2 > 4, end: x }]\n",
             "workflow: w\nowner: me\ntrigger: { event: erp.goods_receipt }\nsteps: [{ id: a, if: trigger.?qty.orValue(0) * 2 > 4, end: x }]\n"),
    ("T007", "  - { id: a, call: tickets.create, with: { title: \"${{ '%d min'.format([now]) }}\" } }\n", "  - { id: a, call: tickets.create, with: { title: \"${{ '%s min'.format([now]) }}\" } }\n"),
    ("T006", "  - { id: a, run: other, detach: true }\n  - { id: x, if: steps.a.outcome == 'done', end: x }\n", "  - { id: a, run: other }\n  - { id: x, if: steps.a.outcome == 'done', end: x }\n"),
    ("T018", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, tools: [hr.people], fallback: { severity: low } }\n  - { id: b, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { said: \"${{ steps.a.severity }}\" }, fallback: { severity: low } }\n",
             "  - { id: p, call: hr.people }\n  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, tools: [hr.people], with: { shift: \"${{ steps.p.people[0].shift }}\" }, fallback: { severity: low } }\n  - { id: b, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { said: \"${{ steps.a.severity }}\", by: \"${{ steps.a.source }}\" }, fallback: { severity: low } }\n"),
    ("T027", "  - { id: a, agent: prompts/p.hbs, output: schemas/loose.json, limits: { turns: 3 }, fallback: { severity: low } }\n", "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n"),
    ("T027", "  - { id: a, agent: prompts/p.hbs, tools: [hr.people, schedule.resequence], output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n", "  - { id: a, agent: prompts/p.hbs, tools: [hr.people], output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n"),
    ("T021", "  - { id: x, if: trigger.a == 1, end: late_day }\n  - { id: y, end: lat_day }\n", "  - { id: x, if: trigger.a == 1, end: late_1 }\n  - { id: y, end: late_2 }\n"),
    ("T007", "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, where: event.work_center == event.work_center && event.status == 'RUNNING', key: event.work_center }\nsteps: [{ id: a, end: x }]\n",
             "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, where: event.work_center != 'P' && event.status == 'RUNNING', key: event.work_center }\nsteps: [{ id: a, end: x }]\n"),
    ("T007", "  - { id: p, call: hr.people }\n  - { id: x, if: 'trigger.a == 1 || !steps.p.people.exists(p, size(p.name) >= 0 && p.shift != trigger.b)', end: done }\n",
             "  - { id: p, call: hr.people }\n  - { id: x, if: 'trigger.a == 1 || !steps.p.people.exists(p, size(p.name) > 3 && p.shift != trigger.b)', end: done }\n"),
    ("T014", "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged], undo: { call: hr.people } }\n",
             "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged], undo: { call: plex.restore_sequence, with: { snapshot: S } } }\n"),
    ("T014", "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged], undo: { call: schedule.resequence, with: { down: P } } }\n",
             "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged], undo: { call: plex.restore_sequence, with: { snapshot: S } } }\n"),
    ("T019", "  - { id: g, gate: acknowledge, ask: lead, message: messages/empty.hbs, expires: 1h, on_expire: fail }\n",
             "  - { id: g, gate: acknowledge, ask: lead, message: messages/m.hbs, expires: 1h, on_expire: fail }\n"),
    ("T019", "  - { id: n, call: notify.role, with: { role: lead, message: messages/empty.hbs } }\n",
             "  - { id: n, call: notify.role, with: { role: lead, message: messages/m.hbs } }\n"),
    ("T020", "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: event.id }\nsteps: [{ id: a, end: x }]\n",
             "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: event.work_center }\nsteps: [{ id: a, end: x }]\n"),
    ("T020", "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: \"event.work_center + event.time\" }\nsteps: [{ id: a, end: x }]\n",
             "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: \"event.work_center + event.status\" }\nsteps: [{ id: a, end: x }]\n"),
    ("T020", "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: event.planned }\nsteps: [{ id: a, end: x }]\n",
             "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: event.work_center }\nsteps: [{ id: a, end: x }]\n"),
];

/// Found by looking at a whole site; their tests are beside the library, and of `takt check`.
const OF_THE_SITE: [&str; 3] = ["T024", "T026", "T028"];

fn file(text: &str) -> String {
    if text.starts_with("  ") { with_steps(text) } else { text.to_owned() }
}

fn of_code(code: &str, text: &str) -> (Vec<Problem>, String) {
    let yaml = file(text);
    let (problems, all) = findings_with(&yaml, &events());
    let own: Vec<Problem> = problems.into_iter().filter(|problem| problem.code == code).collect();
    let drawn = draw(&own, &bundle(&yaml));
    (own, format!("{drawn}\n\nall: {all}"))
}

#[test]
fn every_code_has_a_file_that_breaks_it_and_one_that_keeps_it() {
    for (code, _) in CODES.iter().filter(|(code, _)| !OF_THE_SITE.contains(code)) {
        assert!(FIXTURES.iter().any(|(of, ..)| of == code), "{code} has no fixture");
    }
    let (mut snapshot, mut failed) = (String::new(), Vec::new());
    for (code, wrong, right) in FIXTURES {
        let (found, drawn) = of_code(code, wrong);
        if found.is_empty() {
            failed.push(format!("{code} is not found in:\n{wrong}\n{drawn}"));
        }
        let drawn = drawn.split("\n\nall: ").next().unwrap_or_default();
        snapshot.push_str(&format!("=== {code}\n{drawn}\n\n"));
        let (found, drawn) = of_code(code, right);
        if !found.is_empty() {
            failed.push(format!("{code} is found in what is right:\n{drawn}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    insta::assert_snapshot!(snapshot);
}

#[test]
fn limits_that_leave_an_agent_no_room_are_told() {
    let told = |limits: &str| -> Vec<String> {
        let agent = format!(
            "  - {{ id: a, agent: prompts/p.hbs, tools: [hr.people], output: schemas/s.json, limits: {{ {limits} }}, fallback: {{ severity: low }} }}\n"
        );
        of_code("T017", &agent).0.into_iter().map(|problem| problem.message).collect()
    };
    for name in ["turns", "tokens", "same_call", "answer_tokens"] {
        assert_eq!(
            told(&format!("{name}: 0")),
            [format!("with `{name}` of nothing the agent only ever falls back")]
        );
    }
    assert_eq!(told("llm_call: 0s"), ["with `llm_call` of nothing the agent only ever falls back"]);
    assert_eq!(told("llm_call: 5m, time: 2m"), ["`llm_call` is more than `time` allows for the whole step"]);
    assert_eq!(
        told("answer_tokens: 9000, tokens: 8000"),
        ["`answer_tokens` is more than `tokens` allows for the whole step"]
    );
    assert_eq!(told("answer_tokens: 100"), ["a model is not asked for answers of less than 256 tokens"]);
    let all = "turns: 3, time: 90s, llm_call: 30s, repairs: 0, same_call: 1, retries: 0, answer_tokens: 512, tokens: 9000";
    assert_eq!(told(all), Vec::<String>::new());
}

/// A keyword that nobody converts, a limit, and a field that is optional where the limit is passed.
#[test]
fn an_answer_must_have_a_strict_schema_and_is_told_where_it_has_none() {
    let agent = "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n";
    let told = |keywords: &str| -> Vec<(Severity, u32, u32, bool)> {
        let mut bundle = bundle(&with_steps(agent));
        let schema = format!(
            "{{\n  \"type\": \"object\",\n  \"properties\": {{\n    \"severity\": {{ {keywords} }}\n  }}\n}}"
        );
        bundle.files.insert("schemas/s.json".to_owned(), schema);
        let found = library::findings_of(bundle, &registry(), &site(), &events()).1;
        let own = found.into_iter().filter(|problem| problem.code == "T027");
        own.map(|p| (p.severity, p.place.line, p.place.column, p.message.contains("/severity"))).collect()
    };
    assert_eq!(told(r#""type": "string", "maxLength": 9, "title": "How bad", "x-takt-grounded": true"#), []);
    assert_eq!(told(r#""type": "string", "pattern": "^(?!x)""#), [(Severity::Error, 4, 37, true)]);
    assert_eq!(told(r#""type": "string", "minContains": 1"#), [(Severity::Error, 4, 37, true)]);
    let words: Vec<String> = (0..300).map(|word| format!("\"{word:060}\"")).collect();
    let words = format!(r#""enum": [{}]"#, words.join(", "));
    assert_eq!(told(&words), [(Severity::Error, 4, 19, true)]);
}

#[test]
fn all_findings_are_told_at_once() {
    let steps = "  - { id: a, call: tickets.creat, with: { title: x } }\n  - { id: b, if: steps.c.x > 1, end: done }\n  - { id: g, gate: acknowledge, ask: leed, expires: 1h, on_expire: fail }\n";
    let (problems, _) = findings_with(&with_steps(steps), &events());
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["T009", "T006", "T012"]);
}

#[test]
fn what_is_right_is_checked_even_beside_a_mistake_in_the_form() {
    let steps = "  - { id: a, gate: acknowledge, ask: lead, expires: 1h }\n  - { id: b, if: trigger.planed, end: done }\n  - { id: c, cal: tickets.create }\n  - { id: d, if: steps.c.x == 1, end: over }\n";
    let yaml = with_steps(steps)
        .replace("trigger: manual", "trigger: { event: plex.work_center_status, key: event.work_center }");
    let (problems, _) = findings_with(&yaml, &events());
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
    // `steps.c` is not there only because `c` has a mistake of its own.
    assert_eq!(codes, ["T012", "T006", "T002"]);
}

#[test]
fn what_only_follows_from_a_mistake_is_not_told() {
    let inputs = "workflow: w\nowner: me\ntrigger: manual\ninputs: { cover_days: { type: numbr }, most: { default: 2 }, least: integer }\nsteps: [{ id: a, if: inputs.cover_days > inputs.most && inputs.least == 1, end: x }]\n";
    let timeout = with_steps(
        "  - id: a\n    wait: erp.goods_receipt\n    timeout: 3 weeks\n    on_timeout: { end: x }\n",
    );
    for (yaml, told) in [(inputs, 3), (timeout.as_str(), 1)] {
        let (problems, drawn) = findings_with(yaml, &events());
        let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, vec!["T002"; told], "{drawn}");
    }
}

#[test]
fn an_event_whose_file_has_a_mistake_is_there() {
    let site = std::env::temp_dir().join(format!("takt-events-{}", std::process::id()));
    std::fs::create_dir_all(site.join("events")).expect("a folder");
    std::fs::write(site.join("events/a.b.json"), "{}").expect("written");
    std::fs::write(site.join("events/a.c.json"), "{").expect("written");
    let (events, problems) = Events::load(&site).expect("read");
    std::fs::remove_dir_all(&site).expect("removed");
    assert_eq!(problems.len(), 1, "{problems:?}");
    let yaml = |event: &str| {
        format!(
            "workflow: w\nowner: me\ntrigger: {{ event: {event}, where: event.x == 1 }}\nsteps: [{{ id: a, end: x }}]\n"
        )
    };
    let codes = |event: &str| -> Vec<&'static str> {
        findings_with(&yaml(event), &events).0.iter().map(|problem| problem.code).collect()
    };
    assert_eq!(codes("a.c"), Vec::<&str>::new());
    assert_eq!(codes("a.d"), ["T020"]);
}

#[test]
fn a_key_is_what_it_reads_and_not_what_its_text_holds() {
    let told = |key: &str| {
        let trigger = format!("trigger:\n  event: plex.work_center_status\n  key: {key}\n");
        of_code("T020", &format!("workflow: w\nowner: me\n{trigger}steps: [{{ id: a, end: x }}]\n")).0.len()
    };
    assert_eq!(told("event.work_center + ' + event.id + '"), 0);
    for own in ["(event.id)", "event['time'] + event.work_center", "event.work_center + (event.id)"] {
        assert_eq!(told(own), 1, "{own}");
    }
}

#[test]
fn a_key_that_is_misspelt_is_not_told_to_be_missing() {
    let told = |yaml: &str| -> Vec<String> {
        findings_with(yaml, &events()).0.into_iter().map(|problem| problem.message).collect()
    };
    let agent = "  - { id: a, agent: prompts/p.hbs, outputs: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n";
    assert_eq!(told(&with_steps(agent)), ["unknown key `outputs` in an `agent` step"]);
    let gate = "  - { id: g, gate: approve, aks: lead, expirs: 1h, on_expire: fail }\n";
    let unknown = |key: &str| format!("unknown key `{key}` in a `gate` step");
    assert_eq!(told(&with_steps(gate)), [unknown("aks"), unknown("expirs")]);
    // One that is nothing like it stays missing.
    let gate = "  - { id: g, gate: approve, whom: lead, expires: 1h, on_expire: fail }\n";
    assert_eq!(told(&with_steps(gate)), ["this gate asks nobody".to_owned(), unknown("whom")]);
}

#[test]
fn an_undo_that_only_reads_says_nothing_of_other_writes() {
    let steps = "  - { id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }\n  - { id: w, call: plex.update_sequence, with: { sequence: [], work_center: P }, rules: [staged], undo: { call: hr.people } }\non_failure:\n  - { id: told, call: notify.role, with: { role: lead, message: messages/f.hbs } }\n  - { id: back, call: plex.restore_sequence, with: { snapshot: S } }\n";
    let (found, drawn) = of_code("T014", steps);
    let messages: Vec<&str> = found.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, ["`hr.people` only reads: it takes nothing back"], "{drawn}");
}

#[test]
fn a_part_of_a_rule_that_never_changes_is_told_once_in_the_rule() {
    let write = |id: &str| {
        format!(
            "  - {{ id: {id}, call: plex.update_sequence, with: {{ sequence: [], work_center: P }}, rules: [staged] }}\n"
        )
    };
    let found = |check: &str| -> Vec<(&'static str, u32, u32, String)> {
        let mut bundle = bundle(&with_steps(&(write("one") + &write("two"))));
        let rule = bundle.files["rules/staged.yaml"].replace("reads.stock.free > 0", check);
        bundle.files.insert("rules/staged.yaml".to_owned(), rule);
        let found = library::findings_of(bundle, &registry(), &site(), &events()).1;
        let of_rule = found.into_iter().filter(|problem| problem.path == "rules/staged.yaml");
        of_rule.map(|p| (p.code, p.place.line, p.place.column, p.message)).collect()
    };
    assert_eq!(found("reads.stock.free > 0"), []);
    let part = "this part of the check is always true".to_owned();
    let source = "reads.stock.free > 0 && write.work_center == write.work_center";
    assert_eq!(found(source), [("T007", 6, 32, part)]);
    assert_eq!(found("1 == 1"), [("T007", 6, 8, "this check is always true".to_owned())]);
}
