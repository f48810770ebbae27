// How the panel's backend talks to the controller: rows in, status out, by SQL alone.
//
// A write commits the wish; the controller carries it out and writes the status. Notifications say
// that a status changed, not what it is: they are hints, so everything is read again after each
// one, after each reconnect, and now and then anyway.

import pg from "pg";

const KEY = "kind = $1 AND organization = $2 AND name = $3";

export class Skyctl {
  #pool;
  #url;
  #listener = null;
  #wakers = new Set();
  #closed = false;

  /** url: of a login that is a member of the role skyctl_backend. */
  constructor(url) {
    this.#url = url;
    this.#pool = new pg.Pool({ connectionString: url, max: 4 });
    this.#pool.on("error", () => {}); // an idle connection broke; the next query opens another
  }

  async open() {
    await this.#listen();
  }

  async close() {
    this.#closed = true;
    await this.#listener?.end();
    await this.#pool.end();
  }

  /** Creates or changes a resource. actor: who it is for, kept in its history. */
  async apply({ kind, organization = "", name }, spec, actor) {
    return this.#as(actor, async (client) => {
      const { rows } = await client.query(
        `INSERT INTO skyctl.resources (kind, organization, name, spec) VALUES ($1, $2, $3, $4)
         ON CONFLICT (kind, organization, name) DO UPDATE SET spec = EXCLUDED.spec
         RETURNING uid, generation`,
        [kind, organization, name, JSON.stringify(spec)],
      );
      return rows[0];
    });
  }

  /** Changes one field: set(key, ["replicas"], 3). */
  async set({ kind, organization = "", name }, path, value, actor) {
    return this.#as(actor, async (client) => {
      const { rowCount } = await client.query(
        `UPDATE skyctl.resources SET spec = jsonb_set(spec, $4, $5) WHERE ${KEY}`,
        [kind, organization, name, path, JSON.stringify(value)],
      );
      return rowCount === 1;
    });
  }

  /** A request: the row goes when the containers have gone. Repeating it is harmless. */
  async remove({ kind, organization = "", name }, actor) {
    return this.#as(actor, async (client) => {
      const { rowCount } = await client.query(`DELETE FROM skyctl.resources WHERE ${KEY}`, [
        kind, organization, name,
      ]);
      return rowCount === 1;
    });
  }

  /** {phase, ready, reason, message, settled, status}, or null when there is no such row. */
  async status({ kind, organization = "", name }) {
    const { rows } = await this.#pool.query(
      `SELECT phase, ready, reason, message, settled, status
         FROM skyctl.resource_view WHERE ${KEY}`,
      [kind, organization, name],
    );
    return rows[0] ?? null;
  }

  /** Every status of the resource that differs from the one before, until the deadline. */
  async *watch(key, seconds) {
    const deadline = Date.now() + seconds * 1000;
    let last;
    for (;;) {
      const woken = this.#woken(key, Math.min(2000, Math.max(0, deadline - Date.now())));
      const now = await this.status(key); // read after the waker is set: no change falls between
      const text = JSON.stringify(now);
      if (text !== last) yield now;
      last = text;
      if (Date.now() >= deadline) {
        throw new Error(`${key.kind}/${key.name}: not within ${seconds} s; last: ${text}`);
      }
      await woken;
    }
  }

  /** SQL that any query may use. For what this class has no words for. */
  query(text, values) {
    return this.#pool.query(text, values);
  }

  #woken(key, milliseconds) {
    const payload = `${key.kind}/${key.organization ?? ""}/${key.name}`;
    return new Promise((resolve) => {
      const waker = (changed) => {
        if (changed !== null && changed !== payload) return;
        clearTimeout(timer);
        this.#wakers.delete(waker);
        resolve();
      };
      const timer = setTimeout(waker, milliseconds, null);
      this.#wakers.add(waker);
    });
  }

  #wake(payload) {
    for (const waker of [...this.#wakers]) waker(payload);
  }

  async #listen(delay = 200) {
    const client = new pg.Client({ connectionString: this.#url, keepAlive: true });
    let lost = false;
    const reconnect = () => {
      if (this.#closed || lost) return;
      lost = true;
      setTimeout(() => this.#listen(Math.min(delay * 2, 10000)).catch(() => {}), delay);
    };
    client.on("error", reconnect);
    client.on("end", reconnect);
    client.on("notification", ({ payload }) => this.#wake(payload));
    try {
      await client.connect();
      await client.query("LISTEN skyctl_status");
    } catch (error) {
      if (this.#listener === null) throw error; // the first time, the caller wants to know
      reconnect();
      return;
    }
    this.#listener = client;
    this.#wake(null); // what was missed meanwhile is read now
  }

  async #as(actor, work) {
    const client = await this.#pool.connect();
    try {
      await client.query("BEGIN");
      if (actor) await client.query("SELECT set_config('skyctl.actor', $1, true)", [`user:${actor}`]);
      const result = await work(client);
      await client.query("COMMIT");
      return result;
    } catch (error) {
      await client.query("ROLLBACK").catch(() => {});
      throw error;
    } finally {
      client.release();
    }
  }
}
