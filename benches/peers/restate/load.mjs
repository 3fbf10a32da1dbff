// N workflows in flight through the ingress; every result is checked. Prints one JSON object.
import { Agent, request } from "node:http";

const [inFlight, runs] = process.argv.slice(2).map(Number);
const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
const port = Number(process.env.PEER_INGRESS_PORT);

function call(n) {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const options = { host: "127.0.0.1", port, path: "/five/run", method: "POST", agent, headers, timeout: 30_000 };
    const sent = request(options, (answer) => {
      let body = "";
      answer.on("data", (part) => (body += part));
      answer.on("end", () =>
        answer.statusCode === 200 && Number(body) === n + 5 ? resolve() : reject(new Error(`${answer.statusCode} ${body}`)),
      );
    });
    sent.on("error", reject);
    // Restate retries a handler that fails, so a broken service shows as silence.
    sent.on("timeout", () => sent.destroy(new Error("no answer in 30 s: see service.log and restate.log")));
    sent.end(JSON.stringify(n));
  });
}

async function measure(count) {
  let left = count;
  const times = [];
  const one = async () => {
    while (left > 0) {
      left -= 1;
      const began = performance.now();
      await call(left);
      times.push(performance.now() - began);
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: inFlight }, one));
  return { seconds: (performance.now() - began) / 1000, times: times.sort((a, b) => a - b) };
}

// Enough for the JIT compilers of the service and of this, also where few runs are measured.
await measure(Math.max(300, Math.ceil(runs / 10)));
const { seconds, times } = await measure(runs);
const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
console.log(JSON.stringify({
  peer: "restate 1.7.12", in_flight: inFlight, runs,
  workflows_per_second: runs / seconds, steps_per_second: (runs * 5) / seconds, p50_ms: at(0.5), p99_ms: at(0.99),
}));
agent.destroy();
