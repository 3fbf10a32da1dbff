// Microsoft's renderer of Adaptive Cards parses each card as version 1.5 and says what is wrong in it.
const fs = require("fs");
const path = require("path");

// The package's entry is for bundlers; its built file wants the globals of a browser.
globalThis.self = globalThis.window = globalThis;
const file = path.join(path.dirname(require.resolve("adaptivecards/package.json")), "dist/adaptivecards.js");
const built = { exports: {} };
new Function("module", "exports", "define", fs.readFileSync(file, "utf8"))(built, built.exports, undefined);
const ac = built.exports;

const cards = JSON.parse(fs.readFileSync(0, "utf8")).cards;
const said = cards.map((json) => {
  const context = new ac.SerializationContext(ac.Versions.v1_5);
  const card = new ac.AdaptiveCard();
  card.parse(json, context);
  const wrong = [];
  for (let i = 0; i < context.eventCount; i++) wrong.push(context.getEventAt(i).message);
  wrong.push(...card.validateProperties().validationEvents.map((event) => event.message));
  return { wrong, items: card.getItemCount(), actions: card.getActionCount(), inputs: card.getAllInputs().length };
});
process.stdout.write(JSON.stringify(said));
