"""CP-SAT (OR-Tools) on a JSON model of `takt schedule convert`: one JSON line with what it found.

The model: optional intervals per alternative; a circuit with setup times on every resource that has changeovers; fixed
intervals for closed and blocked time; cumulatives for operators, tools and utilities. It is warm-started with a plan
(`--hint`). Objective: weighted tardiness and makespan by the model's weights. What it cannot say it refuses: operations
that split over breaks, and weights on late orders, or on moves or overtime of a current plan.
"""

import argparse
import json
import resource
import sys
import time

from ortools.sat.python import cp_model

# More arcs than this cannot be built and solved in the seconds that are compared.
ARCS_MAX = 400_000
SCALE = 100


class Shop:
    """The variables of one model."""

    def __init__(self, data):
        self.data = data
        self.model = cp_model.CpModel()
        self.now = data.get("now", 0)
        self.horizon = data["horizon"]
        self.calendars = {c["id"]: c["open"] for c in data.get("calendars", [])}
        self.pools = {p["id"]: p for p in data.get("pools", [])}
        self.matrices = {s["id"]: s for s in data.get("setups", [])}
        self.start, self.end, self.whole, self.op = {}, {}, {}, {}
        self.present = {}  # (op, resource) -> literal
        self.on = {r["id"]: [] for r in data["resources"]}  # resource -> [(op, literal, interval)]
        self.setup_uses = {}  # pool -> [(interval, qty)]
        self.power_uses = []
        self.arcs = {}  # resource -> (operations, [(from, to, literal)])
        self.late, self.makespan = {}, None
        self.placed = {}  # (op, resource) -> (start, size) of a setup with a place of its own
        self.unsupported()

    def unsupported(self):
        if self.data.get("current"):
            sys.exit("cpsat.py: models with a current plan are not compared")
        if self.data["policy"]["weights"].get("late_orders"):
            sys.exit("cpsat.py: a weight on late orders is not modelled")
        for order in self.data["orders"]:
            for op in order["ops"]:
                if op.get("split", "no") != "no":
                    sys.exit("cpsat.py: operations that split over breaks are not modelled")

    def build(self):
        for order in self.data["orders"]:
            self.order(order)
        for machine in self.data["resources"]:
            self.machine(machine)
        for pool in self.pools.values():
            self.pool(pool)
        self.objective()

    def order(self, order):
        ops = order["ops"]
        for op in ops:
            name = f"{order['id']}/{op['id']}"
            first = max(self.now, order.get("release") or self.now, op.get("material_at") or self.now)
            last = min(self.horizon, order.get("deadline") or self.horizon)
            start = self.model.new_int_var(first, last, "")
            end = self.model.new_int_var(first, last, "")
            size = self.model.new_int_var_from_domain(
                cp_model.Domain.from_values(sorted({a["minutes"] for a in op["alts"]})), "")
            self.start[name], self.end[name], self.op[name] = start, end, op
            self.whole[name] = self.model.new_interval_var(start, size, end, "")
            literals = []
            for alt in op["alts"]:
                literal = self.model.new_bool_var("") if len(op["alts"]) > 1 else self.model.new_constant(1)
                interval = self.model.new_optional_interval_var(start, alt["minutes"], end, literal, "")
                self.present[name, alt["resource"]] = literal
                self.on[alt["resource"]].append((name, literal, interval))
                literals.append(literal)
            self.model.add_exactly_one(literals)
        for index, op in enumerate(ops):
            name = f"{order['id']}/{op['id']}"
            after = op["after"] if op.get("after") is not None else [ops[index - 1]["id"]] if index else []
            for before in after:
                end = self.end[f"{order['id']}/{before}"]
                self.model.add(self.start[name] >= end + op.get("min_lag", 0))
                if op.get("max_lag") is not None:
                    self.model.add(self.start[name] <= end + op["max_lag"])

    def closed(self, machine):
        """Closed and blocked stretches of a resource as fixed intervals."""
        spans = [(b["from"], b["to"]) for b in machine.get("blocked", [])]
        if machine.get("calendar"):
            at = self.now
            for begin, finish in self.calendars[machine["calendar"]]:
                if begin > at:
                    spans.append((at, begin))
                at = max(at, finish)
            if at < self.horizon:
                spans.append((at, self.horizon))
        return [self.model.new_fixed_size_interval_var(a, b - a, "") for a, b in sorted(spans) if b > a]

    def machine(self, machine):
        here = self.on[machine["id"]]
        closed = self.closed(machine)
        self.model.add_no_overlap([interval for _, _, interval in here] + closed)
        if machine.get("power_kw"):
            self.power_uses += [(interval, machine["power_kw"]) for _, _, interval in here]
        matrix = self.matrices.get(machine.get("setup"))
        if matrix is None or not here:
            return
        families = matrix.get("families") or self.data.get("families", [])
        row = {family: index for index, family in enumerate(families)}
        forbidden = {tuple(pair) for pair in matrix.get("forbidden", [])}
        needs = matrix.get("needs", [])
        # A setup needs a place of its own only where time is closed or people are needed for it.
        is_placed = bool(closed) or bool(needs)
        setup_start, setup_size = {}, {}
        largest = max((minutes for line in matrix["minutes"] for minutes in line), default=0)
        if is_placed:
            intervals = []
            for name, literal, _ in here:
                begin = self.model.new_int_var(self.now, self.horizon, "")
                size = self.model.new_int_var(0, largest, "")
                finish = self.model.new_int_var(self.now, self.horizon, "")
                interval = self.model.new_optional_interval_var(begin, size, finish, literal, "")
                self.model.add(finish <= self.start[name]).only_enforce_if(literal)
                setup_start[name], setup_size[name] = begin, size
                self.placed[name, machine["id"]] = (begin, size, finish)
                intervals.append(interval)
                for need in needs:
                    self.setup_uses.setdefault(need["pool"], []).append((interval, need["qty"]))
            if closed:
                self.model.add_no_overlap(intervals + closed)

        def minutes(before, after):
            """None where the pair must not follow; 0 where nothing has to change."""
            if before is None or after is None:
                return 0
            if (before, after) in forbidden:
                return None
            return matrix["minutes"][row[before]][row[after]]

        def follow(before_end, name, literal, size):
            if is_placed:
                self.model.add(setup_size[name] == size).only_enforce_if(literal)
                self.model.add(setup_start[name] >= before_end).only_enforce_if(literal)
            else:
                self.model.add(self.start[name] >= before_end + size).only_enforce_if(literal)

        arcs = []
        depot_alone = self.model.new_bool_var("")
        arcs.append((0, 0, depot_alone))
        for index, (name, literal, _) in enumerate(here, start=1):
            family = self.op[name].get("family")
            arcs.append((index, index, ~literal))
            self.model.add_implication(literal, ~depot_alone)
            size = minutes(machine.get("state"), family)
            if size is not None:
                first = self.model.new_bool_var("")
                arcs.append((0, index, first))
                follow(self.now, name, first, size)
            arcs.append((index, 0, self.model.new_bool_var("")))
            for other, (after, _, _) in enumerate(here, start=1):
                size = minutes(family, self.op[after].get("family"))
                if other == index or size is None:
                    continue
                arc = self.model.new_bool_var("")
                arcs.append((index, other, arc))
                follow(self.end[name], after, arc, size)
        self.model.add_circuit(arcs)
        self.arcs[machine["id"]] = (here, arcs)

    def pool(self, pool):
        uses = list(self.setup_uses.get(pool["id"], []))
        until = min(pool.get("calibrated_until") or self.horizon, pool.get("certified_until") or self.horizon)
        for name, op in self.op.items():
            for need in op.get("needs", []):
                if need["pool"] == pool["id"]:
                    uses.append((self.whole[name], need["qty"]))
                    self.model.add(self.end[name] <= until)
        if pool["kind"] == "utility" and sum(p["kind"] == "utility" for p in self.pools.values()) == 1:
            uses += self.power_uses
        if not uses:
            return
        steps = [(self.now, pool["capacity"])] + [tuple(step) for step in pool.get("profile", [])]
        top = max(capacity for _, capacity in steps)
        spans = []
        for (begin, capacity), (finish, _) in zip(steps, steps[1:] + [(self.horizon, 0)]):
            if capacity < top:
                spans.append((max(begin, self.now), finish, top - capacity))
        if pool.get("calendar"):
            # Outside of the calendar nothing is left; what a profile takes there already must not count twice.
            if pool.get("profile"):
                sys.exit("cpsat.py: a pool with a calendar and a profile is not modelled")
            at = self.now
            for begin, finish in self.calendars[pool["calendar"]] + [[self.horizon, self.horizon]]:
                if begin > at:
                    spans.append((at, begin, top))
                at = max(at, finish)
        for begin, finish, taken in spans:
            if finish > begin:
                uses.append((self.model.new_fixed_size_interval_var(begin, finish - begin, ""), taken))
        self.model.add_cumulative([use for use, _ in uses], [qty for _, qty in uses], top)

    def objective(self):
        weights = self.data["policy"]["weights"]
        terms = []
        if weights.get("tardiness"):
            for order in self.data["orders"]:
                if not order["ops"]:
                    continue
                late = self.model.new_int_var(0, max(0, self.horizon - order["due"]), "")
                self.late[order["id"]] = late
                for op in order["ops"]:
                    self.model.add(late >= self.end[f"{order['id']}/{op['id']}"] - order["due"])
                terms.append(round(SCALE * weights["tardiness"] * order.get("weight", 1)) * late)
        if weights.get("makespan"):
            makespan = self.makespan = self.model.new_int_var(self.now, self.horizon, "")
            self.model.add_max_equality(makespan, list(self.end.values()))
            terms.append(round(SCALE * weights["makespan"]) * makespan)
        self.model.minimize(sum(terms))

    def hint(self, plan):
        place = {op["op"]: op for op in plan["ops"]}
        for name, start in self.start.items():
            self.model.add_hint(start, place[name]["start"])
            self.model.add_hint(self.end[name], place[name]["end"])
        for (name, machine), literal in self.present.items():
            if len(self.op[name]["alts"]) > 1:
                self.model.add_hint(literal, place[name]["resource"] == machine)
        for order in self.data["orders"]:
            if order["id"] in self.late:
                end = max(place[f"{order['id']}/{op['id']}"]["end"] for op in order["ops"])
                self.model.add_hint(self.late[order["id"]], max(0, end - order["due"]))
        if self.makespan is not None:
            self.model.add_hint(self.makespan, max(op["end"] for op in plan["ops"]))
        self.hint_setups(plan)
        for machine, (here, arcs) in self.arcs.items():
            names = [None] + [name for name, _, _ in here]
            order = sorted((place[n]["start"], n) for n in names[1:] if place[n]["resource"] == machine)
            position = {name: index for index, (_, name) in enumerate(order)}
            for a, b, literal in arcs:
                if a == b:
                    continue
                before = position.get(names[a], -1) if a else -1
                after = position.get(names[b], -2) if b else len(order)
                is_there = (a == 0 or names[a] in position) and (b == 0 or names[b] in position)
                self.model.add_hint(literal, is_there and bool(order) and after == before + 1)

    def hint_setups(self, plan):
        sizes = self.sizes(plan["ops"])
        place = {op["op"]: op for op in plan["ops"]}
        for (name, machine), (begin, size, finish) in self.placed.items():
            op = place[name]
            minutes = sizes.get(name, 0) if op["resource"] == machine else 0
            at = op.get("setup_start", op["start"]) if minutes else op["start"]
            for variable, value in ((begin, at), (size, minutes), (finish, at + minutes)):
                self.model.add_hint(variable, value)

    def sizes(self, ops):
        """Minutes of changeover before each operation that has one."""
        matrices = {m["id"]: self.matrices.get(m.get("setup")) for m in self.data["resources"]}
        state = {m["id"]: m.get("state") for m in self.data["resources"]}
        sizes = {}
        for op in sorted(ops, key=lambda op: (op["resource"], op["start"], op["end"])):
            machine, family = op["resource"], self.op[op["op"]].get("family")
            matrix, before = matrices[machine], state[machine]
            state[machine] = family or before
            if matrix and family and before:
                families = matrix.get("families") or self.data["families"]
                size = matrix["minutes"][families.index(before)][families.index(family)]
                if size:
                    sizes[op["op"]] = size
        return sizes


class First(cp_model.CpSolverSolutionCallback):
    def __init__(self, begun):
        super().__init__()
        self.begun, self.first = begun, None

    def on_solution_callback(self):
        self.first = self.first if self.first is not None else time.monotonic() - self.begun


def count_arcs(data):
    by_machine = {}
    for order in data["orders"]:
        for op in order["ops"]:
            for alt in op["alts"]:
                by_machine[alt["resource"]] = by_machine.get(alt["resource"], 0) + 1
    return sum(by_machine.get(m["id"], 0) ** 2 for m in data["resources"] if m.get("setup"))


def plan_of(shop, solver):
    ops = []
    for name, op in shop.op.items():
        machine = next(a["resource"] for a in op["alts"] if solver.value(shop.present[name, a["resource"]]))
        ops.append({"op": name, "resource": machine, "start": solver.value(shop.start[name]),
                    "end": solver.value(shop.end[name])})
    sizes = shop.sizes(ops)
    for op in ops:
        size = sizes.get(op["op"], 0)
        if size and (op["op"], op["resource"]) in shop.placed:
            op["setup_start"] = solver.value(shop.placed[op["op"], op["resource"]][0])
        elif size:
            op["setup_start"] = op["start"] - size
    return {"version": 1, "title": "CP-SAT", "ops": ops}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--hint", required=True, help="a plan to start from")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", help="write the plan here")
    args = parser.parse_args()
    with open(args.model) as file:
        data = json.load(file)
    with open(args.hint) as file:
        hint = json.load(file)
    begun = time.monotonic()
    arcs = count_arcs(data)
    if arcs > ARCS_MAX:
        # It returns what it was given: the model with setups cannot be built in time.
        note = f"{arcs} arcs are more than {ARCS_MAX}: only the warm start"
        print(json.dumps({"objective": hint["kpis"]["objective"], "bound": 0, "first": None, "note": note,
                          "status": "WARM START", "wall": 0, "cpu": 0}))
        if args.out:
            json.dump({"version": 1, "ops": hint["ops"]}, open(args.out, "w"))
        return
    shop = Shop(data)
    shop.build()
    shop.hint(hint)
    built = time.monotonic() - begun
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = args.workers
    solver.parameters.random_seed = args.seed
    # Python builds the model slowly, which is not the solver's fault: that time does not count.
    solver.parameters.max_time_in_seconds = args.seconds
    if shop.arcs:
        # With the defaults presolve alone takes seconds on circuits.
        solver.parameters.cp_model_probing_level = 0
        solver.parameters.symmetry_level = 0
        solver.parameters.max_presolve_iterations = 1
    first = First(time.monotonic())
    status = solver.solve(shop.model, first)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    print(json.dumps({
        "objective": solver.objective_value / SCALE if found else None,
        "bound": solver.best_objective_bound / SCALE,
        "first": first.first,
        "status": solver.status_name(status),
        "built": round(built, 3),
        "wall": round(time.monotonic() - begun, 3),
        "cpu": round(usage.ru_utime + usage.ru_stime, 2),
    }))
    if found and args.out:
        with open(args.out, "w") as file:
            json.dump(plan_of(shop, solver), file)


main()
