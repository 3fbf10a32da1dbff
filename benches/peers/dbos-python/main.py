"""N workflows of five durable steps that do nothing, in flight with DBOS for Python; every result is checked.

`main.py IN_FLIGHT RUNS`, the database in `DATABASE_URL`. Prints one JSON object.
"""

import asyncio
import json
import multiprocessing
import os
import sys
import time
from importlib.metadata import version

from dbos import DBOS


@DBOS.step()
async def add_one(n: int) -> int:
    return n + 1


@DBOS.workflow()
async def five(n: int) -> int:
    for _ in range(5):
        n = await add_one(n)
    return n


async def measure(in_flight: int, runs: int) -> list[float]:
    numbers, times = iter(range(runs)), []

    async def one_after_the_other() -> None:
        for n in numbers:
            began = time.perf_counter()
            result = await five(n)
            if result != n + 5:
                raise RuntimeError(f"{n} became {result}")
            times.append(time.perf_counter() - began)

    await asyncio.gather(*(one_after_the_other() for _ in range(in_flight)))
    return times


def share(whole: int, parts: int, part: int) -> int:
    return whole // parts + (part < whole % parts)


def work(part: int, parts: int, in_flight: int, runs: int, launching, ready, results) -> None:
    # SQLAlchemy knows PostgreSQL by its long name only.
    url = os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
    DBOS(config={
        "name": "peer-dbos", "system_database_url": url, "application_version": "1", "executor_id": str(part),
        "log_level": "WARNING",
    })
    # The first one makes the tables.
    with launching:
        DBOS.launch()
    in_flight, runs = share(in_flight, parts, part), share(runs, parts, part)
    asyncio.run(measure(in_flight, max(1, runs // 10)))
    ready.wait()
    began = time.monotonic()
    times = asyncio.run(measure(in_flight, runs))
    results.put((began, time.monotonic(), times))
    DBOS.destroy()


def main() -> None:
    in_flight, runs = map(int, sys.argv[1:3])
    # A Python process works on one core at a time.
    parts = min(in_flight, os.cpu_count() or 1)
    spawn = multiprocessing.get_context("spawn")
    launching, ready, results = spawn.Lock(), spawn.Barrier(parts), spawn.SimpleQueue()
    workers = [
        spawn.Process(target=work, args=(part, parts, in_flight, runs, launching, ready, results), daemon=True)
        for part in range(parts)
    ]
    for worker in workers:
        worker.start()
    measured = []
    while len(measured) < parts:
        while results.empty():
            if any(worker.exitcode for worker in workers):
                sys.exit("a worker failed")
            time.sleep(0.05)
        measured.append(results.get())
    for worker in workers:
        worker.join()
    seconds = max(ended for _, ended, _ in measured) - min(began for began, _, _ in measured)
    times = sorted(one for _, _, times in measured for one in times)
    if len(times) != runs:
        sys.exit(f"{len(times)} of {runs} runs ended")

    def at(part: float) -> float:
        return 1000 * times[min(runs - 1, int(runs * part))]

    print(json.dumps({
        "peer": f"dbos for python {version('dbos')}", "in_flight": in_flight, "runs": runs,
        "workflows_per_second": runs / seconds, "steps_per_second": 5 * runs / seconds, "p50_ms": at(0.5), "p99_ms": at(0.99),
    }))


if __name__ == "__main__":
    main()
