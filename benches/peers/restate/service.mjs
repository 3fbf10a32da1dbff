// Five durable steps that do nothing, as a Restate service.
import * as restate from "@restatedev/restate-sdk";

const five = restate.service({
  name: "five",
  handlers: {
    run: async (context, n) => {
      let sum = n;
      for (let step = 1; step <= 5; step += 1) sum = await context.run(`s${step}`, () => sum + 1);
      return sum;
    },
  },
});

restate.serve({ services: [five], port: Number(process.env.PEER_SERVICE_PORT) });
