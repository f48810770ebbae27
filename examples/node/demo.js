// A service from its first row to its last, as the panel would do it. One JSON line per step.
//
//   DATABASE_URL=postgresql://panel:...@host/skypanel node demo.js
//
// ORGANIZATION (default node-demo) and IMAGE (default skypanel/quickstart:1) say what is run. The
// organization and everything in it are removed at the end.

import { Skyctl } from "./skyctl.js";

const { DATABASE_URL, ORGANIZATION = "node-demo", IMAGE = "skypanel/quickstart:1" } = process.env;
if (!DATABASE_URL) {
  console.error("set DATABASE_URL to a login that is a member of skyctl_backend");
  process.exit(2);
}

const SECONDS = 120;
const ACTOR = "3f0c9a52-7d0b-4c67-9c4e-1f6d1f7a2b10"; // users.id of whoever clicked
const organization = { kind: "Organization", name: ORGANIZATION };
const web = { kind: "Service", organization: ORGANIZATION, name: "web" };

const say = (step, fields = {}) => console.log(JSON.stringify({ step, ...fields }));

/** Watches until the wish is fulfilled, and shows each status on the way. */
async function until(skyctl, key, fulfilled) {
  for await (const now of skyctl.watch(key, SECONDS)) {
    say("status", {
      key: `${key.kind}/${key.name}`,
      phase: now?.phase ?? null,
      ready: now?.ready ?? null,
      message: now?.message ?? null,
    });
    if (fulfilled(now)) return now;
    if (now?.settled && now.phase === "Failed") throw new Error(now.message);
  }
}

const running = (replicas) => (now) =>
  now?.settled && now.ready && now.status.readyReplicas === replicas;

/** What the backend may not do is refused by the database; answers the SQLSTATE. */
async function refused(work) {
  try {
    await work();
  } catch (error) {
    return error.code;
  }
  throw new Error("the database allowed what it must refuse");
}

const skyctl = new Skyctl(DATABASE_URL);
try {
  await skyctl.open();

  await skyctl.apply(organization, { displayName: "Node demo" }, ACTOR);
  const made = await skyctl.apply(
    web,
    { image: IMAGE, imagePullPolicy: "Never", resources: { cpu: "100m", memory: "32Mi" } },
    ACTOR,
  );
  say("created", made);
  const first = await until(skyctl, web, running(1));
  say("running", { containers: first.status.containers.map((container) => container.name) });

  await skyctl.set(web, ["replicas"], 2, ACTOR);
  const second = await until(skyctl, web, running(2));
  say("scaled", { containers: second.status.containers.map((container) => container.name) });

  say("refused", {
    statusWrite: await refused(() => skyctl.query("UPDATE skyctl.resource_status SET status = '{}'")),
    sourceForged: await refused(() => skyctl.query("UPDATE skyctl.resources SET source = 'api'")),
  });

  await skyctl.remove(organization, ACTOR); // and with it everything in it
  await until(skyctl, organization, (now) => now === null);
  say("removed");
} catch (error) {
  say("failed", { message: error.message, code: error.code });
  process.exitCode = 1;
} finally {
  await skyctl.close();
}
